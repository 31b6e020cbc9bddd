"""Query parameters of the REST API. They are checked strictly: `Invalid` names the wrong one."""

import difflib
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from urllib.parse import parse_qsl

import msgspec

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import Invalid, Malformed
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.management.field_checks import check_logged_event

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_SEARCH: Final = 200
MAX_NAME: Final = 80
"""Characters of an unknown name that are compared with the known ones and shown."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS = re.compile(r"([1-9])(\d\d|xx)", re.IGNORECASE | re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[0-9]{1,4}")
_Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]


class QueryParameters:
    """The parameters of one request. An empty one counts as left out.

    Every method raises `Invalid` when its parameter is wrong.
    """

    def __init__(self, raw: bytes, known: Collection[str]) -> None:
        self._values: dict[str, str] = {}
        if raw:
            self._parse(raw, known)

    def _parse(self, raw: bytes, known: Collection[str]) -> None:
        try:
            pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict")
        except UnicodeDecodeError:
            raise Malformed("The query string is not UTF-8.") from None
        for name, value in pairs:
            if name not in known:
                raise Invalid.field(f"/{escape(name)}", _unknown(name, known))
            if name in self._values:
                raise Invalid.field(f"/{name}", f"`{name}` occurs twice. Send it once.")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        """A parameter as it was sent; None when it is left out."""
        return self._values.get(name) or None

    def choice(self, name: str, options: Collection[str]) -> str | None:
        """A parameter that is one of these words."""
        value = self.text(name)
        if value is not None and value not in options:
            raise Invalid.field(f"/{name}", f"`{name}` must be one of {', '.join(options)}.")
        return value

    def event(self, name: str, catalog: Catalog) -> str | None:
        """A parameter that is a name or a pattern of events that the log can have."""
        value = self.text(name)
        if value is not None:
            check_logged_event(catalog, value, f"/{name}")
        return value

    def cursor(self, prefix: str) -> str | None:
        """`before`: the `next` of the previous answer, which is an id with this prefix."""
        value = self.text("before")
        if value is not None and not is_id(prefix, value):
            raise Invalid.field("/before", "`before` must be the `next` of the previous answer.")
        return value

    def timestamp(self, name: str) -> int | None:
        """A parameter that is a time (RFC 3339), in ms since 1970."""
        value = self.text(name)
        return None if value is None else read_timestamp(f"/{name}", value)

    def whole_number(self, name: str) -> int | None:
        """A parameter that is a whole number from 0 to 999,999,999."""
        value = self.text(name)
        if value is None:
            return None
        if not _WHOLE.fullmatch(value):
            raise Invalid.field(f"/{name}", f"`{name}` must be a whole number below 1,000,000,000.")
        return int(value)

    def limit(self) -> int:
        """`limit`: the most items in one answer."""
        value = self.text("limit")
        if value is None:
            return DEFAULT_LIMIT
        if not _NUMBER.fullmatch(value) or not 1 <= int(value) <= MAX_LIMIT:
            raise Invalid.field("/limit", f"`limit` must be a whole number from 1 to {MAX_LIMIT}.")
        return int(value)

    def status_range(self) -> tuple[int, int] | None:
        """`status`: the first and last response status it stands for, from 503 or 5xx."""
        value = self.text("status")
        if value is None:
            return None
        match = _STATUS.fullmatch(value)
        if match is None:
            raise Invalid.field(
                "/status", "`status` must be a status such as 503, or a class such as 5xx."
            )
        if match[2].isdigit():
            return int(value), int(value)
        first = int(match[1]) * 100
        return first, first + 99

    def short_text(self, name: str) -> str | None:
        """A parameter of at most `MAX_SEARCH` characters."""
        value = self.text(name)
        if value is not None and (len(value) > MAX_SEARCH or "\0" in value):
            raise Invalid.field(
                f"/{name}", f"`{name}` must have at most {MAX_SEARCH} characters, and no NUL."
            )
        return value

    def search(self) -> str | None:
        """`q`: the text to search for."""
        return self.short_text("q")


def read_timestamp(pointer: str, text: str) -> int:
    """A time in ms since 1970; `Invalid` at `pointer` when it is not RFC 3339 with an offset."""
    try:
        moment = msgspec.convert(text, _Timestamp)
    except msgspec.ValidationError:
        hint = " In a query, write + as %2B." if " " in text[10:] else ""
        raise Invalid.field(
            pointer, f"Send a time such as 2025-01-15T14:23:00Z (RFC 3339 with offset).{hint}"
        ) from None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def escape(name: str) -> str:
    """A name as a reference token of a JSON Pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _unknown(name: str, known: Collection[str]) -> str:
    name = name[:MAX_NAME]
    if not known:
        return f"There is no parameter `{name}`. This call takes none."
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean `{near[0]}`?" if near else f"The parameters are {', '.join(known)}."
    return f"There is no parameter `{name}`. {hint}"
