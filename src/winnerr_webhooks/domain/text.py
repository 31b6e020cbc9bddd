"""Texts for people that can be shown in another language.

A `Text` is English wherever it is used as a string: in the API, in logs and on the command line.
The settings page shows its translation. It finds that by the template, so `make texts` collects
every template that stands in a call of `Text` or `counted`.
"""

from collections.abc import Mapping
from typing import Any, Final, Self

_NO_VALUES: Final[Mapping[str, Any]] = {}


class Text(str):
    """An English text with what its translation needs: its template and the values in it.

    `Text("There is no host named {host}.", host="a.test")`. A value can be a `Text`. Write
    `{size:,}` for a number with thousands separators, and `{limit:g}` or `{days:.1f}` for one with
    decimals: the page shows them as the language writes them. Without values, braces stand for
    themselves.
    """

    __slots__ = ("number", "plural", "template", "values")

    template: str
    plural: str | None
    """The template for a `number` other than 1; None if there is no count."""
    number: int
    values: Mapping[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> Self:
        """Create a text without a count."""
        return cls._create(template, None, 1, values)

    @classmethod
    def _create(
        cls, template: str, plural: str | None, count: int, values: Mapping[str, Any]
    ) -> Self:
        if plural is None:
            english = template.format_map(values) if values else template
        else:
            chosen = template if count == 1 else plural
            english = chosen.format_map({**values, "count": f"{count:,}"})
        text = super().__new__(cls, english)
        text.template, text.plural, text.number = template, plural, count
        text.values = values or _NO_VALUES
        return text

    @classmethod
    def counted(cls, singular: str, plural: str, count: int, values: Mapping[str, Any]) -> Self:
        """Create a text with a count; code calls the function `counted`."""
        return cls._create(singular, plural, count, values)

    def fill(self, **values: Any) -> Self:
        """Return it with these values as well; its template names some of them or none."""
        return self._create(self.template, self.plural, self.number, {**self.values, **values})


class Sentences(Text):
    """Several texts, one after the other with a space between."""

    __slots__ = ("parts",)

    parts: tuple[str, ...]

    def __new__(cls, *parts: str) -> Self:
        """Create it of texts; empty ones are left out."""
        shown = tuple(part for part in parts if part)
        text = cls._create(" ".join(shown), None, 1, _NO_VALUES)
        text.parts = shown
        return text

    def fill(self, **values: Any) -> Self:
        """Return it with these values in every part."""
        filled = (part.fill(**values) if isinstance(part, Text) else part for part in self.parts)
        return type(self)(*filled)


def counted(singular: str, plural: str, count: int, /, **values: Any) -> Text:
    """Create a text with a count: `counted("{count} event", "{count} events", 2)`.

    `{count}` is the count with thousands separators.
    """
    return Text.counted(singular, plural, count, values)


NOTHING: Final[Text] = Sentences()
"""An empty text."""
