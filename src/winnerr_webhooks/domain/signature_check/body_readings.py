"""The bodies that receivers make of the raw body, right and wrong.

Each reading is a body that may have been signed, or that the receiver's code may have used, with
the mistakes that lead from it to the body given.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from winnerr_webhooks.domain.signature_check.body_wrappings import unwrapped
from winnerr_webhooks.domain.signature_check.json_restorations import (
    ENVELOPE,
    envelope_in_order,
    parse_other_text,
    restorations,
)
from winnerr_webhooks.domain.signature_check.json_styles import (
    COMPACT,
    Members,
    Number,
    Style,
    compact_styles,
    parse,
    styles,
)
from winnerr_webhooks.domain.text import Text

OBJECT_AS_TEXT: Final = b"[object Object]"
_MOST_FORMATTED: Final = 1 << 20
"""How many bytes are written to find out how a body is formatted; four styles in any case."""
_BOM: Final = b"\xef\xbb\xbf"
_TEXTS: Final = (
    (b"", "nothing"),
    (OBJECT_AS_TEXT, "`[object Object]`"),
    (b"undefined", "`undefined`"),
    (b"null", "`null`"),
    (b"{}", "`{}`"),
)
"""What code signs when it takes the parsed object, or a variable that is not set, for the body."""


class BodyReading(NamedTuple):
    """One body to try."""

    body: bytes
    mistakes: tuple[str, ...] = ()
    detail: str = ""
    """What was done to the body, as `signature_texts` names it, or a style's description."""


def simple_readings(body: bytes, sent: bytes | None) -> Iterator[BodyReading]:
    """Yield the body as it is, and with small changes; `sent` is what was sent, if known."""
    yield BodyReading(body)
    bare, mistakes = _bare(body)
    if mistakes:
        yield BodyReading(bare, mistakes, "body_has_more")
    for more, added in (
        (b"%b\n", "trailing_newline"),
        (b"%b\r\n", "trailing_newline"),
        (_BOM + b"%b", "bom"),
    ):
        yield BodyReading(more % bare, (added,), "more_was_used")
    if sent is not None and sent != body:
        name = "reserialized" if _equal(bare, sent) else "changed_body"
        yield BodyReading(sent, (name,), "sent")
    for text, detail in _TEXTS:
        yield BodyReading(text, ("reserialized",), f"text:{detail}")
    yield from _other_charsets(bare)
    for before, what in unwrapped(bare):
        yield BodyReading(before, ("changed_body", *mistakes), f"wrapped:{what}")


def _bare(body: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the body without a byte order mark and white space around, and what it had."""
    mistakes: tuple[str, ...] = ()
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16, as PowerShell's `>` writes
        body, mistakes = body.decode("utf-16", "replace").encode(), ("bom",)
    if body.startswith(_BOM):
        body, mistakes = body.removeprefix(_BOM), ("bom",)
    bare = body.strip(b" \t\r\n")
    return bare, (*mistakes, "trailing_newline") if bare != body else mistakes


def _other_charsets(body: bytes) -> Iterator[BodyReading]:
    """Yield the body read as Latin-1 or UTF-16 where it was UTF-8, and the way back."""
    if b"\0" in body:
        for codec in ("utf-16-le", "utf-16-be"):
            yield BodyReading(body.decode(codec, "replace").encode(), ("charset",), "charset")
    if body.isascii():
        return
    yield BodyReading(body.decode("latin-1").encode(), ("charset",), "charset")
    with suppress(UnicodeError):
        yield BodyReading(body.decode().encode("latin-1"), ("charset",), "charset")


class Rewritten(NamedTuple):
    """A body that is JSON, or the text of a parsed object: what its formatting shows."""

    value: Any
    mistakes: tuple[str, ...]
    """`trailing_newline` and `bom`, if the body has them."""
    formatting: Text
    """How it is written, for people."""
    compact: bytes = b""
    """It without white space, its strings and numbers as they are; empty if it is not JSON."""
    is_as_sent: bool = False
    """Whether it is compact with its keys in their order, as every body is when it is sent."""

    @property
    def event_time(self) -> str | None:
        """The payload's `timestamp`, if it is a text."""
        members = dict(self.value) if isinstance(self.value, Members) else {}
        time = members.get("timestamp")
        return time if isinstance(time, str) else None

    @property
    def is_payload(self) -> bool:
        """Whether it has the keys of a payload; True if its value is not known."""
        if self.value is None:
            return True
        keys = [key for key, _ in self.value] if isinstance(self.value, Members) else []
        return sorted(keys) == sorted(ENVELOPE)


def rewritten(body: bytes) -> Rewritten | None:
    """Read a body as JSON; None if it cannot be read."""
    bare, mistakes = _bare(body)
    if bare == OBJECT_AS_TEXT:
        return Rewritten(
            None, mistakes, Text("as `[object Object]`, JavaScript's text of any object")
        )
    try:
        text = bare.decode()
    except UnicodeError:
        return None
    try:
        value = parse(text)
        if isinstance(value, str) and value.startswith("{"):
            inner = _compact(value.encode("utf-8", "surrogatepass"))
            return Rewritten(parse(value), mistakes, Text("as JSON within a JSON string"), inner)
    except ValueError:
        other = parse_other_text(text)
        return (
            Rewritten(other[1], mistakes, Text("as the text of {what}", what=Text(other[0])))
            if other
            else None
        )
    style, reordered = _formatting(bare, value), envelope_in_order(value) is not None
    if reordered:
        style = Text("{style}, its keys in another order", style=style)
    compact = _compact(bare)
    return Rewritten(value, mistakes, style, compact, compact == bare and not reordered)


def _compact(text: bytes) -> bytes:
    try:
        return msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return b""


def _formatting(body: bytes, value: Any) -> Text:
    """Describe how a JSON body is written."""
    for style in islice(styles(value), max(4, _MOST_FORMATTED // max(len(body), 1))):
        if style.write(value) == body:
            return style.description
    return Text("in a way of its own")


def rewritten_readings(given: Rewritten) -> Iterator[BodyReading]:
    """Yield the same JSON in every style, also with a line break at its end."""
    mistakes = ("reserialized", *given.mistakes)
    if given.compact:
        yield BodyReading(given.compact, mistakes, COMPACT.phrase)
    for style in _in_likely_order(given.value):
        body = style.write(given.value)
        yield BodyReading(body, mistakes, style.description)
        yield BodyReading(body + b"\n", ("reserialized", "trailing_newline"), style.description)


def _in_likely_order(value: Any) -> Iterable[Style]:
    yield from compact_styles()
    yield from styles(value)


def restored_readings(given: Rewritten) -> Iterator[BodyReading]:
    """Yield the JSON with what an encoder may have lost, written as senders write it."""
    for lost, value in restorations(given.value):
        for style in compact_styles():
            yield BodyReading(style.write(value), ("reserialized", *given.mistakes), f"lost:{lost}")


def _equal(body: bytes, sent: bytes) -> bool:
    """Whether two bodies are the same JSON value; neither key order nor `{}` for `[]` counts."""
    one, other = rewritten(body), rewritten(sent)
    return one is not None and other is not None and _plain(one.value) == _plain(other.value)


def _plain(value: Any) -> Any:
    if isinstance(value, Number):
        return float(value)
    if isinstance(value, Members) and value:
        return {key: _plain(inner) for key, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, Members | list) else value
