"""A language of the settings page: its texts, its numbers and its dates.

A language is loaded when the first visitor needs it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files
from string import Formatter
from typing import Any, Final

from babel.core import Locale
from babel.dates import format_skeleton
from babel.lists import format_list
from markupsafe import Markup

from winnerr_webhooks.domain.language_choice import LANGUAGES
from winnerr_webhooks.domain.text import Sentences, Text
from winnerr_webhooks.settings_page.message_catalog import Catalog

_ENGLISH: Final = LANGUAGES[0]
_LOCALES: Final = {"en": "en-GB"}
"""The locale of a language if it is not the tag: dates are `23 Nov`, as in the documentation."""
_PLAIN: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
"""A number without groups, with a decimal point."""
_SAMPLES: Final = (*range(200), 1_000, 1_000_000)
"""Counts among which each plural category of each language occurs."""


class Language:
    """The texts, numbers and dates of one language."""

    def __init__(self, tag: str, catalog: Catalog, locale: Locale) -> None:
        self.tag = tag
        """BCP 47."""
        self.locale = locale
        self._catalog = catalog
        symbols = locale.number_symbols
        symbols = symbols.get("latn", symbols)
        group, self._decimal = symbols["group"], symbols["decimal"]
        self._separators = str.maketrans({",": group, ".": self._decimal})
        self._group = r"\s" if group.isspace() else re.escape(group)
        self._grouped = re.compile(
            rf"[1-9][0-9]{{0,2}}(?:{self._group}[0-9]{{3}})+(?:{re.escape(self._decimal)}[0-9]+)?"
        )
        self._percent: str = locale.percent_formats[None].suffix[0]
        self._formatter = _Formatter(self)
        # A page of the log has the same few days in hundreds of rows.
        self._days: Callable[[date, str], str] = lru_cache(maxsize=400)(self._format_day)

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`: the direction of its writing."""
        return str(self.locale.text_direction)

    # --- texts -------------------------------------------------------------------------------

    def translate(self, text: str) -> str:
        """Return a text in this language. A string that is no `Text` stays as it is."""
        if not isinstance(text, Text):
            return text
        if isinstance(text, Sentences):
            return " ".join(map(self.translate, text.parts))
        if text.plural is not None:
            return self.say_counted(text.template, text.plural, text.number, **text.values)
        return self.say(text.template, **text.values)

    def say(self, template: str, /, **values: Any) -> str:
        """Return the translation of a template with these values, as `Text` has them."""
        found = self._catalog.gettext(template)
        if not values:
            return found
        # Words need no formatter of this language, and hundreds of rows have nothing else.
        if all(type(one) is str for one in values.values()):
            return found.format_map(values)
        return self._formatter.vformat(found, (), values)

    def say_counted(self, singular: str, plural: str, count: int, /, **values: Any) -> str:
        """Return the translation for a count, which is `{count}`."""
        found = self._catalog.ngettext(singular, plural, count)
        return self._formatter.vformat(found, (), {**values, "count": self.number(count)})

    def markup(self, message: str, values: Mapping[str, Any]) -> Markup:
        """Return the translation of a template's text, which is HTML. The values are escaped."""
        return self._markup(self._catalog.gettext(message), values)

    def markup_in_context(self, context: str, message: str, values: Mapping[str, Any]) -> Markup:
        """Return the translation of a message that has a context, as `markup`."""
        return self._markup(self._catalog.pgettext(context, message), values)

    def markup_counted(
        self, singular: str, plural: str, count: int, values: Mapping[str, Any]
    ) -> Markup:
        """Return the translation for a count, as `markup`; `num` is the count."""
        found = self._catalog.ngettext(singular, plural, count)
        return self._markup(found, {"num": count, **values})

    def plural_forms(self, singular: str, plural: str) -> dict[str, str]:
        """Return the translation for each plural category (CLDR), for the page's scripts."""
        forms: dict[str, str] = {}
        for count in _SAMPLES:
            category = self.locale.plural_form(count)
            if category not in forms:
                forms[category] = self._catalog.ngettext(singular, plural, count)
        return forms

    def _markup(self, template: str, values: Mapping[str, Any]) -> Markup:
        # The template comes from our own templates or catalogues.
        return Markup(template) % {name: self._shown(one) for name, one in values.items()}  # noqa: S704

    def _shown(self, value: Any) -> Any:
        if isinstance(value, Text):
            return self.translate(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.number(value)
        return value

    # --- numbers and dates -------------------------------------------------------------------

    def number(self, value: float, decimals: int = 0) -> str:
        """Return a number with the separators of this language: `1,204`, `1.204`."""
        return f"{value:,.{decimals}f}".translate(self._separators)

    def number_written(self, text: str) -> str:
        """Return a number such as `0.5` as a field shows it: `0,5`; any other text as is."""
        return text.replace(".", self._decimal) if _PLAIN.fullmatch(text) else text

    def number_read(self, text: str) -> str:
        """Return a number from a field without groups, with a decimal point; any other text as is.

        A point that cannot separate groups is a decimal point in every language: in German, `0.5`
        is the same as `0,5`, and `1.000` is `1000`.
        """
        if self._grouped.fullmatch(text):
            text = re.sub(self._group, "", text)
        plain = text.replace(self._decimal, ".")
        return plain if _PLAIN.fullmatch(plain) else text

    def numbers_written(self, text: str) -> str:
        """Return numbers such as `0.5, 60` as a field shows them: `0,5; 60`."""
        between = ", " if self._decimal == "." else "; "
        return between.join(self.number_written(one) for one in text.split(", "))

    def numbers_read(self, text: str) -> str:
        """Return numbers from a field as `0.5, 60`; what is no number stays as it is.

        Semicolons separate them, and so do commas that cannot be in a number of this language.
        """
        between = r"[;,]" if self._decimal == "." else r";|,(?=\s|$)"
        parts = (one.strip() for one in re.split(between, text))
        return ", ".join(self.number_read(one) for one in parts if one)

    def percent(self, number: str) -> str:
        """Return a number as percent: `12%`, `12 %`."""
        return number + self._percent

    def listed(self, parts: Sequence[str]) -> str:
        """Return a list in words: `a, b and c`."""
        return format_list(parts, locale=self.locale)

    def day(self, at: datetime, *, year: bool) -> str:
        """Return a date: `23 Nov`, `23. Nov. 2026`."""
        return self._days(at.date(), "yMMMd" if year else "MMMd")

    def _format_day(self, at: date, skeleton: str) -> str:
        return str(format_skeleton(skeleton, at, locale=self.locale))


class _Formatter(Formatter):
    """Fills a template as `str.format` does, but with the numbers and texts of a language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> Any:
        if format_spec == ",":
            return self._language.number(value)
        if format_spec == ".1f":
            return self._language.number(value, 1)
        if format_spec == "g":
            text = f"{value:g}"
            return self._language.number(value, len(text.partition(".")[2]))
        if isinstance(value, Text):
            return self._language.translate(value)
        return super().format_field(value, format_spec)


class Languages:
    """All languages of the page. Each is loaded when it is first asked for."""

    def __init__(self, default: str) -> None:
        self.default = default
        self._loaded: dict[str, Language] = {}

    def is_loaded(self, tag: str) -> bool:
        """Whether `get` returns at once; otherwise it reads files for some milliseconds."""
        return tag in self._loaded

    def get(self, tag: str) -> Language:
        """Return a language by its tag, one of `LANGUAGES`."""
        found = self._loaded.get(tag)
        if found is None:
            found = self._loaded[tag] = load_language(tag)
        return found


def load_language(tag: str) -> Language:
    """Read a language's catalogue and the locale's data."""
    catalog = Catalog() if tag == _ENGLISH else Catalog(catalog_text(tag))
    return Language(tag, catalog, Locale.parse(_LOCALES.get(tag, tag), sep="-"))


def catalog_text(tag: str) -> str:
    """Return the PO file of a language."""
    return files(__package__).joinpath("translations", f"{tag}.po").read_text("utf-8")
