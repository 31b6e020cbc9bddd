"""Query parameters: read strictly, each refusal at a slash and the parameter's name."""

import difflib
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import Invalid, Malformed
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.management.field_checks import check_event

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_SEARCH: Final = 200
MAX_SHOWN: Final = 80
"""Characters of a wrong name that are compared with the right ones, and shown."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS = re.compile(r"([1-9])(\d\d|xx)", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,4}")
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Query:
    """The parameters of one request. An empty one counts as left out, as a form sends it."""

    def __init__(self, raw: bytes, known: Collection[str]) -> None:
        self._values: dict[str, str] = {}
        if raw:
            self._parse(raw, known)

    def _parse(self, raw: bytes, known: Collection[str]) -> None:
        try:
            pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict")
        except UnicodeDecodeError:
            raise Malformed("The query is not UTF-8.") from None
        for name, value in pairs:
            if name not in known:
                raise Invalid.field(f"/{escape(name)}", _unknown(name, known))
            if name in self._values:
                raise Invalid.field(f"/{name}", f"`{name}` is there twice; give it once.")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        """A parameter as it was sent."""
        return self._values.get(name) or None

    def choice(self, name: str, options: Collection[str]) -> str | None:
        """One of several words."""
        value = self.text(name)
        if value is not None and value not in options:
            raise Invalid.field(f"/{name}", f"`{name}` is one of {', '.join(options)}.")
        return value

    def event(self, name: str, catalog: Catalog) -> str | None:
        """An event type of the catalogue."""
        value = self.text(name)
        if value is not None:
            check_event(catalog, value, f"/{name}")
        return value

    def cursor(self, kind: str) -> str | None:
        """Where the answer before ended: its `next`, an id of this kind."""
        value = self.text("before")
        if value is not None and not is_id(kind, value):
            raise Invalid.field("/before", "`before` takes the `next` of the answer before.")
        return value

    def instant(self, name: str) -> int | None:
        """A moment (RFC 3339) in ms since 1970."""
        value = self.text(name)
        return None if value is None else read_instant(f"/{name}", value)

    def limit(self) -> int:
        """How many items a page has."""
        value = self.text("limit")
        if value is None:
            return DEFAULT_LIMIT
        if not _NUMBER.fullmatch(value) or not 1 <= int(value) <= MAX_LIMIT:
            raise Invalid.field("/limit", f"`limit` is a whole number from 1 to {MAX_LIMIT}.")
        return int(value)

    def status(self) -> tuple[int, int] | None:
        """A response status such as 503, or a class of them such as 5xx: first and last."""
        value = self.text("status")
        if value is None:
            return None
        match = _STATUS.fullmatch(value)
        if match is None:
            raise Invalid.field("/status", "`status` is a status such as 503, or a class: 5xx.")
        if match[2].isdigit():
            return int(value), int(value)
        first = int(match[1]) * 100
        return first, first + 99

    def search(self) -> str | None:
        """Free text to look for."""
        value = self.text("q")
        if value is not None and (len(value) > MAX_SEARCH or "\0" in value):
            raise Invalid.field("/q", f"`q` is up to {MAX_SEARCH} characters, none of them NUL.")
        return value


async def read_query(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard: refuse parameters that the handler's `query` does not name.

    What was sent is left as `request.state.query`.
    """
    connection.state.query = Query(connection.scope["query_string"], handler.opt.get("query", ()))


def read_instant(pointer: str, text: str) -> int:
    """A moment in ms since 1970; `Invalid` at `pointer` when it is not RFC 3339 with an offset."""
    try:
        moment = msgspec.convert(text, _Instant)
    except msgspec.ValidationError:
        hint = " In a query, write + as %2B." if " " in text[10:] else ""
        raise Invalid.field(
            pointer, f"This is no time such as 2025-01-15T14:23:00Z (RFC 3339, with offset).{hint}"
        ) from None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def escape(name: str) -> str:
    """A name as a step of a JSON Pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _unknown(name: str, known: Collection[str]) -> str:
    name = name[:MAX_SHOWN]
    if not known:
        return f"There is no parameter `{name}`: this call takes none."
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}."
    return f"There is no parameter `{name}`; {advice}"
