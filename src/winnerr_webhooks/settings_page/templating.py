"""The Jinja environment: it escapes every value, refuses undefined names, and translates.

Every template is rendered with a `language`. The texts in templates are `{% trans %}` blocks and
calls of `_`. A value that is a `Text` is shown in that language wherever it is printed.
"""

from collections.abc import Callable
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context
from markupsafe import Markup

from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.settings_page import charts, formatting
from winnerr_webhooks.settings_page.json_markup import json_markup
from winnerr_webhooks.settings_page.languages import Language
from winnerr_webhooks.settings_page.script_texts import script_texts

_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "short_id": formatting.short_id,
    "event_of": formatting.event_of,
    "short_url": formatting.short_url,
    "visible": formatting.visible,
    "pluralize": formatting.pluralize,
    "is_of_another_year": formatting.is_of_another_year,
    "json_markup": json_markup,
    "named": lambda key, names: names.get(key, key),
    "webhook_name": formatting.webhook_name,
}
_FILTERS_OF_LANGUAGE: Final[dict[str, Callable[..., Any]]] = {
    "about": formatting.about,
    "ago": formatting.ago,
    "clock": formatting.clock,
    "code_spans": formatting.code_spans,
    "duration": formatting.duration,
    "minute": formatting.minute,
    "size": formatting.size,
    "number": formatting.number,
    "number_written": Language.number_written,
    "numbers_written": Language.numbers_written,
    "rate": formatting.rate,
    "at_least": formatting.at_least,
    "listed": Language.listed,
    "percent": formatting.percent,
    "stored": formatting.stored,
    "retries": formatting.retries,
    "span": formatting.span,
}
"""Functions whose first parameter is the language."""


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
        extensions=["jinja2.ext.i18n"],
        finalize=_translated,
    )
    environment.policies["ext.i18n.trimmed"] = True
    # The functions below fill in the variables of a `{% trans %}` block themselves.
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # set by the extension
    environment.globals |= {
        "asset": asset,
        "charts": charts,
        "_": _gettext,
        "script_texts": _script_texts,
        "gettext": _gettext,
        "ngettext": _ngettext,
        "pgettext": _pgettext,
    }
    environment.filters |= _FILTERS
    environment.filters |= {
        name: _with_language(function) for name, function in _FILTERS_OF_LANGUAGE.items()
    }
    return environment


def _with_language(function: Callable[..., Any]) -> Callable[..., Any]:
    @pass_context
    def apply(context: Context, *values: Any) -> Any:
        return function(_language(context), *values)

    return apply


@pass_context
def _translated(context: Context, value: Any) -> Any:
    return _language(context).translate(value) if isinstance(value, Text) else value


@pass_context
def _gettext(context: Context, message: str, /, **values: Any) -> Markup:
    return _language(context).markup(message, values)


@pass_context
def _ngettext(context: Context, singular: str, plural: str, count: int, /, **values: Any) -> Markup:
    return _language(context).markup_counted(singular, plural, count, values)


@pass_context
def _script_texts(context: Context) -> dict[str, Any]:
    return script_texts(_language(context))


@pass_context
def _pgettext(context: Context, kind: str, message: str, /, **values: Any) -> Markup:
    return _language(context).markup_in_context(kind, message, values)


def _language(context: Context) -> Language:
    language: Language = context["language"]
    return language
