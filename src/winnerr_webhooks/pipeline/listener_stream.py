"""Listener stream: one connected program, the deliveries it was offered, and its answers."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.webhook import Target
from winnerr_webhooks.pipeline.request_template import RequestTemplate

PLACES: Final = 8
"""Deliveries that a stream has been offered and has not answered, at most."""
HELD_BYTES: Final = 1024 * 1024
"""Bytes of their bodies; the delivery that crosses this is the last one offered."""
REMEMBERED: Final = 64
"""Deliveries whose answers are known to have come."""
HEARTBEAT_SECONDS: Final = 5.0
"""Seconds between two heartbeats of a stream."""

REPLACED: Final = "replaced"
"""The same program has opened another stream."""
STOPPING: Final = "stopping"
"""This node stops; another stream may be opened at once."""
STALLED: Final = "stalled"
"""An answer did not come in time."""
ENDED: Final = "ended"
"""The listener was paused or deleted, or fell too far behind."""


class Offer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A delivery as a listener gets it, and as its attempt is recorded."""

    delivery: LeasedDelivery
    head: bytes
    """The request line and headers to send, with the blank line."""
    url: str
    offered_at: int
    """Wall clock, ms."""
    answer_by: float
    """Monotonic."""


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """A sign that the stream is alive."""


class End(msgspec.Struct, frozen=True, gc=False):
    """The last message, and why the stream ends."""

    reason: str


class ListenerStream:
    """The stream of one connected program; `pipeline.listener_hub` fills it and takes answers."""

    def __init__(self, id_: str, target: Target, forward_to: str, branding: Branding) -> None:
        """`forward_to`: the URL that the program posts to, in requests and in the log."""
        self.id = id_
        self.forward_to = forward_to
        self.unanswered: dict[str, Offer] = {}
        """What was offered, by delivery id, the longest waiting first."""
        self.answered: deque[str] = deque(maxlen=REMEMBERED)
        """The deliveries that were answered last: a call whose answer was lost is repeated."""
        self.end_reason: str | None = None
        self._branding = branding
        self._queue: deque[Offer] = deque()
        self._wake = asyncio.Event()
        self.use(target)

    def use(self, target: Target) -> None:
        """Sign as this version of the webhook says, from now on."""
        self.target = target
        self.template = RequestTemplate(
            msgspec.structs.replace(target, url=self.forward_to), self._branding
        )

    @property
    def places(self) -> int:
        """How many more deliveries may be offered now."""
        if self.end_reason is not None or self.held_bytes >= HELD_BYTES:
            return 0
        return PLACES - len(self.unanswered)

    @property
    def held_bytes(self) -> int:
        """Bytes of the bodies that were offered and not answered."""
        return sum(len(offer.delivery.body) for offer in self.unanswered.values())

    def is_stalled(self, now: float) -> bool:
        """Whether the answer to the first offer did not come in time (monotonic)."""
        first = next(iter(self.unanswered.values()), None)
        return first is not None and first.answer_by < now

    def offer(self, offer: Offer) -> None:
        """Send a delivery to the program."""
        self.unanswered[offer.delivery.id] = offer
        self._queue.append(offer)
        self._wake.set()

    def end(self, reason: str) -> list[LeasedDelivery]:
        """End the stream; return the deliveries that were not answered."""
        if self.end_reason is None:
            self.end_reason = reason
        left = [offer.delivery for offer in self.unanswered.values()]
        self.unanswered.clear()
        self._queue.clear()
        self._wake.set()
        return left

    async def messages(self) -> AsyncIterator[Offer | Heartbeat | End]:
        """Yield what the program gets, as it comes; the last one is `End`."""
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + HEARTBEAT_SECONDS
        while True:
            while self._queue:
                yield self._queue.popleft()
            if self.end_reason is not None:
                yield End(self.end_reason)
                return
            if loop.time() >= beat_at:
                beat_at = loop.time() + HEARTBEAT_SECONDS
                yield Heartbeat()
                continue
            timer = loop.call_at(beat_at, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
            self._wake.clear()
