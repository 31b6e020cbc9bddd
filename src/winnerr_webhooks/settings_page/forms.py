"""Forms as browsers send them, and their errors beside the fields."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from winnerr_webhooks.domain.errors import Invalid, Malformed

MAX_FIELDS: Final = 200
_FORM: Final = "application/x-www-form-urlencoded"


class Form:
    """The fields of one POST; a name may come several times."""

    def __init__(self, content_type: str, body: bytes) -> None:
        if body and content_type.partition(";")[0].strip().lower() != _FORM:
            raise Malformed("The settings page takes forms only.")
        try:
            self._pairs = parse_qsl(
                body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
            )
        except ValueError:
            raise Malformed("This form is not UTF-8, or has too many fields.") from None

    def text(self, name: str) -> str:
        """The first value of a field, white space around it removed; empty when it is not there."""
        return next((value.strip() for key, value in self._pairs if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for key, value in self._pairs if key == name]

    def has(self, name: str) -> bool:
        """Whether a box is ticked or a button was pressed."""
        return any(key == name for key, _ in self._pairs)


class Errors:
    """What is wrong with a form, by field; in the order the fields are shown."""

    def __init__(self, refusal: Invalid | None = None) -> None:
        self.of: dict[str, str] = {}
        for pointer, message in refusal.errors if refusal else ():
            field = pointer.split("/")[1]
            self.of.setdefault(field, message)
        if refusal is not None and not self.of:
            self.of["form"] = refusal.detail

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.of)

    def listed(self, order: Mapping[str, str]) -> list[tuple[str, str]]:
        """(field id, sentence) in the form's own order."""
        known = [(order[field], self.of[field]) for field in order if field in self.of]
        return known + [("form", text) for field, text in self.of.items() if field not in order]
