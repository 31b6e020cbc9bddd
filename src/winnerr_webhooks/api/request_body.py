"""Request bodies: read up to a limit, then decoded into a type with every error in its place."""

import difflib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self, TypeVar

import msgspec
from litestar import Request
from litestar.datastructures import State

from winnerr_webhooks.api.auth import Caller
from winnerr_webhooks.api.http.request_head import content_length
from winnerr_webhooks.api.query_parameters import MAX_NAME, escape
from winnerr_webhooks.domain.errors import Invalid, Malformed, TooLarge, Unavailable
from winnerr_webhooks.domain.event_errors import nested_too_deep, not_json, not_utf8
from winnerr_webhooks.quotas import Budget

ApiRequest = Request[None, Caller, State]

MAX_BODY: Final = 64 * 1024
"""Bytes of a body, at most; events have limits of their own."""

T = TypeVar("T")


class BodyQuota:
    """Counts the bytes of one body while it is received, against the budget of all bodies.

    Bytes count when they arrive, not when they are announced: an upload that is never sent takes
    nothing from the others. A body that arrives whole in one read is not counted.
    """

    __slots__ = ("_budget", "_count", "_holder")

    def __init__(self, budget: Budget, holder: str) -> None:
        """`holder`: whose quota of the budget it uses, see `Caller.holder`."""
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
            quota = self._budget.bound.quota
            if quota and self._budget.held_by(self._holder) + more > quota:
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
        """Release the bytes: the body is complete, or dropped."""
        if self._count:
            self._budget.release_for(self._holder, self._count)
            self._count = 0


async def read_body(
    scope: Any, receive: Callable[[], Awaitable[Any]], limit: int, quota: BodyQuota
) -> bytes:
    """Read the whole body of an ASGI request.

    Raises `TooLarge` as soon as the body is known to pass `limit` bytes, `Unavailable` when
    `quota` has no room, and `Malformed` when the caller hangs up before the end. The server drops
    what still comes of a body that is refused.
    """
    if content_length(scope["headers"]) > limit:
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
        quota.grow(len(parts))
        message = await receive()
        parts += message.get("body", b"")
    raise Malformed("The body broke off.")


async def read_json(request: ApiRequest, shape: type[T], *, empty: bytes | None = None) -> T:
    """Read the request's body as a `shape`; `empty` stands for a body of no bytes, if given.

    The key must still be good when the body is whole. The Content-Type is not checked, because
    curl sends JSON with that of a form by default.
    """
    with BodyQuota(request.state.receiving, request.auth.holder) as quota:
        raw = await read_body(request.scope, request.receive, MAX_BODY, quota)
    await request.state.check_key_again()
    return decode(raw or empty or b"", shape)


def decode(raw: bytes, shape: type[T]) -> T:
    """Decode JSON as a `shape`; `Malformed` if it is not JSON, `Invalid` if the shape differs."""
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
    return TooLarge(f"The body is larger than {limit // 1024} KiB, the limit here.")


def _mismatch(text: str, shape: type[Any]) -> Invalid:
    """Say what msgspec found, with a JSON Pointer (RFC 6901) and with types in plain words."""
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
