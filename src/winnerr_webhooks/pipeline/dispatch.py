"""Dispatch: every webhook has a lane, and no lane can slow another down."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import LocalShortage
from winnerr_webhooks.domain.webhook import ACTIVE, DELETED, Target
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.attempt_slots import SHORTAGE_SECONDS, AttemptSlots
from winnerr_webhooks.pipeline.attempter import Attempter
from winnerr_webhooks.pipeline.lane import SHED_FROM, Lane
from winnerr_webhooks.pipeline.lane_queues import LaneQueues, sent_while_inactive
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.pipeline.record import Recorder
from winnerr_webhooks.pipeline.request_template import RequestTemplate
from winnerr_webhooks.pipeline.target_reader import TargetReader
from winnerr_webhooks.storage.road_port import Road
from winnerr_webhooks.storage.road_values import Claim, Claimed, LeaseTerms

LEASE_SLACK: Final = 2.0
"""Seconds by which a lease must outlive the longest attempt, to settle the attempt in time."""
UNREADABLE_WAIT: Final = 30.0
"""Seconds until a webhook whose configuration cannot be used is tried again."""
LATEST_TURN: Final = 0.5
"""Seconds after its turn in which an attempt may still begin. After that it needs another turn, so
that those that were late together are not sent together."""
LISTENER_WAIT: Final = 600.0
"""Seconds for which the lane of a listener is held once its lease was released: only the listener
hub claims for it, but an accept may still lease to it."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """Queues the leased deliveries of a node in lanes, and starts their attempts.

    It counts attempts in flight by lane, by organization and in all where they begin and end: a
    call for that would be made for every attempt.
    """

    def __init__(
        self,
        storage: Road,
        attempter: Attempter,
        recorder: Recorder,
        metrics: Metrics,
        clock: Clock,
        *,
        concurrency: int,
        timeout: float,
        lease_seconds: float,
        budgets: Budgets,
        signals: NodeSignals,
    ) -> None:
        self.lease_seconds = lease_seconds
        self.queues = LaneQueues(
            storage,
            metrics,
            budgets.queued_bytes,
            clock=clock,
            concurrency=concurrency,
            lease_seconds=lease_seconds,
            on_turn=self._turn_came,
        )
        self._lanes = self.queues.lanes
        self._attempter = attempter
        self._recorder = recorder
        self._clock = clock
        self._lease_needed = timeout + LEASE_SLACK
        self._slots = AttemptSlots(budgets.attempts, metrics, clock)
        self._recovery: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._targets = TargetReader(storage, self._target_read, self._target_unreadable)
        self._workers: set[asyncio.Task[None]] = set()
        self._open = True
        signals.recording_resumed.connect(self._start_all)
        signals.webhooks_changed.connect(self.webhooks_changed)
        signals.attempt_requested.connect(self.attempt_requested)

    # --- what comes in ------------------------------------------------------------------------

    def lease_terms(self) -> LeaseTerms | None:
        """How the next accept leases its deliveries to this node; None when nothing more fits."""
        if not self._open or self._recorder.stalled or self.queues.memory.overdrawn:
            return None
        return self._lanes.terms()

    def add_accepted(self, deliveries: Sequence[LeasedDelivery]) -> None:
        """Queue deliveries that one commit leased to this node, and start on them."""
        if not self._open:
            for delivery in deliveries:
                self.queues.releaser.add(delivery)
            return
        for lane in self.queues.add_accepted(deliveries):
            self._start_workers(lane)

    def add_claimed(self, claimed: Claimed, claim: Claim) -> None:
        """Queue what this claim returned, and start on it."""
        for delivery in claimed.deliveries:
            if self._open:
                self.queues.add_claimed(delivery)
            else:
                self.queues.releaser.add(delivery)
        for webhook_id in claim.limits:
            lane = self._lanes.get(webhook_id)
            if lane is not None:
                lane.has_backlog = lane.hold is not None or webhook_id in claimed.backlogged
                self._start_workers(lane)

    def _turn_came(self, lane: Lane, delivery: LeasedDelivery) -> None:
        """Queue a delivery whose turn has come; one that is late for it is released."""
        latest = delivery.turn_at + LATEST_TURN + self._lease_needed
        delivery.expires = min(delivery.expires, latest)
        lane.add_older(delivery)
        self._start_workers(lane)

    @property
    def in_flight(self) -> int:
        """Attempts in flight on this node."""
        return self._slots.in_flight

    @property
    def webhooks(self) -> list[str]:
        """The webhooks that have lanes."""
        return list(self._lanes)

    @property
    def accepts_claims(self) -> bool:
        """Whether claimed deliveries could be attempted now."""
        return self._open and not self._recorder.stalled and self.queues.memory.free > 0

    def webhooks_changed(self, webhook_ids: Iterable[str]) -> None:
        """Read the configuration of these webhooks again before their next attempt."""
        for webhook_id in webhook_ids:
            lane = self._lanes.get(webhook_id)
            if lane is not None:
                lane.template = None
                if lane.queued or lane.loading or lane.hold is not None:
                    self._load(lane)

    def attempt_requested(self, webhook_id: str) -> None:
        """End the hold of a lane: a user asked for an attempt and should not wait for it."""
        lane = self._lanes.get(webhook_id)
        if lane is not None:
            self._end_hold(lane)

    # --- attempts -----------------------------------------------------------------------------

    def _start_workers(self, lane: Lane) -> None:
        """Start workers for a lane while it has work and its window is open."""
        while lane.in_flight < lane.window and (attempt := self._next_attempt(lane)) is not None:
            self._start_worker(lane, *attempt)
        self.queues.update_room(lane)

    def _start_worker(
        self, lane: Lane, template: RequestTemplate, delivery: LeasedDelivery
    ) -> None:
        task = self._loop.create_task(self._work(lane, template, delivery))
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)

    def _next_attempt(
        self, lane: Lane, *, in_turn: bool = False
    ) -> tuple[RequestTemplate, LeasedDelivery] | None:
        """Take the lane's next delivery that can be sent, and count it as in flight.

        None when there is none now. `in_turn`: the lane has waited for its slot.
        """
        if not self._open or self._recorder.stalled or lane.loading or lane.hold is not None:
            return None
        slots, queues = self._slots, self.queues
        while lane.queued:
            if (
                slots.in_flight >= slots.scarce_from
                and not in_turn
                and not slots.admit_or_queue(lane)
            ):
                return None
            delivery = lane.pop()
            if delivery.expires - self._clock.monotonic() < self._lease_needed:
                queues.release(lane, delivery)
                continue
            lane.version = max(lane.version, delivery.webhook_version)
            template = lane.template
            if template is None or template.target.version < lane.version:
                queues.put_back(lane, delivery)
                self._load(lane)
                return None
            if template.target.by_listener:  # `pipeline.listener_hub` claims these
                queues.release(lane, delivery)
                self._hold(lane, LISTENER_WAIT)
                return None
            if template.target.status != ACTIVE and not sent_while_inactive(
                delivery, template.target
            ):
                queues.release(lane, delivery)
                continue
            delivery.webhook_version = template.target.version  # what the answer will be about
            lane.in_flight += 1
            lane.owner.in_flight += 1
            slots.in_flight += 1
            return template, delivery
        return None

    async def _work(self, lane: Lane, template: RequestTemplate, delivery: LeasedDelivery) -> None:
        """Make one attempt after another, as long as the lane's window allows this worker."""
        slots, owner = self._slots, lane.owner
        while True:
            lack = None
            try:
                await self._attempt(lane, template, delivery)
            except LocalShortage as shortage:
                lack = shortage.code
            finally:
                lane.in_flight -= 1
                owner.in_flight -= 1
                slots.in_flight -= 1
                owner.memory.release(len(delivery.body))
                delivery.body = b""  # its record may wait long for the database
            if lack is not None:
                self._ran_short(lane, delivery, lack)
            if slots.waiting_owners:
                self._pass_on_slot(lane)
                break
            if lane.in_flight >= lane.window or (attempt := self._next_attempt(lane)) is None:
                break
            template, delivery = attempt
            if lane.in_flight < lane.window and lane.queued:
                self._start_workers(lane)  # the window has opened for one more
            elif lane.full or lane.has_backlog:
                self.queues.update_room(lane)  # the attempt has left room
        if not lane.queued and not lane.in_flight:
            lane.idle_since = self._clock.monotonic()
        self.queues.update_room(lane)

    async def _attempt(
        self, lane: Lane, template: RequestTemplate, delivery: LeasedDelivery
    ) -> None:
        try:
            settlement = await self._attempter.attempt(template, delivery)
            self._recorder.record(settlement)
        except LocalShortage:
            raise
        except Exception:
            # A fault of ours: the lease expires, and after five such leases the delivery fails.
            log.exception("attempt crashed", delivery=delivery.id, webhook=lane.webhook_id)
            self.queues.release_following(lane, delivery)
            self._slow_down(lane)
            return
        lane.note_duration(settlement.record.exchange.duration_ms)
        if lane.queued > SHED_FROM * lane.capacity and lane.fully_open:  # it has become slower
            self.queues.shed(lane, lane.capacity)
        verdict = settlement.verdict
        if delivery.order_key is not None:
            if verdict.error_kind is None:
                self.queues.queue_following(lane, delivery)
            else:
                self.queues.release_following(lane, delivery)
        if verdict.error_kind is None:
            lane.open_window()
        elif verdict.congested:
            self._slow_down(lane)
        if verdict.hold_lane:
            self._hold(lane, verdict.hold_lane)

    def _slow_down(self, lane: Lane) -> None:
        lane.halve_window()
        if lane.slow:  # it may be long until the end of its queue is sent
            self.queues.shed(lane, 0 if self.queues.memory.under_pressure else lane.capacity)
        self.queues.update_room(lane)

    def _start_all(self) -> None:
        for lane in list(self._lanes.values()):
            if lane.queued:
                self._start_workers(lane)
        self.queues.backlog.request_poll()

    # --- slots --------------------------------------------------------------------------------

    def _pass_on_slot(self, lane: Lane) -> None:
        """Give the slot of an ended attempt of this lane to the lane whose turn it is."""
        if lane.queued and lane.in_flight < lane.window:
            self._slots.wait(lane)
        self._start_in_turn()

    def _start_in_turn(self) -> None:
        """Start workers for the lanes whose turn it is, as far as there are slots."""
        while (lane := self._slots.next_in_turn()) is not None:
            if lane.in_flight >= lane.window:
                continue  # it is considered again when one of its attempts ends
            if (attempt := self._next_attempt(lane, in_turn=True)) is not None:
                self._start_worker(lane, *attempt)
                if lane.queued and lane.in_flight < lane.window:
                    self._slots.wait(lane)
                self.queues.update_room(lane)

    def _ran_short(self, lane: Lane, delivery: LeasedDelivery, lack: str) -> None:
        """Release a delivery that was not sent because this machine lacks something."""
        lane.has_backlog = True
        if self._slots.ran_short(lack):
            self._hold(lane, SHORTAGE_SECONDS)
        elif self._recovery is None:
            self._recovery = self._loop.call_later(SHORTAGE_SECONDS, self._recover)
        self.queues.releaser.add(delivery)
        self.queues.release_following(lane, delivery)

    def _recover(self) -> None:
        self._recovery = None
        self._slots.recover()
        self._start_in_turn()

    # --- holds --------------------------------------------------------------------------------

    def _hold(self, lane: Lane, seconds: float) -> None:
        """Send nothing to a receiver that asked for a pause; its work waits in the database."""
        end = self._loop.time() + seconds
        if lane.hold is not None:
            if lane.hold.when() >= end:
                return
            lane.hold.cancel()
        lane.hold = self._loop.call_at(end, self._hold_ended, lane)
        self.queues.shed(lane, 0)

    def _end_hold(self, lane: Lane) -> None:
        if lane.hold is not None:
            lane.hold.cancel()
            self._hold_ended(lane)

    def _hold_ended(self, lane: Lane) -> None:
        lane.hold = None
        lane.has_backlog = True
        self._start_workers(lane)

    # --- webhooks' configuration --------------------------------------------------------------

    def _load(self, lane: Lane) -> None:
        lane.loading = True
        self._targets.request(lane.webhook_id)

    def _target_read(self, webhook_id: str, target: Target | None) -> None:
        lane = self._lanes.get(webhook_id)
        if lane is None:
            return
        if target is None or target.status == DELETED:
            lane.loading = False
            self.queues.shed(lane, 0)
            if not lane.in_flight:
                self._lanes.drop(lane)
            return
        lane.template = self._attempter.template(target)
        if target.rate_limit is not None:
            self.queues.shed_without_turn(lane)
        edited = target.version > lane.version
        # A delivery's row and its webhook are read at different moments; the newer one wins.
        lane.version = target.version
        lane.loading = False
        if target.status != ACTIVE:
            self.queues.shed_cancelled(lane, target)
        if edited:
            self._end_hold(lane)  # another URL starts afresh
        self._start_workers(lane)

    def _target_unreadable(self, webhook_id: str) -> None:
        lane = self._lanes.get(webhook_id)
        if lane is not None:
            lane.loading = False
            self._hold(lane, UNREADABLE_WAIT)
            self.queues.update_room(lane)

    # --- the end ------------------------------------------------------------------------------

    async def close(self, patience: float) -> None:
        """Start no further attempt, and finish those in flight within `patience` seconds.

        Queued deliveries are handed to `queues.releaser`; its `close` waits for their release.
        """
        self._open = False
        self.queues.close()
        if self._workers:
            _, late = await asyncio.wait(set(self._workers), timeout=patience)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._targets.close()
