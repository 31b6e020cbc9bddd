"""Claims: looks for lanes that are due, and claims deliveries of those that have room.

A look reads which lanes are due, a page at a time, oldest first; it writes nothing. What it finds
waits in `Backlog` until claims have taken it, and lanes known to have more are claimed of again
without another look. Looks take at most a tenth of the time, however many lanes are due. While
calls come in, claims are small, and the process is idle as long as each of them made it work.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from winnerr_webhooks.clock import Clock, cpu_seconds
from winnerr_webhooks.pipeline.dispatch import Dispatcher
from winnerr_webhooks.pipeline.foreground import Foreground
from winnerr_webhooks.storage.port import Road
from winnerr_webhooks.storage.values import Claim

CLAIM_LIMIT: Final = 256
"""Deliveries a claim takes. On SQLite an accept may have to wait for it."""
FOREGROUND_LIMIT: Final = 32
"""The same while calls come in."""
LONGEST_PAUSE: Final = 0.03
"""Seconds from one claim to the next while calls come in, at most: calls that take all of the CPU
time must not stop a backlog."""
PAGE: Final = 1_000
"""Lanes read at once."""
BUSY_POLL: Final = 0.02
"""Seconds between looks while they find lanes with room."""
CONTENDED_POLL: Final = 0.08
"""Seconds until the next look when another node had taken what the last one found."""
IDLE_POLL: Final = 0.25
"""Seconds between looks while they find nothing, at most."""
POLL_DUTY: Final = 10
"""The time from one look to the next is at least this many times what the look took."""


class Claimer:
    """The loop that brings what waits in the database to this node's lanes."""

    def __init__(
        self,
        storage: Road,
        dispatcher: Dispatcher,
        foreground: Foreground,
        clock: Clock,
        *,
        on_success: Callable[[], None],
        busy: Callable[[], float] = cpu_seconds,
    ) -> None:
        self._storage = storage
        self._dispatcher = dispatcher
        self._backlog = dispatcher.queues.backlog
        self._foreground = foreground
        self._clock = clock
        self._busy = busy
        """Seconds for which this process has worked."""
        self._wait = BUSY_POLL
        """Seconds from the last look to the next one, unless that is asked for."""
        self._next_poll = float("-inf")
        self._earliest_poll = float("-inf")
        """Monotonic instants: when to look, and when to look if that is asked for."""
        self._on_success = on_success
        """Called when the database has answered a claim, or had nothing to claim."""
        self._open = True

    def close(self) -> None:
        """Start no further claim; `run` returns once the current claim has been dispatched."""
        self._open = False
        self._backlog.wakeup.set()

    async def run(self) -> None:
        """Look and claim until closed; raises what storage raises."""
        while self._open:
            self._backlog.wakeup.clear()
            if self._dispatcher.accepts_claims:
                if self._poll_is_due():
                    await self._poll()
                if await self._claim():
                    continue
            await wait_up_to(self._backlog.wakeup, self._until_poll())

    # --- looks --------------------------------------------------------------------------------

    def _poll_is_due(self) -> bool:
        return self._clock.monotonic() >= self._poll_at()

    def _until_poll(self) -> float:
        """Seconds until the next look; IDLE_POLL while the dispatcher takes no claims."""
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
        self._earliest_poll = ended + POLL_DUTY * (ended - began)
        self._next_poll = max(ended + wait, self._earliest_poll)

    # --- claims -------------------------------------------------------------------------------

    async def _claim(self) -> bool:
        """Claim for the next lanes in turn; True if there may be more to claim right away."""
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
        """Wait until the process has been idle for as long as it worked since then."""
        while self._open and self._foreground.active:
            passed = self._clock.monotonic() - began
            rest = 2 * (self._busy() - worked) - passed
            if rest <= 0 or passed >= LONGEST_PAUSE:
                return
            await asyncio.sleep(min(rest, LONGEST_PAUSE - passed))

    async def _lease(self, claim: Claim) -> int:
        """Claim, and dispatch what came; how many deliveries that is."""
        started = self._clock.monotonic()
        claimed = await self._storage.claim(claim)
        self._on_success()
        expires = started + claim.lease_seconds
        for delivery in claimed.deliveries:
            delivery.expires = expires
        self._dispatcher.add_claimed(claimed, claim)
        return len(claimed.deliveries)


async def wait_up_to(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set; sets it itself after `seconds`."""
    timer = asyncio.get_running_loop().call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
