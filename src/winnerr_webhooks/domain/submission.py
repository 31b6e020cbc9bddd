"""Reads and checks the events that callers send, one at a time or in batches.

The fast path makes three passes over a body, all in C: check UTF-8, drop white space, decode. The
bytes of `data` are otherwise kept as sent. `domain.event_errors` then finds what is wrong with an
event that fails.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from winnerr_webhooks.domain.catalog import OFF, REJECT, Catalog, Nearest
from winnerr_webhooks.domain.errors import Invalid, Refused, TooLarge
from winnerr_webhooks.domain.event import NewEvent, encode_payload, fingerprint, rfc3339
from winnerr_webhooks.domain.event_errors import (
    CLIENT_ID,
    ORGANIZATION,
    malformed,
    nested_too_deep,
    not_utf8,
    refuse,
    repeated_fields,
    too_deep,
)
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.timestamp import normalise

MAX_EVENT: Final = 256 * 1024
"""The size limit of one event in bytes, as it is sent."""
MAX_BATCH: Final = 8 * 1024 * 1024
"""The size limit of a batch in bytes."""
MAX_BATCH_EVENTS: Final = 1_000
_TOKEN: Final = re.compile(rb'\\.|["\[\]{},]', re.DOTALL)
_MAX_TOKENS: Final = 200_000
"""How many tokens are scanned in Python, in about 40 ms, to split a batch that is too deep for the
decoder."""
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_WHITE_SPACE: Final = b" \t\r\n"
"""White space of JSON (RFC 8259, section 2)."""
_LINE_START: Final = re.compile(rb"[^ \t\r\n]")
"""The first visible character of a line."""
_MAX_SUGGESTIONS: Final = 20
"""For how many unknown names of a batch similar ones are looked up; each takes milliseconds."""


class _Wire(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An event as the JSON of the API has it."""

    event: str
    organizationId: str  # noqa: N815  the wire's name
    data: msgspec.Raw
    timestamp: str | None = None
    id: str | None = None


class Submission(msgspec.Struct, frozen=True, gc=False):
    """An event from a caller that passed all checks."""

    organization: str
    name: str
    timestamp: str
    """RFC 3339 in UTC, whole seconds."""
    data: bytes
    """JSON without insignificant white space, otherwise as sent."""
    client_id: str | None
    has_wrong_data: bool = False
    """Whether its type's schema does not allow `data`, which is accepted nevertheless."""


def new_event(submission: Submission, event_id: str) -> NewEvent:
    """Return the event to store; `event_id` is a new id of this node."""
    organization, name, data = submission.organization, submission.name, submission.data
    client_id = submission.client_id
    return NewEvent(
        id=event_id,
        organization=organization,
        name=name,
        body=encode_payload(name, submission.timestamp, organization, data),
        client_id=client_id,
        fingerprint=b"" if client_id is None else fingerprint(name, data),
    )


_FRAME_LENGTH: Final = len('{"event":"","organizationId":"","data":}')
_TIMESTAMP_LENGTH: Final = len(',"timestamp":""')
_ID_LENGTH: Final = len(',"id":""')
_DATA_KEY: Final = b'"data":'
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
"""Decodes the first 1,001 elements of an array; the rest is checked without creating objects."""


def read(
    raw: bytes | msgspec.Raw,
    *,
    catalog: Catalog,
    now_ms: int,
    idempotency_key: str | None = None,
    nearest: Nearest | None = None,
) -> Submission:
    """Read and check one event.

    Raises `Malformed`, `TooLarge`, or `Invalid` with every wrong field. `nearest` suggests names
    for an unknown event; by default the catalogue does.
    """
    if len(raw) > MAX_EVENT:
        raise TooLarge(
            Text(
                "An event has at most {most:,} bytes; this one has {size:,}.",
                most=MAX_EVENT,
                size=len(raw),
            )
        )
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
    has_wrong_data = catalog.data_rule != OFF and _has_wrong_data(wire.event, data, catalog)
    return Submission(wire.organizationId, wire.event, timestamp, data, client_id, has_wrong_data)


def _has_wrong_data(name: str, data: bytes, catalog: Catalog) -> bool:
    """Whether the type's schema does not allow this data. Raises `Invalid` if it is refused."""
    errors = catalog.data_errors(name, data)
    if errors and catalog.data_rule == REJECT:
        detail = errors[0].message if len(errors) == 1 else f"{len(errors)} fields are wrong."
        raise Invalid(detail, errors)
    return bool(errors)


