"""Claimer: polls for lanes that are due, and claims deliveries for those that have room.

A poll reads which lanes are due, a page at a time, oldest first; it writes nothing. The lanes wait
in `Backlog` until deliveries are claimed for them. A lane that is known to have more due is claimed
for again without another poll. Polls take a tenth of the time at most, unless they are very slow.
While calls come in, claims are small, and the process and the database's server rest after each for
as long as they worked.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from winnerr_webhooks.clock import Clock, cpu_seconds
from winnerr_webhooks.pipeline.dispatch import Dispatcher
from winnerr_webhooks.pipeline.foreground import Foreground
from winnerr_webhooks.storage.road_port import Road
from winnerr_webhooks.storage.road_values import Claim

CLAIM_LIMIT: Final = 256
"""Deliveries a claim leases, at most. On SQLite an accept may have to wait for it."""
FOREGROUND_LIMIT: Final = 32
"""Deliveries a claim leases while calls come in, at most."""
LONGEST_PAUSE: Final = 0.03
"""Seconds between two claims while calls come in, at most: calls that use all of the CPU must not
stop a backlog."""
PAGE: Final = 1_000
"""Lanes read at once, at most."""
BUSY_POLL: Final = 0.02
"""Seconds between polls that find lanes with room."""
CONTENDED_POLL: Final = 0.08
"""Seconds until the next poll when another node has claimed what the last one found."""
IDLE_POLL: Final = 5.0
"""Seconds between polls that find nothing, at most. They find only work whose signal was lost: what
makes work due signals it, and `news_poller` does so for other nodes."""
POLL_DUTY: Final = 10
"""The time between two polls is at least this many times what a poll takes."""
LONGEST_POLL_PAUSE: Final = 5.0
"""The longest time between two polls in seconds, however slow a poll is. If only the machine or the
disk was slow for a moment, retries must not stop for a minute."""


class Claimer:
    """The loop that leases due work from the database to this node's lanes."""

    def __init__(
        self,
        storage: Road,
        dispatcher: Dispatcher,
        foreground: Foreground,
        clock: Clock,
        *,
        on_success: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._dispatcher = dispatcher
        self._backlog = dispatcher.queues.backlog
        self._foreground = foreground
        self._clock = clock
        self._busy: Callable[[], float] = lambda: cpu_seconds() + storage.busy_seconds()
        """Returns the seconds for which this process and the database's server have worked."""
        self._wait = BUSY_POLL
        """Seconds from the last poll to the next one, unless one is requested."""
        self._next_poll = float("-inf")
        self._earliest_poll = float("-inf")
        """Monotonic times of the next poll, and of the next poll if one is requested."""
        self._on_success = on_success
        """Called when a claim succeeded, or a poll found nothing."""
        self._open = True

    def close(self) -> None:
        """Start no further claim; `run` returns once the current claim has been dispatched."""
        self._open = False
        self._backlog.wakeup.set()

    async def run(self) -> None:
        """Poll and claim until closed; raises what storage raises."""
        while self._open:
            self._backlog.wakeup.clear()
            if self._dispatcher.accepts_claims:
                if self._poll_is_due():
                    await self._poll()
                if await self._claim():
                    continue
            await wait_up_to(self._backlog.wakeup, self._until_poll())

    # --- polls --------------------------------------------------------------------------------

    def _poll_is_due(self) -> bool:
        return self._clock.monotonic() >= self._poll_at()

    def _until_poll(self) -> float:
        """Return the seconds until the next poll; IDLE_POLL while nothing may be claimed."""
        if not self._dispatcher.accepts_claims:
            return IDLE_POLL
        return max(self._poll_at() - self._clock.monotonic(), 0.0)

    def _poll_at(self) -> float:
        return self._earliest_poll if self._backlog.poll_requested else self._next_poll

    async def _poll(self) -> None:
        """Read all lanes that are due."""
        backlog, monotonic = self._backlog, self._clock.monotonic
        backlog.poll_requested = False
        began, found, after = monotonic(), 0, None
        while True:
            page = await self._storage.due_lanes(after, PAGE)
            found += backlog.add_due(page.lanes)
            if len(page.lanes) < PAGE or not self._open:
                break
            after = page.lanes[-1]
        ended = monotonic()
        if not found:
            self._on_success()
        self._wait = BUSY_POLL if found else min(2 * self._wait, IDLE_POLL)
        wait = self._wait
        if page.next_due_in is not None:
            wait = min(wait, page.next_due_in)
        self._earliest_poll = ended + min(POLL_DUTY * (ended - began), LONGEST_POLL_PAUSE)
        self._next_poll = max(ended + wait, self._earliest_poll)

    # --- claims -------------------------------------------------------------------------------

    async def _claim(self) -> bool:
        """Claim for the next lanes in turn; returns whether more may be claimed right away."""
        calls = self._foreground.active
        claim = self._backlog.next_claim(FOREGROUND_LIMIT if calls else CLAIM_LIMIT)
        if claim is None:
            return False
        began, worked = self._clock.monotonic(), self._busy()
        taken = await self._lease(claim)
        if not taken:
            self._next_poll = max(self._next_poll, self._clock.monotonic() + CONTENDED_POLL)
        if calls:
            await self._yield_to_calls(began, worked)
        return bool(self._backlog)

    async def _yield_to_calls(self, began: float, worked: float) -> None:
        """Wait until there was as much rest as work since then."""
        while self._open and self._foreground.active:
            passed = self._clock.monotonic() - began
            rest = 2 * (self._busy() - worked) - passed
            if rest <= 0 or passed >= LONGEST_PAUSE:
                return
            await asyncio.sleep(min(rest, LONGEST_PAUSE - passed))

    async def _lease(self, claim: Claim) -> int:
        """Claim and dispatch deliveries; returns how many."""
        started = self._clock.monotonic()
        claimed = await self._storage.claim(claim)
        self._on_success()
        expires = started + claim.lease_seconds
        for delivery in claimed.deliveries:
            delivery.expires = expires
        self._dispatcher.add_claimed(claimed, claim)
        return len(claimed.deliveries)


async def wait_up_to(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set; it is set after `seconds` at the latest."""
    timer = asyncio.get_running_loop().call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
