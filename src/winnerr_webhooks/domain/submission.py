"""What callers send: the wire form of an event, read and checked, its data untouched.

On the fast path a body is looked at three times, all in C: once as UTF-8, once as JSON (the data
stays the bytes it is), once to drop the data's white space. Only what fails there is taken apart
slowly, to say of every wrong field what is wrong with it.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import Invalid, Refused, TooLarge
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.domain.event_errors import (
    CLIENT_ID,
    ORGANIZATION,
    Nearest,
    malformed,
    nested_too_deep,
    not_utf8,
    refuse,
    repeated_fields,
    too_deep,
)
from winnerr_webhooks.domain.timestamp import normalise

MAX_EVENT: Final = 256 * 1024
"""Bytes of one event as it is sent."""
MAX_BATCH: Final = 8 * 1024 * 1024
MAX_BATCH_EVENTS: Final = 1_000
_TOKEN: Final = re.compile(rb'\\.|["\[\]{},]', re.DOTALL)
_MOST_TOKENS: Final = 200_000
"""Tokens that are looked at, in Python, to part a batch the decoder gave up on: some 40 ms."""
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_WHITE: Final = b" \t\r\n"
"""What JSON takes as white space (RFC 8259, section 2)."""
_LINE_START: Final = re.compile(rb"[^ \t\r\n]")
"""The first character that counts of a line that is not empty."""
_MOST_SUGGESTIONS: Final = 20
"""Wrong names of one batch that near ones are looked up for; each takes milliseconds."""


class _Wire(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event: str
    organizationId: str  # noqa: N815  the wire's name
    data: msgspec.Raw
    timestamp: str | None = None
    id: str | None = None


class Submission(msgspec.Struct, frozen=True, gc=False):
    """An event that passed every check."""

    organization: str
    name: str
    timestamp: str
    """RFC 3339 in UTC, whole seconds."""
    data: bytes
    """Compact JSON, otherwise as sent."""
    client_id: str | None


_FRAME: Final = len('{"event":"","organizationId":"","data":}')
_TIMESTAMP: Final = len(',"timestamp":""')
_ID: Final = len(',"id":""')
_DATA: Final = b'"data":'
_WIRE: Final = msgspec.json.Decoder(_Wire)
_NOTHING: Final = msgspec.Raw(b"")
_ARRAY: Final = msgspec.json.Decoder(
    msgspec.defstruct(
        "_Array",
        [(f"n{n}", msgspec.Raw, _NOTHING) for n in range(MAX_BATCH_EVENTS + 1)],
        array_like=True,
        gc=False,
    )
)
"""An array's first 1,001 elements; what follows is checked, but never in memory as objects."""


def read(
    raw: bytes | msgspec.Raw,
    *,
    catalog: Catalog,
    now_ms: int,
    idempotency_key: str | None = None,
    nearest: Nearest | None = None,
) -> Submission:
    """One event; `Malformed`, `TooLarge`, or `Invalid` with every field that is wrong.

    `nearest` suggests names for an unknown one; left out, the catalogue does.
    """
    if len(raw) > MAX_EVENT:
        raise TooLarge(f"An event has at most {MAX_EVENT:,} bytes; this one has {len(raw):,}.")
    raw = _utf8(raw)
    try:
        compact = msgspec.json.format(raw, indent=-1)
        wire = _WIRE.decode(compact)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        refuse(raw, catalog, nearest, idempotency_key)
    data = bytes(wire.data)
    client_id = wire.id if idempotency_key is None else idempotency_key
    timestamp = rfc3339(now_ms) if wire.timestamp is None else normalise(wire.timestamp)
    if (
        catalog.get(wire.event) is None
        or ORGANIZATION.fullmatch(wire.organizationId) is None
        or data[:1] != b"{"
        or timestamp is None
        or (client_id is not None and CLIENT_ID.fullmatch(client_id) is None)
        or (wire.id is not None and wire.id != client_id)
        or too_deep(data)
        or (len(compact) != _written_length(wire, data) and _repeats_fields(compact, data))
    ):
        refuse(raw, catalog, nearest, idempotency_key)
    return Submission(
        wire.organizationId,
        wire.event,
        timestamp,
        data,
        client_id,
    )


def _written_length(wire: _Wire, data: bytes) -> int:
    """The length of this event as compact JSON, if no field is null, escaped or there twice."""
    length = _FRAME + len(wire.event) + len(wire.organizationId) + len(data)
    if wire.timestamp is not None:
        length += _TIMESTAMP + len(wire.timestamp)
    if wire.id is not None:
        length += _ID + len(wire.id)
    return length


def _repeats_fields(compact: bytes, data: bytes) -> bool:
    """Whether a field is there twice; what is in `data` is left out of the search."""
    start = compact.find(_DATA) + len(_DATA)
    if compact.startswith(data, start):
        compact = compact[:start] + b"0" + compact[start + len(data) :]
        if b"\\" not in compact:  # then every `":` ends a key, and keys are spelled plainly
            fields = 3 + (b'"timestamp":' in compact) + (b'"id":' in compact)
            return compact.count(b'":') != fields
    return bool(repeated_fields(compact))


