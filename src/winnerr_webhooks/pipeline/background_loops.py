"""Background loops: they find work in the database (due deliveries, lost leases, jobs, changes)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.retry import longest_waits
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.pipeline.claimer import IDLE_POLL, Claimer, wait_up_to
from winnerr_webhooks.pipeline.dispatch import Dispatcher
from winnerr_webhooks.pipeline.foreground import Foreground
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.storage.listener_port import Listeners
from winnerr_webhooks.storage.road_port import Road

REPAIR_EVERY: Final = 30.0
"""Seconds between searches for lost wake-ups and expired leases."""
CHANGES_EVERY: Final = 10.0
"""Seconds between reads of changed webhooks and of jobs that no signal asked for."""
AWAY_WAIT: Final = 1.0
"""Seconds until a loop that failed starts again."""
LISTENER_UNSEEN: Final = 900.0
"""Seconds that a listener stays subscribed after its program was last connected."""

log = structlog.get_logger(__name__)


class LoopStorage(Road, Listeners, Protocol):
    """The parts of the storage that the loops use."""


class BackgroundLoops:
    """Runs one loop each for claims, repairs, jobs and changed webhooks."""

    def __init__(
        self,
        storage: LoopStorage,
        dispatcher: Dispatcher,
        foreground: Foreground,
        clock: Clock,
        jitter: Jitter,
        *,
        schedule: Sequence[float],
        signals: NodeSignals,
    ) -> None:
        self._storage = storage
        self._schedule = schedule
        self._dispatcher = dispatcher
        self._jitter = jitter
        self._request_poll = dispatcher.queues.backlog.request_poll
        self._job_wake = asyncio.Event()
        self._changes_found = asyncio.Event()
        self._changes_mark = 0
        self._logged: set[str] = set()
        """Reasons why a loop failed that were logged since the last claim."""
        self._claimer = Claimer(
            storage,
            dispatcher,
            foreground,
            clock,
            on_success=self._logged.clear,
        )
        self._claiming: asyncio.Task[None] | None = None
        self._others: list[asyncio.Task[None]] = []
        self._open = True
        signals.work_due.connect(self.due_in)
        signals.job_created.connect(self._job_wake.set)
        signals.changes_found.connect(self._changes_found.set)

    async def start(self) -> None:
        """Free what an earlier process of this node had leased, and start the loops."""
        freed = await self._storage.recover(longest_waits(self._schedule))
        if freed:
            log.info("took over what an earlier process left", deliveries=freed)
        self._changes_mark, _ = await self._storage.changed_webhooks(0)
        self._claiming = self._start(self._claims)
        self._others = [self._start(run) for run in (self._repairs, self._jobs, self._changes)]

    def _start(self, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self._keep(run))

    def due_in(self, seconds: float) -> None:
        """Poll in `seconds`, because something in the database is due then."""
        if seconds <= 0:
            self._request_poll()
        elif seconds < IDLE_POLL:  # a poll before then finds what is due later
            asyncio.get_running_loop().call_later(seconds, self._request_poll)

    async def close(self) -> None:
        """End the loops. A claim that runs is finished and dispatched: its leases are ours."""
        self._open = False
        self._claimer.close()
        for task in self._others:
            task.cancel()
        if self._claiming is not None:
            await asyncio.gather(self._claiming, *self._others, return_exceptions=True)

    async def _keep(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Run a loop until closed; it starts again after any error."""
        while self._open:
            try:
                await loop()
            except Unavailable as error:
                if error.detail not in self._logged:
                    self._logged.add(error.detail)
                    log.warning(
                        "due work cannot be read, which is tried again",
                        loop=loop.__name__.strip("_"),
                        reason=error.detail,
                    )
            except Exception:
                log.exception("a loop failed and starts again", loop=loop.__name__)
            if self._open:
                await asyncio.sleep(self._jitter.around(AWAY_WAIT))

    async def _claims(self) -> None:
        await self._claimer.run()

    async def _repairs(self) -> None:
        while True:
            await asyncio.sleep(self._jitter.around(REPAIR_EVERY))
            self._dispatcher.queues.lanes.drop_idle()
            repaired = await self._storage.repair()
            if repaired:
                log.info("made lost work claimable again", found=repaired)
                self._request_poll()
            self._dispatcher.webhooks_changed(
                await self._storage.end_stale_listeners(LISTENER_UNSEEN)
            )

    async def _jobs(self) -> None:
        while True:
            self._job_wake.clear()
            while await self._storage.run_job_slice():
                self._request_poll()
                await asyncio.sleep(0)  # other work may run between the slices of a large job
            await wait_up_to(self._job_wake, CHANGES_EVERY)

    async def _changes(self) -> None:
        while True:
            self._changes_found.clear()
            await wait_up_to(self._changes_found, CHANGES_EVERY)
            mark, changed = await self._storage.changed_webhooks(self._changes_mark)
            if mark < self._changes_mark:  # a failover or a restore has undone changes
                changed = self._dispatcher.webhooks
            self._changes_mark = mark
            self._dispatcher.webhooks_changed(changed)
