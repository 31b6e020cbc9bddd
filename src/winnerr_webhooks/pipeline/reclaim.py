"""Reclaim: brings back what waits in the database: due retries, replays, what the dead left."""

import asyncio
from typing import Final

import structlog

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.errors import Unavailable, WebhooksError
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.pipeline.dispatch import Dispatcher
from winnerr_webhooks.storage.port import Claim, Claimed, Storage

CLAIM_LIMIT: Final = 500
BUSY_POLL: Final = 0.02
"""Seconds between claims while there is work to find."""
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
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Free what a dead predecessor had leased, then keep looking."""
        freed = await self._storage.recover()
        if freed:
            log.info("took over what an earlier process left", deliveries=freed)
        mark, _ = await self._storage.changed_webhooks(0)
        loops = (self._claims(), self._repairs(), self._jobs(), self._changes(mark))
        self._tasks = [asyncio.get_running_loop().create_task(loop) for loop in loops]

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
        """Stop looking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _claims(self) -> None:
        wait = BUSY_POLL
        while True:
            self._wake.clear()
            claimed = None
            if self._dispatcher.claims:
                try:
                    claimed = await self._claim()
                except Unavailable:
                    await asyncio.sleep(self._jitter.around(AWAY_WAIT))
                    continue
            found = claimed is not None and bool(claimed.deliveries)
            wait = BUSY_POLL if found else min(wait * 2, IDLE_POLL)
            if claimed is not None and claimed.next_due_in:
                wait = min(wait, claimed.next_due_in)
            await _within(self._wake, wait)

    async def _claim(self) -> Claimed:
        dispatcher = self._dispatcher
        started = self._clock.monotonic()
        claimed = await self._storage.claim(
            Claim(
                lease_seconds=dispatcher.lease_seconds,
                limit=CLAIM_LIMIT,
                max_bytes=dispatcher.free_bytes,
                room=dispatcher.room(),
                default_room=dispatcher.default_room,
            )
        )
        expires = started + dispatcher.lease_seconds
        for delivery in claimed.deliveries:
            delivery.expires = expires
        dispatcher.take(claimed.deliveries, backlogged=claimed.backlogged)
        return claimed

    async def _repairs(self) -> None:
        while True:
            await asyncio.sleep(self._jitter.around(REPAIR_EVERY))
            try:
                repaired = await self._storage.repair()
            except Unavailable:
                continue
            if repaired:
                log.info("made lost work claimable again", found=repaired)
                self._wake.set()
            self._dispatcher.forget_idle_lanes()

    async def _jobs(self) -> None:
        while True:
            self._job_wake.clear()
            try:
                while await self._storage.run_job_slice():
                    self._wake.set()
                    await asyncio.sleep(0)  # a big job leaves room between its slices
            except Unavailable:
                await asyncio.sleep(self._jitter.around(AWAY_WAIT))
                continue
            except WebhooksError:
                log.exception("a job failed")
            await _within(self._job_wake, CHANGES_EVERY)

    async def _changes(self, mark: int) -> None:
        while True:
            await asyncio.sleep(CHANGES_EVERY)
            try:
                mark, changed = await self._storage.changed_webhooks(mark)
            except Unavailable:
                continue
            self._dispatcher.webhooks_changed(changed)


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after `seconds`."""
    loop = asyncio.get_running_loop()
    timer = loop.call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