def _written_length(wire: _Wire, data: bytes) -> int:
    """Return the length of this event as compact JSON without null, escaped or repeated fields."""
    length = _FRAME_LENGTH + len(wire.event) + len(wire.organizationId) + len(data)
    if wire.timestamp is not None:
        length += _TIMESTAMP_LENGTH + len(wire.timestamp)
    if wire.id is not None:
        length += _ID_LENGTH + len(wire.id)
    return length


def _repeats_fields(compact: bytes, data: bytes) -> bool:
    """Whether a field is given twice; fields inside `data` do not count."""
    start = compact.find(_DATA_KEY) + len(_DATA_KEY)
    if compact.startswith(data, start):
        compact = compact[:start] + b"0" + compact[start + len(data) :]
        if b"\\" not in compact:  # without escapes, every `":` ends a key
            fields = 3 + (b'"timestamp":' in compact) + (b'"id":' in compact)
            return compact.count(b'":') != fields
    return bool(repeated_fields(compact))


def split_batch(raw: bytes, content_type: bytes | str) -> list[bytes]:
    """Split a batch (a JSON array, or NDJSON by its content type) into the bytes of its events.

    Raises `Malformed`, `TooLarge` or `Invalid` if the whole batch is refused. Empty lines of NDJSON
    are skipped.
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
    """Read each event that `split_batch` returned; yield it, or the error it is refused with.

    Invalid JSON on a line of NDJSON is an error of that line only. In an array it makes the whole
    batch malformed, except if its only faults are too much depth or lone surrogates.
    """
    nearest = _limit_suggestions(catalog.nearest)
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
    """Return the lines that are not empty, up to one more than the limit."""
    found: list[bytes] = []
    end = 0
    while len(found) <= MAX_BATCH_EVENTS and (first := _LINE_START.search(raw, end)):
        end = raw.find(b"\n", first.start())
        end = len(raw) if end < 0 else end
        found.append(raw[first.start() : end])
    return found


def _elements(raw: bytes) -> list[bytes]:
    """Return the elements of an array, up to one more than the limit."""
    try:
        return _split(raw)
    except msgspec.ValidationError:
        raise Invalid.field(
            "",
            "A batch is a JSON array of events, or NDJSON with the content type "
            "application/x-ndjson.",
        ) from None
    except RecursionError:
        return _split_at_commas(raw)
    except msgspec.DecodeError as error:
        return _split_with_surrogates(raw, error)


def _split(raw: bytes) -> list[bytes]:
    elements = msgspec.structs.astuple(_ARRAY.decode(raw))
    return [bytes(element) for element in elements if element is not _NOTHING]


def _split_with_surrogates(raw: bytes, error: msgspec.DecodeError) -> list[bytes]:
    """Split an array whose only faults are lone surrogates; raise `Malformed` for any other fault.

    Every surrogate is replaced with another character of the same length. The decoder accepts the
    result, and each element is at the same position as before.
    """
    replaced = _SURROGATE.sub(rb"\\ue0", raw)
    try:
        pieces = _split(replaced)
    except RecursionError:
        return _split_at_commas(raw)
    except msgspec.DecodeError:
        raise malformed(raw, error) from None
    elements = []
    end = raw.index(b"[") + 1
    for piece in pieces:
        start = replaced.index(piece, end)
        end = start + len(piece)
        elements.append(raw[start:end])
    return elements


def _split_at_commas(raw: bytes) -> list[bytes]:
    """Split an array that is too deep for the decoder at the commas of its first level.

    The elements themselves are not checked: each can be refused on its own. Raises `Invalid` for
    the whole array if it does not end within _MAX_TOKENS, because this loop blocks the event loop.
    """
    text = raw.strip(_WHITE_SPACE)
    elements: list[bytes] = []
    depth, start, in_string = 0, 1, False
    for token in itertools.islice(_TOKEN.finditer(text), _MAX_TOKENS):
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


def _limit_suggestions(nearest: Nearest) -> Nearest:
    """Wrap `nearest` to look up each name once, and only a few names: it blocks the event loop."""
    found: dict[str, list[str]] = {}

    def look_up(name: str) -> list[str]:
        if name not in found:
            found[name] = nearest(name) if len(found) < _MAX_SUGGESTIONS else []
        return found[name]

    return look_up


def _utf8(raw: bytes | msgspec.Raw) -> bytes:
    body = bytes(raw)
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(body, error) from None
    return body
