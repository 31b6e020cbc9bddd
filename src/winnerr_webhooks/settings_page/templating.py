"""The Jinja environment: it escapes every value and refuses undefined names."""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from winnerr_webhooks.settings_page import charts, formatting


def make_environment(asset: Callable[[str], str]) -> Environment:
    """Build the environment.

    Templates can use `asset(name)`, `charts`, and the functions of `formatting` as filters.
    """
    environment = Environment(
        loader=PackageLoader("winnerr_webhooks.settings_page"),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"asset": asset, "charts": charts}
    filters: dict[str, Callable[..., Any]] = {
        "about": formatting.about,
        "ago": formatting.ago,
        "code_spans": formatting.code_spans,
        "clock": formatting.clock,
        "duration": formatting.duration,
        "size": formatting.size,
        "number": formatting.number,
        "percent": formatting.percent,
        "short_id": formatting.short_id,
        "short_url": formatting.short_url,
        "span": formatting.span,
        "retries": formatting.retries,
        "visible": formatting.visible,
        "pluralize": formatting.pluralize,
        "webhook_name": formatting.webhook_name,
    }
    environment.filters |= filters
    return environment
