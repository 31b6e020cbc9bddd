"""The templates' environment: everything escaped, nothing undefined passes."""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from winnerr_webhooks.settings_page import charts
from winnerr_webhooks.settings_page import format as shown


def make_environment(asset: Callable[[str], str], base: str) -> Environment:
    """An environment whose templates know `asset(name)`, the page's `base` and the formats."""
    environment = Environment(
        loader=PackageLoader("winnerr_webhooks.settings_page"),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"asset": asset, "base": base, "charts": charts}
    filters: dict[str, Callable[..., Any]] = {
        "ago": shown.ago,
        "clock": shown.clock,
        "duration": shown.duration,
        "size": shown.size,
        "number": shown.number,
        "percent": shown.percent,
        "short_id": shown.short_id,
        "short_url": shown.short_url,
        "span": shown.span,
        "count_of": shown.count_of,
    }
    environment.filters |= filters
    return environment
