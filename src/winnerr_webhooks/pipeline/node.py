"""A node: the stations of the road that its role has, put together, started and stopped in order.

A node of role `all` has every station. One of role `api` ends after intake: what it accepts is
born free, and what it is asked for (a test, a replay, a job) waits in the database, where nodes
that deliver look all the time. One of role `deliver` begins at reclaim.
"""

import asyncio
from typing import Final

from winnerr_webhooks.budgets import STOP_SLACK, Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.verdict import success_rule
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.attempter import Attempter, Egress
from winnerr_webhooks.pipeline.dispatch import Dispatcher
from winnerr_webhooks.pipeline.foreground import Foreground
from winnerr_webhooks.pipeline.intake import Intake
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.pipeline.pruner import Pruner
from winnerr_webhooks.pipeline.reclaim import Reclaimer
from winnerr_webhooks.pipeline.record import Recorder
from winnerr_webhooks.pipeline.shutdown import within
from winnerr_webhooks.storage.port import Storage

CANCEL_SECONDS: Final = 0.5
"""For attempts that took all their time to be cancelled."""
CLOSING_SECONDS: Final = 2.5
"""The last seconds of a stop, for closing what is open: nothing is recorded any more."""
RELEASE_SECONDS: Final = 0.25
"""Of them releasing leases may use these, when recording took all the time before."""


class Node:
    """One process's share of the work."""

    def __init__(
        self,
        config: Config,
        storage: Storage,
        egress: Egress,
        *,
        header_prefix: str,
        clock: Clock,
        ids: Ids,
        jitter: Jitter,
        metrics: Metrics,
        budgets: Budgets,
    ) -> None:
        self.budgets = budgets
        self._delivers = config.delivers
        self._patience = config.delivery_timeout + STOP_SLACK
        self._stop_seconds = budgets.stop_seconds
        self._stop_began: float | None = None
        self._started = False
        self._accepting_ends: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.signals = NodeSignals()
        self.recorder = Recorder(storage, metrics, jitter, budgets, self.signals)
        attempter = Attempter(
            egress,
            schedule=config.retry_schedule,
            success=success_rule(config.success_statuses),
            header_prefix=header_prefix,
            clock=clock,
            ids=ids,
            jitter=jitter,
        )
        self.dispatcher = Dispatcher(
            storage,
            attempter,
            self.recorder,
            metrics,
            clock,
            concurrency=config.webhook_concurrency,
            timeout=config.delivery_timeout,
            lease_seconds=config.lease_seconds,
            budgets=budgets,
            signals=self.signals,
        )
        self.foreground = Foreground(asyncio.get_running_loop().time)
        self.intake = Intake(
            storage,
            self.dispatcher if self._delivers else None,
            clock,
            metrics=metrics,
            budgets=budgets,
            foreground=self.foreground,
            most_webhooks=config.max_webhooks,
            signals=self.signals,
        )
        self._reclaimer = Reclaimer(
            storage,
            self.dispatcher,
            self.foreground,
            clock,
            jitter,
            schedule=config.retry_schedule,
            signals=self.signals,
        )
        self._retention = Pruner(storage, config.log_retention_days)
        self._watch(metrics)

    async def start(self) -> None:
        """Take over what an earlier process left, and go to work."""
        if self._delivers:
            await self._reclaimer.start()
            self._retention.start()
        self._started = True

    async def stop_delivering(self) -> None:
        """Claim nothing more, finish what is under way, release the rest for other nodes.

        Events may still be accepted; they are born free. It ends `STOP_SLACK` seconds after
        the longest attempt, whatever the database does.
        """
        self._started = False
        left = self._left(self._patience)
        await within(
            left + CANCEL_SECONDS,
            retention=self._retention.close(),
            claims=self._reclaimer.close(),
            attempts=self.dispatcher.close(left),
        )

    def stop_accepting(self) -> None:
        """From now on refuse events; those being stored have their answer soon."""
        self._accepting_ends = self._loop.create_task(self.intake.close())

    async def stop(self) -> None:
        """Accept nothing more, deliver nothing more, record what was done, release the rest.

        Its time is counted from the first call of this or of `stop_delivering`. What there is no
        time for is logged: it is free when its lease has run out, or at the next start.
        """
        await self.stop_delivering()
        closing = self._stop_seconds - CLOSING_SECONDS
        await within(self._left(closing), intake=self.intake.close())
        await self.dispatcher.close(0)  # an accept under way until now may have handed on to it
        await self.recorder.close(self._left(closing))
        await self.dispatcher.queues.releaser.close(self._left(closing + RELEASE_SECONDS))

    def _left(self, until: float) -> float:
        """How many seconds are left until so many after the stop began."""
        if self._stop_began is None:
            self._stop_began = self._loop.time()
        return max(self._stop_began + until - self._loop.time(), 0.0)

    def drain(self) -> None:
        """Go on with everything, but be ready no more: new callers should go elsewhere."""
        self._started = False

    def readiness(self) -> str | None:
        """None when the node is at its work; else why not."""
        if not self._started:
            return "The service is starting or stopping."
        if self.recorder.away:
            return "Attempts cannot be recorded: the database is away."
        return None

    def _watch(self, metrics: Metrics) -> None:
        dispatcher, recorder = self.dispatcher, self.recorder
        metrics.watch_budgets(self.budgets)
        metrics.watch("lanes", "Lanes in memory.", lambda: len(dispatcher.queues.lanes))
        metrics.watch("in_flight", "Attempts under way.", lambda: dispatcher.in_flight)
        metrics.watch("queued", "Deliveries queued in memory.", lambda: dispatcher.queues.queued)
        metrics.watch(
            "held_bytes",
            "Bodies queued in memory and under way.",
            lambda: self.budgets.queued_bytes.used,
        )
        metrics.watch(
            "unrecorded", "Attempts made and not yet recorded.", lambda: recorder.unrecorded
        )