def split_batch(raw: bytes, content_type: bytes | str) -> list[bytes]:
    """The events of a batch, unread: a JSON array, or NDJSON by its content type; at most 1,000.

    `Malformed`, `TooLarge` or `Invalid` when it is no batch at all. Empty lines of NDJSON are
    passed over.
    """
    if len(raw) > MAX_BATCH:
        raise TooLarge(f"A batch has at most {MAX_BATCH:,} bytes; this one has {len(raw):,}.")
    items = _lines(raw) if _is_ndjson(content_type) else _elements(_utf8(raw))
    if not items:
        raise Invalid.field("", "The batch is empty. Send at least one event.")
    if len(items) > MAX_BATCH_EVENTS:
        raise TooLarge(
            f"A batch has at most {MAX_BATCH_EVENTS:,} events; this one has more. Split it."
        )
    return items


def read_batch(
    items: Iterable[bytes], *, catalog: Catalog, now_ms: int
) -> Iterator[Submission | Refused]:
    """Each event of `split_batch`, judged alone, when it is asked for.

    A line of NDJSON that is no JSON is that line's error. So is an element of an array whose
    only fault is its depth or a lone surrogate; any other one makes the whole array malformed.
    """
    nearest = _sparing(catalog.nearest)
    for item in items:
        try:
            submission = read(item, catalog=catalog, now_ms=now_ms, nearest=nearest)
        except Refused as refusal:
            yield refusal
        else:
            yield submission


def _is_ndjson(content_type: bytes | str) -> bool:
    text = content_type.decode("latin-1") if isinstance(content_type, bytes) else content_type
    return text.partition(";")[0].strip().lower() == "application/x-ndjson"


def _lines(raw: bytes) -> list[bytes]:
    """The lines that are not empty, up to the first one too many."""
    found: list[bytes] = []
    end = 0
    while len(found) <= MAX_BATCH_EVENTS and (first := _LINE_START.search(raw, end)):
        end = raw.find(b"\n", first.start())
        end = len(raw) if end < 0 else end
        found.append(raw[first.start() : end])
    return found


def _elements(raw: bytes) -> list[bytes]:
    """The elements of an array, up to the first one too many."""
    try:
        return _split(raw)
    except msgspec.ValidationError:
        raise Invalid.field(
            "", "A batch is a JSON array of events, or NDJSON with its content type."
        ) from None
    except RecursionError:
        return _cut(raw)
    except msgspec.DecodeError as error:
        return _split_blurred(raw, error)


def _split(raw: bytes) -> list[bytes]:
    elements = msgspec.structs.astuple(_ARRAY.decode(raw))
    return [bytes(element) for element in elements if element is not _NOTHING]


def _split_blurred(raw: bytes, error: msgspec.DecodeError) -> list[bytes]:
    """The elements of an array whose only faults are lone surrogates; `Malformed` else.

    With every surrogate made another character of the same length the decoder takes it, and each
    element stands where it stood.
    """
    blurred = _SURROGATE.sub(rb"\\ue0", raw)
    try:
        pieces = _split(blurred)
    except RecursionError:
        return _cut(raw)
    except msgspec.DecodeError:
        raise malformed(raw, error) from None
    elements = []
    end = raw.index(b"[") + 1
    for piece in pieces:
        start = blurred.index(piece, end)
        end = start + len(piece)
        elements.append(raw[start:end])
    return elements


def _cut(raw: bytes) -> list[bytes]:
    """The elements of an array too deep for the decoder, cut at its commas.

    Blind to what is inside an element: each can then be refused on its own. `Invalid` for the
    whole array when it does not end, or not soon enough: everybody waits for this loop.
    """
    text = raw.strip(_WHITE)
    elements: list[bytes] = []
    depth, start, in_string = 0, 1, False
    for token in itertools.islice(_TOKEN.finditer(text), _MOST_TOKENS):
        sign = token[0]
        if sign == b'"':
            in_string = not in_string
        elif in_string:
            continue
        elif sign in (b"[", b"{"):
            depth += 1
        elif sign in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                elements.append(text[start : token.start()])
                if token.end() == len(text):
                    return elements
                break
        elif sign == b"," and depth == 1:
            elements.append(text[start : token.start()])
            start = token.end()
            if len(elements) > MAX_BATCH_EVENTS:
                return elements
    raise nested_too_deep()


def _sparing(nearest: Nearest) -> Nearest:
    """Looks up each name once, and only a few of them: they share the event loop with others."""
    known: dict[str, list[str]] = {}

    def look_up(name: str) -> list[str]:
        if name not in known:
            known[name] = nearest(name) if len(known) < _MOST_SUGGESTIONS else []
        return known[name]

    return look_up


def _utf8(raw: bytes | msgspec.Raw) -> bytes:
    body = bytes(raw)
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(body, error) from None
    return body
