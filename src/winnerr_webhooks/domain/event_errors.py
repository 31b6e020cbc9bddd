"""Why an event is refused: finds every field that is wrong and says what to do about it.

This is the slow path. `domain.submission` calls it only for events that its fast checks reject.
"""

import codecs
import difflib
import itertools
import json
import re
from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, NoReturn

import msgspec

from winnerr_webhooks.domain.alerts import OPERATOR
from winnerr_webhooks.domain.catalog import Catalog, Nearest
from winnerr_webhooks.domain.errors import FieldError, Invalid, Malformed, Refused
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.timestamp import normalise

MAX_DEPTH: Final = 64
"""How many levels `data` may be nested; the object itself is the first."""

ORGANIZATION: Final = re.compile(rf"(?!{OPERATOR}$)[A-Za-z0-9_-]{{1,64}}", re.ASCII)
"""The id of a customer's organization."""
IS_RESERVED: Final = Text(
    "The organization {name} is reserved for the operational events of this service.", name=OPERATOR
)
CLIENT_ID: Final = re.compile(r"[\x20-\x7e]{1,255}")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))
_LEVEL_CHANGES: Final = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
"""Brackets as signed bytes: +1 for an opening one, -1 for a closing one."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_FIELDS: Final = ("event", "organizationId", "data", "timestamp", "id")
_REQUIRED: Final = ("event", "organizationId", "data")
_MAX_UNKNOWN_FIELDS: Final = 20
"""How many unknown or repeated fields one refusal lists."""
_MAX_NAME_SHOWN: Final = 80
"""How many characters of a wrong name a message repeats."""
_TIMESTAMP_ADVICE: Final = (
    "Send an RFC 3339 date-time, such as 2025-01-15T14:23:00Z, or leave it out: then it is now."
)


_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def not_json(raw: bytes, error: msgspec.DecodeError) -> Refused:
    """Return the error for a body that the JSON decoder rejected."""
    try:
        pointer = _lone_surrogate(raw)
    except RecursionError:
        return nested_too_deep()
    if pointer is not None:
        return Invalid.field(
            pointer,
            Text(
                "A lone surrogate (half of a \\u pair) is not a character. Send the whole pair, or "
                "leave it out."
            ),
        )
    return malformed(raw, error)


def malformed(raw: bytes, error: msgspec.DecodeError) -> Malformed:
    """Return the error for a body that is not JSON, with the decoder's reason."""
    if raw.startswith(codecs.BOM_UTF8):
        return Malformed(
            "The body begins with a byte order mark (BOM, the bytes EF BB BF), which JSON does not "
            "allow. Send UTF-8 without it."
        )
    text = str(error).removeprefix("JSON is malformed: ").rstrip(".")
    return Malformed(f"The body is not JSON: {text}.")


def not_utf8(raw: bytes, error: UnicodeDecodeError) -> Malformed:
    """Return the error for a body that is not UTF-8."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Malformed(
            "The body begins with the byte order mark (BOM) of UTF-16. Send UTF-8 without one."
        )
    return Malformed(f"The body is not UTF-8: byte {error.start} is invalid.")


def nested_too_deep() -> Invalid:
    """Return the error for a body that is nested so deeply that no field can be named."""
    return Invalid.field("", f"The body is nested too deeply. Send at most {MAX_DEPTH} levels.")


def _lone_surrogate(raw: bytes) -> str | None:
    """Return a JSON Pointer to the first lone surrogate; None if the JSON has another fault.

    Raises `RecursionError` if the JSON is nested too deeply to search.
    """
    try:
        document = json.loads(
            raw.decode(),
            parse_constant=_no_constant,
            parse_int=float,  # of any length: int() has a limit
            object_pairs_hook=tuple,  # keeps repeated keys, and distinguishes objects from arrays
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
    """Escape a key for use in a JSON Pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def too_deep(data: bytes) -> bool:
    """Whether this JSON is nested deeper than MAX_DEPTH."""
    if data.count(b"{") + data.count(b"[") <= MAX_DEPTH:
        return False
    # Without escaped backslashes and quotes, every second piece between quotes is a string.
    pieces = data.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')
    changes = b"".join(pieces[::2]).translate(_LEVEL_CHANGES, _NOT_BRACKETS)
    return max(itertools.accumulate(array("b", changes))) > MAX_DEPTH


