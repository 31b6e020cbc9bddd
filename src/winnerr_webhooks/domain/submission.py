"""What callers send: the wire form of an event, read and checked, its data untouched.

On the fast path a body is looked at three times, all in C: once as UTF-8, once as JSON (the data
stays the bytes it is), once to drop the data's white space. Only what fails there is taken apart
slowly, to say of every wrong field what is wrong with it.
"""

import difflib
import itertools
import json
import re
from array import array
from collections.abc import Callable
from typing import Any, Final, NoReturn

import msgspec

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import (
    FieldError,
    Invalid,
    Malformed,
    Refused,
    TooLarge,
)
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.domain.timestamp import normalise

MAX_EVENT: Final = 256 * 1024
"""Bytes of one event as it is sent."""
MAX_BATCH: Final = 8 * 1024 * 1024
MAX_BATCH_EVENTS: Final = 1_000
MAX_DEPTH: Final = 64
"""Levels of `data`; the object itself is the first."""

_ORGANIZATION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_CLIENT_ID: Final = re.compile(r"[\x20-\x7e]{1,255}")
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_TOKEN: Final = re.compile(_STRING.pattern + rb"|[\[\]{},]")
_WHITE: Final = b" \t\r\n"
"""What JSON takes as white space (RFC 8259, section 2)."""
_LINE: Final = re.compile(rb"[^ \t\r\n][^\n]*")
"""A line that is not empty, from its first character that counts."""
_NO_BRACKET: Final = bytes(set(range(256)) - set(b"{}[]"))
_STEPS: Final = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
"""Brackets as signed bytes: one level in, one level out."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_FIELDS: Final = ("event", "organizationId", "data", "timestamp", "id")
_REQUIRED: Final = ("event", "organizationId", "data")
_MOST_ERRORS: Final = 20
"""Unknown fields one refusal speaks of."""
_MOST_SUGGESTIONS: Final = 20
"""Wrong names of one batch that near ones are looked up for; each takes milliseconds."""
_SHOWN: Final = 80
"""Characters of a wrong name that its refusal repeats."""
_TIMESTAMP_ADVICE: Final = (
    "Send an RFC 3339 date-time, such as 2025-01-15T14:23:00Z, or leave it out: then it is now."
)


Nearest = Callable[[str], list[str]]
"""Suggests known event names for an unknown one."""


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


_WIRE: Final = msgspec.json.Decoder(_Wire)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
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
        wire = _WIRE.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        _refuse(raw, catalog, nearest, idempotency_key)
    data = bytes(wire.data)
    client_id = wire.id if idempotency_key is None else idempotency_key
    timestamp = rfc3339(now_ms) if wire.timestamp is None else normalise(wire.timestamp)
    if (
        catalog.get(wire.event) is None
        or _ORGANIZATION.fullmatch(wire.organizationId) is None
        or data[:1] != b"{"
        or timestamp is None
        or (client_id is not None and _CLIENT_ID.fullmatch(client_id) is None)
        or (wire.id is not None and wire.id != client_id)
        or _too_deep(data)
    ):
        _refuse(raw, catalog, nearest, idempotency_key)
    return Submission(
        wire.organizationId,
        wire.event,
        timestamp,
        msgspec.json.format(data, indent=-1),
        client_id,
    )


def read_batch(
    raw: bytes, content_type: bytes | str, *, catalog: Catalog, now_ms: int
) -> list[Submission | Refused]:
    """Up to 1,000 events, each judged alone: a JSON array, or NDJSON by its content type.

    `Malformed`, `TooLarge` or `Invalid` when it is no batch at all. A line of NDJSON that is no
    JSON is that line's error; empty lines are passed over. So is an element of an array whose
    only fault is its depth or a lone surrogate; any other one makes the whole array malformed.
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
    nearest = _sparing(catalog.nearest)
    results: list[Submission | Refused] = []
    for item in items:
        try:
            results.append(read(item, catalog=catalog, now_ms=now_ms, nearest=nearest))
        except Refused as refusal:
            results.append(refusal)
    return results


