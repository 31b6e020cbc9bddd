"""Forms as browsers send them, and the errors that are shown beside their fields."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from winnerr_webhooks.domain.errors import Invalid, Malformed
from winnerr_webhooks.domain.text import Text

MAX_FIELDS: Final = 200
MAX_NUMBER: Final = 10**9
"""Larger than any number that a form takes, so the check of its field refuses it."""
OF_SESSION: Final = frozenset({"csrf", "organization"})
"""Fields that say for whom a form was made."""
_FORM: Final = "application/x-www-form-urlencoded"


class Form:
    """The fields of one POST. A name can occur more than once."""

    def __init__(self, content_type: str, body: bytes) -> None:
        if body and content_type.partition(";")[0].strip().lower() != _FORM:
            raise Malformed(Text("The settings page accepts only forms."))
        try:
            self._pairs = parse_qsl(
                body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
            )
        except ValueError:
            raise Malformed(Text("The form is not UTF-8, or it has too many fields.")) from None

    def text(self, name: str) -> str:
        """The first value of a field without surrounding white space; empty when it is missing."""
        return next((value.strip() for key, value in self._pairs if key == name), "")

    def number(self, name: str, default: int) -> int:
        """A field that is a whole number; `default` when it is none. A huge one is `MAX_NUMBER`."""
        digits = self.text(name).lstrip("0") or self.text(name)[:1]
        if not (digits.isascii() and digits.isdecimal()):
            return default
        return int(digits) if len(digits) < len(str(MAX_NUMBER)) else MAX_NUMBER

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for key, value in self._pairs if key == name]

    def kept(self) -> list[tuple[str, str]]:
        """What a visitor entered: every field that is not about the session, with its value."""
        return [(key, value) for key, value in self._pairs if key not in OF_SESSION]

    def has(self, name: str) -> bool:
        """Whether the form has this field: a box that was ticked or the button that was pressed."""
        return any(key == name for key, _ in self._pairs)


class FormErrors:
    """The errors of a form, one message for each field."""

    def __init__(self, refusal: Invalid | None = None) -> None:
        self.by_field: dict[str, str] = {}
        for pointer, text in refusal.errors if refusal else ():
            message = text
            field, _, place = pointer[1:].partition("/")
            if field == "filter" and place:
                message = Text("At /{place}: {message}", place=place, message=message)
            self.by_field.setdefault(field, message)
        if refusal is not None and not self.by_field:
            self.by_field["form"] = refusal.detail

    def __bool__(self) -> bool:
        """Whether there are any errors."""
        return bool(self.by_field)

    def in_order(self, order: Mapping[str, str]) -> list[tuple[str, str]]:
        """(id of the input, message) for each error, in the order of the form.

        `order` maps each field, in the order shown, to the id of its input.
        """
        known = [(order[field], self.by_field[field]) for field in order if field in self.by_field]
        return known + [
            ("form", text) for field, text in self.by_field.items() if field not in order
        ]
