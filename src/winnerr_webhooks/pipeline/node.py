"""A node: puts together the stations that its role has, and starts and stops them in order.

A node of role `all` has every station. One of role `api` only accepts: its deliveries are stored
unleased, and a test, a replay or a job waits in the database until a node that delivers polls for
it. One of role `deliver` only delivers. On PostgreSQL, each of them moves events from the outbox to
its intake.
"""

import asyncio
from typing import Final

from winnerr_webhooks.budgets import STOP_SLACK, Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.verdict import success_rule
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.access_tokens import AccessTokens
from winnerr_webhooks.pipeline.attempter import Attempter
from winnerr_webhooks.pipeline.background_loops import BackgroundLoops
from winnerr_webhooks.pipeline.dispatch import Dispatcher
from winnerr_webhooks.pipeline.foreground import Foreground
from winnerr_webhooks.pipeline.intake import Intake
from winnerr_webhooks.pipeline.listener_hub import ListenerHub
from winnerr_webhooks.pipeline.news_poller import NewsPoller
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.pipeline.outbox_mover import OutboxMover
from winnerr_webhooks.pipeline.pruner import Pruner
from winnerr_webhooks.pipeline.record import Recorder
from winnerr_webhooks.pipeline.rehearser import Rehearser
from winnerr_webhooks.pipeline.request_template import Egress
from winnerr_webhooks.pipeline.shutdown import Countdown, within
from winnerr_webhooks.storage.port import Storage

CANCEL_SECONDS: Final = 0.5
"""Seconds to cancel the attempts that used up all their time."""
CLOSING_SECONDS: Final = 2.5
"""The last seconds of a stop: parts are closed, and nothing is recorded any more."""
RELEASE_SECONDS: Final = 0.25
"""Of these, the seconds for releasing leases when recording used up the time before."""


class Node:
    """The work of one process."""

    def __init__(
        self,
        config: Config,
        storage: Storage,
        egress: Egress,
        *,
        catalog: Catalog,
        branding: Branding,
        clock: Clock,
        ids: Ids,
        jitter: Jitter,
        metrics: Metrics,
        budgets: Budgets,
    ) -> None:
        self.budgets = budgets
        self.signals = NodeSignals()
        # The stations, from the end of the road to its beginning: each gets those that follow it.
        self.recorder = Recorder(storage, metrics, jitter, budgets, self.signals, clock=clock)
        self.access_tokens = AccessTokens(
            egress, timeout=config.delivery_timeout, branding=branding, clock=clock
        )
        attempter = Attempter(
            egress,
            self.access_tokens,
            schedule=config.retry_schedule,
            success=success_rule(config.success_statuses),
            branding=branding,
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
        self.listeners = ListenerHub(
            storage,
            self.recorder,
            self.dispatcher.queues.releaser,
            success=success_rule(config.success_statuses),
            branding=branding,
            timeout=config.delivery_timeout,
            lease_seconds=config.lease_seconds,
            clock=clock,
            ids=ids,
            jitter=jitter,
            signals=self.signals,
        )
        self.foreground = Foreground(asyncio.get_running_loop().time)
        self.intake = Intake(
            storage,
            self.dispatcher if config.delivers else None,
            clock,
            metrics=metrics,
            budgets=budgets,
            foreground=self.foreground,
            most_webhooks=config.max_webhooks,
            signals=self.signals,
        )
        self._loops = BackgroundLoops(
            storage,
            self.dispatcher,
            self.foreground,
            clock,
            jitter,
            schedule=config.retry_schedule,
            signals=self.signals,
        )
        self._rehearser = Rehearser(
            storage, attempter, timeout=config.delivery_timeout, signals=self.signals
        )
        self._pruner = Pruner(storage, config.log_retention_days)
        self._outbox_mover: OutboxMover | None = None
        if storage.outbox is not None:
            self._outbox_mover = OutboxMover(
                storage.outbox,
                storage,
                self.intake,
                catalog=catalog,
                now_ms=clock.now_ms,
                ids=ids,
                jitter=jitter,
                metrics=metrics,
                signals=self.signals,
            )
        self._news: NewsPoller | None = None
        if storage.is_shared:
            self._news = NewsPoller(storage, self.signals, jitter)
        self._watch(metrics)
        self._delivers = config.delivers
        self._started = False
        self._longest_attempt = config.delivery_timeout + STOP_SLACK
        self._stop = Countdown()
        self._accepting_ends: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over what an earlier process left, and begin to deliver."""
        if self._delivers:
            await self._loops.start()
            self._pruner.start()
            self._rehearser.start()
        if self._outbox_mover is not None:
            self._outbox_mover.start()
        if self._news is not None:
            self._news.start()
        self._started = True

    async def stop_delivering(self) -> None:
        """Claim nothing more, finish attempts in flight, and release the rest for other nodes.

        Events may still be accepted; their deliveries are stored unleased. It ends `STOP_SLACK`
        seconds after the longest attempt, whatever the database does.
        """
        self._started = False
        left = self._stop.left(self._longest_attempt)
        await within(
            left + CANCEL_SECONDS,
            news=self._close_news(),
            pruner=self._pruner.close(),
            rehearsals=self._rehearser.close(),
            claims=self._loops.close(),
            outbox=self._close_outbox(),
            listeners=self.listeners.close(),
            attempts=self.dispatcher.close(left),
        )
        await self.access_tokens.close()

    async def _close_news(self) -> None:
        if self._news is not None:
            await self._news.close()

    async def _close_outbox(self) -> None:
        if self._outbox_mover is not None:
            await self._outbox_mover.close()

    def stop_accepting(self) -> None:
        """Refuse events from now on; those being stored are answered soon."""
        self._accepting_ends = asyncio.create_task(self.intake.close())

    async def stop(self) -> None:
        """Accept and deliver nothing more, record what was attempted, and release the rest.

        Its time is counted from the first call of this or of `stop_delivering`. Work that there is
        no time for is logged: it is claimed when its lease expires, or at the next start.
        """
        await self.stop_delivering()
        closing = self.budgets.stop_seconds - CLOSING_SECONDS
        await within(self._stop.left(closing), intake=self.intake.close())
        await self.dispatcher.close(0)  # an accept that just ended may have handed deliveries to it
        await self.recorder.close(self._stop.left(closing))
        await self.dispatcher.queues.releaser.close(self._stop.left(closing + RELEASE_SECONDS))

    def drain(self) -> None:
        """Report not ready, so that new callers go elsewhere; everything else goes on."""
        self._started = False

    def readiness(self) -> str | None:
        """Return None when the node is ready; else the reason why not."""
        if not self._started:
            return "The service is starting or stopping."
        if self.recorder.away:
            return "Attempts cannot be recorded: the database is away."
        return None

    def _watch(self, metrics: Metrics) -> None:
        dispatcher, recorder = self.dispatcher, self.recorder
        metrics.watch_budgets(self.budgets)
        metrics.watch("lanes", "Lanes in memory.", lambda: len(dispatcher.queues.lanes))
        metrics.watch("listeners", "Connected listeners.", lambda: len(self.listeners))
        metrics.watch("in_flight", "Attempts in flight.", lambda: dispatcher.in_flight)
        metrics.watch("queued", "Deliveries queued in memory.", lambda: dispatcher.queues.queued)
        metrics.watch(
            "held_bytes",
            "Bytes of bodies queued in memory and in flight.",
            lambda: self.budgets.queued_bytes.used,
        )
        metrics.watch(
            "unrecorded", "Attempts made and not yet recorded.", lambda: recorder.unrecorded
        )