def _is_ndjson(content_type: bytes | str) -> bool:
    text = content_type.decode("latin-1") if isinstance(content_type, bytes) else content_type
    return text.partition(";")[0].strip().lower() == "application/x-ndjson"


def _lines(raw: bytes) -> list[bytes]:
    """The lines that are not empty, up to the first one too many."""
    found = itertools.islice(_LINE.finditer(raw), MAX_BATCH_EVENTS + 1)
    return [line[0] for line in found]


def _elements(raw: bytes) -> list[bytes]:
    """The elements of an array, up to the first one too many."""
    try:
        found = msgspec.structs.astuple(_ARRAY.decode(raw))
    except msgspec.ValidationError:
        raise Invalid.field(
            "", "A batch is a JSON array of events, or NDJSON with its content type."
        ) from None
    except (msgspec.DecodeError, RecursionError) as error:
        refusal = _not_json(raw, error)
        elements = None if isinstance(refusal, Malformed) else _cut(raw)
        if elements is None:
            raise refusal from None
        return elements
    return [bytes(element) for element in found if element is not _NOTHING]


def _cut(raw: bytes) -> list[bytes] | None:
    """The elements of an array that the decoder gave up on, cut at its commas; None: no array.

    Slow, but blind to what is inside an element: each can then be refused on its own.
    """
    text = raw.strip(_WHITE)
    elements: list[bytes] = []
    depth, start = 0, 1
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in (b"[", b"{"):
            depth += 1
        elif sign in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                elements.append(text[start : token.start()])
                return elements if token.end() == len(text) else None
        elif sign == b"," and depth == 1:
            elements.append(text[start : token.start()])
            start = token.end()
            if len(elements) > MAX_BATCH_EVENTS:
                return elements
    return None


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
        raise Malformed(f"The body is not UTF-8: byte {error.start} is wrong.") from None
    return body


def _not_json(raw: bytes, error: Exception) -> Refused:
    """Why this is refused that the decoder would not take."""
    try:
        pointer = None if isinstance(error, RecursionError) else _lone_surrogate(raw)
    except RecursionError as deep:
        error = deep
        pointer = None
    if isinstance(error, RecursionError):
        return Invalid.field("", f"This is nested too deep; {MAX_DEPTH} levels are taken.")
    if pointer is not None:
        return Invalid.field(
            pointer,
            "A lone surrogate (half of a \\u pair) is no character. Send the pair, or leave it "
            "out.",
        )
    return Malformed(f"The body is not JSON: {_decoder_says(error)}.")


def _decoder_says(error: Exception) -> str:
    return str(error).removeprefix("JSON is malformed: ").rstrip(".")


def _lone_surrogate(raw: bytes) -> str | None:
    """Where the first lone surrogate stands; None when the JSON is wrong otherwise.

    RecursionError when it is too deep to tell.
    """
    try:
        document = json.loads(
            raw.decode(),
            parse_constant=_no_constant,
            parse_int=float,  # of any length: int() has a limit
            object_pairs_hook=tuple,  # keeps repeated keys, and tells objects from arrays
        )
    except ValueError:
        return None
    stack: list[tuple[str, Any]] = [("", document)]
    while stack:
        pointer, value = stack.pop()
        if isinstance(value, str):
            if _has_surrogate(value):
                return pointer
        elif isinstance(value, tuple):
            if any(_has_surrogate(key) for key, _ in value):
                return pointer
            stack += [(f"{pointer}/{_escaped(key)}", member) for key, member in reversed(value)]
        elif isinstance(value, list):
            stack += [(f"{pointer}/{n}", value[n]) for n in reversed(range(len(value)))]
    return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _has_surrogate(text: str) -> bool:
    return _SURROGATE.search(text) is not None


