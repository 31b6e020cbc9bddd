"""Request bodies: read up to a limit, then decoded into a type with every error in its place."""

import difflib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self, TypeVar

import msgspec
from litestar import Request
from litestar.datastructures import State

from winnerr_webhooks.api.auth import Caller
from winnerr_webhooks.api.query_parameters import MAX_NAME, escape
from winnerr_webhooks.domain.errors import Invalid, Malformed, TooLarge, Unavailable
from winnerr_webhooks.domain.event_errors import nested_too_deep, not_json, not_utf8
from winnerr_webhooks.quotas import Budget

ApiRequest = Request[None, Caller, State]

MAX_BODY: Final = 64 * 1024
"""Bytes of any body but those of events."""

T = TypeVar("T")


class BodyBytes:
    """The bytes of one body that is being received, out of those of all bodies.

    Bytes count as they come, not as announced: an upload that is never sent takes nothing from
    the others. Only a body that does not come whole in one read is counted.
    """

    __slots__ = ("_budget", "_count", "_holder")

    def __init__(self, budget: Budget, holder: str) -> None:
        """`holder`: whose share it is, see `Caller.holder`."""
        self._budget = budget
        self._holder = holder
        self._count = 0

    def __enter__(self) -> Self:
        """Begin; the bytes are released at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the bytes."""
        self.release()

    def grow(self, size: int) -> None:
        """Count `size` bytes of the body in total; `Unavailable` when there is no room for them."""
        more = size - self._count
        if more <= 0:
            return
        if not self._budget.take_for(self._holder, more):
            share = self._budget.bound.share
            if share and self._budget.held_by(self._holder) + more > share:
                raise Unavailable(
                    "This key, or others of its organization, has too many bodies in flight. "
                    "Finish some of them, and try again in a few seconds.",
                    5,
                )
            raise Unavailable(
                "Too many bodies are being received at once. Try again in a few seconds.", 5
            )
        self._count = size

    def release(self) -> None:
        """Give the bytes back; the body is dealt with."""
        if self._count:
            self._budget.release_for(self._holder, self._count)
            self._count = 0


def content_length(value: bytes | None) -> int | None:
    """A Content-Length (RFC 9110, section 8.6); None: it is none. Zeros may lead, in any number."""
    return int(value.lstrip(b"0") or b"0") if value is not None and value.isdigit() else None


async def read_body(
    receive: Callable[[], Awaitable[Any]],
    limit: int,
    declared: bytes | None,
    count: BodyBytes,
) -> bytes:
    """The whole body; `TooLarge` as soon as it is known to pass `limit` bytes.

    `declared` is the Content-Length, if there is one. `Unavailable` when `count` has no room.
    What of the body is still to come after a refusal is left to the server, which drops it.
    `Malformed` when the caller hangs up before the end.
    """
    length = content_length(declared)
    if length is not None and length > limit:
        raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and message["type"] == "http.request":
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts = bytearray(body)
    while message["type"] == "http.request":
        if len(parts) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return bytes(parts)
        count.grow(len(parts))
        message = await receive()
        parts += message.get("body", b"")
    raise Malformed("The body broke off.")


async def read_json(request: ApiRequest, shape: type[T], *, empty: bytes | None = None) -> T:
    """The request's body as a `shape`; `empty` stands for a body of no bytes, where that is fine.

    The key that was good at the request's beginning must still be so at its end. The
    Content-Type is not looked at: whoever sends JSON means JSON, also with curl's default.
    """
    declared = next((v for n, v in request.scope["headers"] if n == b"content-length"), None)
    with BodyBytes(request.state.receiving, request.auth.holder) as count:
        raw = await read_body(request.receive, MAX_BODY, declared, count)
    await request.state.ask_again()
    return decode(raw or empty or b"", shape)


def decode(raw: bytes, shape: type[T]) -> T:
    """JSON as a `shape`: `Malformed` when it is none, `Invalid` when it is not such a shape."""
    if not raw:
        raise Malformed("The body is empty; send JSON.")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(raw, error) from None
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        raise nested_too_deep() from None
    except msgspec.DecodeError as error:
        raise not_json(raw, error) from None
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise _mismatch(str(error), shape) from None


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit // 1024} KiB, the most that is taken here.")


def _mismatch(text: str, shape: type[Any]) -> Invalid:
    """Say again what msgspec says: the pointer as RFC 6901 has it, types in plain words."""
    reason, _, path = text.partition(" - at `$")
    pointer = _INDEX.sub(r"/\1", path.rstrip("`")).replace(".", "/")
    if match := _MISSING.match(reason):
        return Invalid.field(f"{pointer}/{match[1]}", f"`{match[1]}` is missing.")
    if match := _UNKNOWN.match(reason):
        return Invalid.field(f"{pointer}/{escape(match[1])}", _no_such_field(match[1], shape))
    if match := _TYPES.match(reason):
        wanted = " or ".join(_WORDS.get(name, name) for name in match[1].split(" | "))
        return Invalid.field(
            pointer, f"This must be {wanted}, not {_WORDS.get(match[2], match[2])}."
        )
    return Invalid.field(pointer, f"{reason}.")


def _no_such_field(name: str, shape: type[Any]) -> str:
    known = [field.encode_name for field in msgspec.structs.fields(shape)]
    name = name[:MAX_NAME]
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}."
    return f"There is no field `{name}`; {advice}"


_INDEX = re.compile(r"\[(\d+)\]")
_MISSING = re.compile(r"Object missing required field `(.*)`$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`$", re.DOTALL)
_TYPES = re.compile(r"Expected `([^`]*)`, got `([^`]*)`$")
_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