def refuse(
    raw: bytes, catalog: Catalog, nearest: Nearest | None, idempotency_key: str | None
) -> NoReturn:
    """Raise the error for an event that the fast checks rejected, listing every wrong field."""
    try:
        fields = _OBJECT.decode(raw)
    except msgspec.ValidationError:
        raise Invalid.field("", "An event is a JSON object.") from None
    except RecursionError:
        raise Invalid.field("/data", _depth_advice()) from None
    except msgspec.DecodeError as error:
        raise not_json(raw, error) from None
    errors = _field_errors(fields, catalog, nearest or catalog.nearest)
    errors += _idempotency_key_errors(fields, idempotency_key)
    errors += [
        FieldError(f"/{_escaped(name)}", f"`{name[:_MAX_NAME_SHOWN]}` is given more than once.")
        for name in repeated_fields(raw)[:_MAX_UNKNOWN_FIELDS]
    ]
    if not errors:  # the decoder is stricter than these rules
        raise Invalid.field("", "The event does not have the form that the API documents.")
    detail = errors[0].message if len(errors) == 1 else f"{len(errors)} fields are wrong."
    raise Invalid(detail, tuple(errors))


def repeated_fields(raw: bytes) -> list[str]:
    """Return the keys that a JSON object has more than once."""
    try:
        members = json.loads(raw.decode(), object_pairs_hook=tuple, parse_int=float)
    except RecursionError:  # `data` is refused for its depth anyway
        return []
    counts = Counter(name for name, _ in members)
    return [name for name, count in counts.items() if count > 1]


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
    unknown = [name for name in fields if name not in _FIELDS][:_MAX_UNKNOWN_FIELDS]
    return errors + [FieldError(f"/{_escaped(name)}", _unknown(name)) for name in unknown]


_NOT_TEXT: Final = object()


def _value(raw: msgspec.Raw) -> Any:
    """Return a field's value if it is a string or null; otherwise _NOT_TEXT."""
    try:
        return msgspec.json.decode(raw, type=str | None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _NOT_TEXT


def _unknown(name: str) -> str:
    name = name[:_MAX_NAME_SHOWN]
    near = difflib.get_close_matches(name, _FIELDS, n=1)
    advice = f"Did you mean `{near[0]}`?" if near else f"The fields are: {', '.join(_FIELDS)}."
    return f"`{name}` is not a field of an event. {advice}"


def _event_error(value: Any, catalog: Catalog, nearest: Nearest) -> str | None:
    if not isinstance(value, str):
        return f"Send the event's name as a string, such as {catalog.names[0]}."
    return None if catalog.get(value) is not None else catalog.no_event(value, nearest)


def _organization_error(value: Any) -> str | None:
    if isinstance(value, str) and ORGANIZATION.fullmatch(value):
        return None
    if value == OPERATOR:
        return IS_RESERVED
    return "An organization id is a string of 1 to 64 of the characters A-Z a-z 0-9 _ and -."


def _timestamp_error(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and normalise(value)):
        return None
    return _TIMESTAMP_ADVICE


def _client_id_error(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and CLIENT_ID.fullmatch(value)):
        return None
    return "An id is a string of 1 to 255 printable ASCII characters."


def _depth_advice() -> str:
    return Text("`data` is nested too deeply. Send at most {most} levels.", most=MAX_DEPTH)


def _data_error(data: bytes) -> str | None:
    if data[:1] != b"{":
        return Text("`data` must be a JSON object.")
    return _depth_advice() if too_deep(data) else None


def _idempotency_key_errors(
    fields: dict[str, msgspec.Raw], idempotency_key: str | None
) -> list[FieldError]:
    if idempotency_key is None:
        return []
    if not idempotency_key:
        return [
            FieldError(
                "", "Send one Idempotency-Key: this request has an empty one, or two that differ."
            )
        ]
    if _client_id_error(idempotency_key):
        return [FieldError("", "Idempotency-Key is 1 to 255 printable ASCII characters.")]
    given = _value(fields["id"]) if "id" in fields else None
    if given is not None and given != idempotency_key:
        return [FieldError("/id", "`id` and the Idempotency-Key header differ. Send one of them.")]
    return []
