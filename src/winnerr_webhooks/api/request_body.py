"""Request bodies: read up to a limit, and counted while they arrive."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

from winnerr_webhooks.api.http.request_head import content_length
from winnerr_webhooks.domain.errors import Malformed, TooLarge, Unavailable
from winnerr_webhooks.quotas import Budget

REFUSED_AFTER: Final = 2.0
"""About how many seconds later a body is refused for which there is no room."""
REFUSAL_PLACES: Final = 64
"""Moments over which the refusals of bodies that came together are spread."""


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

    def refuse_later(self) -> float:
        """Release the bytes; return the seconds to wait before the body is refused.

        No more of it is read meanwhile. If it were refused at once, a caller that does not wait
        could send large bodies all the time, and reading them would take the machine from others.
        Those that came together are refused at different times, so that they do not come back
        together.
        """
        self.release()
        place = self._budget.refused % REFUSAL_PLACES / REFUSAL_PLACES
        return REFUSED_AFTER * (0.5 + place)


async def read_body(
    scope: Any, receive: Callable[[], Awaitable[Any]], limit: int, quota: BodyQuota
) -> bytes:
    """Read the whole body of an ASGI request.

    Raises `TooLarge` as soon as the body is known to pass `limit` bytes, `Unavailable` a while
    after `quota` had no room for it, and `Malformed` when the caller hangs up before the end. The
    server drops what still comes of a body that is refused.
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
        try:
            quota.grow(len(parts))
        except Unavailable as error:
            body = b""
            parts.clear()
            message.clear()
            await asyncio.sleep(quota.refuse_later())
            raise error from None
        message = await receive()
        parts += message.get("body", b"")
    raise Malformed("The body broke off.")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit // 1024} KiB, the limit here.")