def _escaped(key: str) -> str:
    """A key as a part of a JSON Pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def _too_deep(data: bytes) -> bool:
    """Whether this JSON is nested beyond MAX_DEPTH."""
    if data.count(b"{") + data.count(b"[") <= MAX_DEPTH:
        return False
    steps = _STRING.sub(b"", data).translate(_STEPS, _NO_BRACKET)
    return max(itertools.accumulate(array("b", steps))) > MAX_DEPTH


def _refuse(
    raw: bytes, catalog: Catalog, nearest: Nearest | None, idempotency_key: str | None
) -> NoReturn:
    """Say of every field what is wrong with it."""
    try:
        fields = _OBJECT.decode(raw)
    except msgspec.ValidationError:
        raise Invalid.field("", "An event is a JSON object.") from None
    except RecursionError:
        raise Invalid.field("/data", _depth_advice()) from None
    except msgspec.DecodeError as error:
        raise _not_json(raw, error) from None
    errors = _field_errors(fields, catalog, nearest or catalog.nearest)
    errors += _idempotency_key_errors(fields, idempotency_key)
    if not errors:  # the decoder refused what these rules let through
        raise Invalid.field("", "The event is not in the form that the API documents.")
    detail = errors[0].message if len(errors) == 1 else f"{len(errors)} fields are wrong."
    raise Invalid(detail, tuple(errors))


def _field_errors(
    fields: dict[str, msgspec.Raw], catalog: Catalog, nearest: Nearest
) -> list[FieldError]:
    rules: dict[str, Callable[[msgspec.Raw], str | None]] = {
        "event": lambda raw: _event_error(_value(raw), catalog, nearest),
        "organizationId": lambda raw: _organization_error(_value(raw)),
        "data": lambda raw: _data_error(bytes(raw)),
        "timestamp": lambda raw: _timestamp_error(_value(raw)),
        "id": lambda raw: _client_id_error(_value(raw)),
    }
    errors = []
    for name, rule in rules.items():
        if name in fields:
            message = rule(fields[name])
        else:
            message = f"`{name}` is missing." if name in _REQUIRED else None
        if message is not None:
            errors.append(FieldError(f"/{name}", message))
    unknown = [name for name in fields if name not in _FIELDS][:_MOST_ERRORS]
    return errors + [FieldError(f"/{_escaped(name)}", _unknown(name)) for name in unknown]


_NOT_TEXT: Final = object()


def _value(raw: msgspec.Raw) -> Any:
    """The field's value when it is text or null; else _NOT_TEXT."""
    try:
        return msgspec.json.decode(raw, type=str | None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _NOT_TEXT


def _unknown(name: str) -> str:
    name = name[:_SHOWN]
    near = difflib.get_close_matches(name, _FIELDS, n=1)
    meant = f" Did you mean `{near[0]}`?" if near else f" There are: {', '.join(_FIELDS)}."
    return f"`{name}` is no field of an event.{meant}"


def _event_error(value: Any, catalog: Catalog, nearest: Nearest) -> str | None:
    if not isinstance(value, str):
        return "Send the event's name as a string, such as contact.created."
    if catalog.get(value) is not None:
        return None
    near = nearest(value)
    meant = f"Did you mean {' or '.join(near)}?" if near else "See GET /api/v1/event-types."
    return f"There is no event {value[:_SHOWN]!r}. {meant}"


def _organization_error(value: Any) -> str | None:
    if isinstance(value, str) and _ORGANIZATION.fullmatch(value):
        return None
    return "An organization id is a string of 1 to 64 of A-Z a-z 0-9 _ -."


def _timestamp_error(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and normalise(value)):
        return None
    return _TIMESTAMP_ADVICE


def _client_id_error(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and _CLIENT_ID.fullmatch(value)):
        return None
    return "An id is a string of 1 to 255 printable ASCII characters."


def _depth_advice() -> str:
    return f"`data` is nested deeper than {MAX_DEPTH} levels. Send it flatter."


def _data_error(data: bytes) -> str | None:
    if data[:1] != b"{":
        return "`data` must be a JSON object."
    return _depth_advice() if _too_deep(data) else None


def _idempotency_key_errors(
    fields: dict[str, msgspec.Raw], idempotency_key: str | None
) -> list[FieldError]:
    if idempotency_key is None:
        return []
    if _client_id_error(idempotency_key):
        return [FieldError("", "Idempotency-Key is 1 to 255 printable ASCII characters.")]
    given = _value(fields["id"]) if "id" in fields else None
    if given is not None and given != idempotency_key:
        return [FieldError("/id", "`id` and the Idempotency-Key header differ. Send one of them.")]
    return []
