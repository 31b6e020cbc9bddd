"""Reclaim: brings back what waits in the database: due retries, replays, what the dead left."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.pipeline.dispatch import Dispatcher
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import Claim, Claimed

CLAIM_LIMIT: Final = 256
"""Deliveries. On SQLite an accept may wait for a claim: twice as many are twice as long."""
NEARLY_FULL: Final = CLAIM_LIMIT * 3 // 4
"""A lane may have had less than its portion, and nobody the rest."""
BUSY_POLL: Final = 0.02
"""Seconds between claims while there is work to find."""
DUE_POLL: Final = 0.08
"""… while there is some, but another node is at it."""
IDLE_POLL: Final = 0.25
REPAIR_EVERY: Final = 30.0
CHANGES_EVERY: Final = 1.0
AWAY_WAIT: Final = 1.0

log = structlog.get_logger(__name__)


class Reclaimer:
    """The loops that look into the database for work; one noun a loop."""

    def __init__(
        self, storage: Storage, dispatcher: Dispatcher, clock: Clock, jitter: Jitter
    ) -> None:
        self._storage = storage
        self._dispatcher = dispatcher
        self._clock = clock
        self._jitter = jitter
        self._wake = dispatcher.work_wanted
        self._job_wake = asyncio.Event()
        self._changes_mark = 0
        self._told: set[str] = set()
        """Why what waits could not be looked for, as it was logged since the last claim."""
        self._tasks: list[asyncio.Task[None]] = []
        self._open = True

    async def start(self) -> None:
        """Free what a dead predecessor had leased, then keep looking."""
        freed = await self._storage.recover()
        if freed:
            log.info("took over what an earlier process left", deliveries=freed)
        self._changes_mark, _ = await self._storage.changed_webhooks(0)
        loops = (self._claims, self._repairs, self._jobs, self._changes)
        self._tasks = [asyncio.get_running_loop().create_task(self._keep(loop)) for loop in loops]

    def due_in(self, seconds: float) -> None:
        """Something in the database is due in so many seconds: claim then."""
        if seconds <= 0:
            self._wake.set()
        elif seconds < IDLE_POLL:  # what is due later, a claim before it will have seen coming
            asyncio.get_running_loop().call_later(seconds, self._wake.set)

    def job_waits(self) -> None:
        """A job was created: begin on it."""
        self._job_wake.set()

    async def close(self) -> None:
        """Stop looking; a claim under way is waited for, and dispatched: its leases are ours."""
        self._open = False
        self._wake.set()
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Run a loop for good: neither a database that is away nor a fault of ours ends it."""
        while self._open:
            try:
                await loop()
            except Unavailable as error:
                if error.detail not in self._told:
                    self._told.add(error.detail)
                    log.warning(
                        "what waits cannot be looked for, and is tried again",
                        loop=loop.__name__.strip("_"),
                        reason=error.detail,
                    )
            except Exception:
                log.exception("a loop failed and starts again", loop=loop.__name__)
            if self._open:
                await asyncio.sleep(self._jitter.around(AWAY_WAIT))

    async def _claims(self) -> None:
        wait = BUSY_POLL
        while self._open:
            self._wake.clear()
            claimed = await self._claim() if self._dispatcher.claims else None
            if claimed is not None:
                self._told.clear()
            if claimed is not None and len(claimed.deliveries) >= NEARLY_FULL:
                wait = BUSY_POLL
                continue  # there may be room for more
            found = claimed is not None and bool(claimed.deliveries)
            wait = BUSY_POLL if found else min(wait * 2, IDLE_POLL)
            if claimed is not None and claimed.next_due_in is not None:
                wait = min(wait, claimed.next_due_in or DUE_POLL)
            if self._open:
                await _within(self._wake, wait)

    async def _claim(self) -> Claimed:
        dispatcher = self._dispatcher
        started = self._clock.monotonic()
        room = dispatcher.room()
        claimed = await self._storage.claim(
            Claim(
                lease_seconds=dispatcher.lease_seconds,
                limit=CLAIM_LIMIT,
                max_bytes=dispatcher.memory.free,
                share=dispatcher.memory.share,
                shares=dispatcher.memory.left(),
                room=room,
                default_room=dispatcher.default_room,
            )
        )
        expires = started + dispatcher.lease_seconds
        for delivery in claimed.deliveries:
            delivery.expires = expires
        dispatcher.take(claimed, room)
        return claimed

    async def _repairs(self) -> None:
        while True:
            await asyncio.sleep(self._jitter.around(REPAIR_EVERY))
            self._dispatcher.forget_idle_lanes()
            repaired = await self._storage.repair()
            if repaired:
                log.info("made lost work claimable again", found=repaired)
                self._wake.set()

    async def _jobs(self) -> None:
        while True:
            self._job_wake.clear()
            while await self._storage.run_job_slice():
                self._wake.set()
                await asyncio.sleep(0)  # a big job leaves room between its slices
            await _within(self._job_wake, CHANGES_EVERY)

    async def _changes(self) -> None:
        while True:
            await asyncio.sleep(CHANGES_EVERY)
            mark, changed = await self._storage.changed_webhooks(self._changes_mark)
            if mark < self._changes_mark:  # a failover, or a restore, has taken changes back
                changed = self._dispatcher.webhooks
            self._changes_mark = mark
            self._dispatcher.webhooks_changed(changed)


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after `seconds`."""
    loop = asyncio.get_running_loop()
    timer = loop.call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
