"""Dispatch: every webhook has a lane, and no lane can slow another down."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import LocalShortage
from winnerr_webhooks.domain.webhook import ACTIVE, DELETED, Target
from winnerr_webhooks.pipeline.attempt import Attempter, Sender
from winnerr_webhooks.pipeline.attempt_places import SHORTAGE_SECONDS, AttemptPlaces
from winnerr_webhooks.pipeline.backlog import Backlog
from winnerr_webhooks.pipeline.lane import SHED_FROM, Lane
from winnerr_webhooks.pipeline.lanes import Lanes
from winnerr_webhooks.pipeline.lease_releaser import LeaseReleaser
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.pipeline.record import Recorder
from winnerr_webhooks.pipeline.target_reader import TargetReader
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import Claim, Claimed, LeaseTerms
from winnerr_webhooks.telemetry import Metrics

LEASE_SLACK: Final = 2.0
"""Seconds a lease must outlive the longest attempt by, for the settling to be in time."""
UNREADABLE_WAIT: Final = 30.0
"""Seconds until a webhook whose configuration cannot be used is tried again."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """Holds the lanes of a node and starts their attempts."""

    def __init__(
        self,
        storage: Storage,
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
        self.queued = 0
        self._memory = budgets.queued_bytes
        self._attempter = attempter
        self._recorder = recorder
        self._clock = clock
        self._lease_needed = timeout + LEASE_SLACK
        self._lanes = Lanes(
            self._memory,
            self._note_room,
            concurrency=concurrency,
            lease_seconds=lease_seconds,
        )
        self._places = AttemptPlaces(budgets.attempts, metrics, clock)
        self._recovery: asyncio.TimerHandle | None = None
        self.backlog = Backlog(
            self._lanes, self._memory, concurrency=concurrency, lease_seconds=lease_seconds
        )
        self._loop = asyncio.get_running_loop()
        self._targets = TargetReader(storage, self._loaded, self._unreadable)
        self.releaser = LeaseReleaser(storage, metrics, self.backlog.look)
        self._workers: set[asyncio.Task[None]] = set()
        self._open = True
        signals.recording_resumed.connect(self._pump_all)
        signals.webhooks_changed.connect(self.webhooks_changed)
        signals.attempt_requested.connect(self.try_now)

    # --- what comes in ------------------------------------------------------------------------

    def lease_terms(self) -> LeaseTerms | None:
        """How the deliveries of the next accept are born: None when nothing more fits here."""
        if not self._open or self._recorder.stalled or self._memory.exhausted:
            return None
        return self._lanes.terms()

    def offer(self, delivery: LeasedDelivery) -> None:
        """Take on a delivery born leased to this node."""
        lane = self._lanes.of(delivery)
        if not self._open or not (self.backlog.takes_on(lane) or delivery.trigger == "test"):
            self.releaser.add(delivery)  # the batch it came with was larger than the lane's room
            self._note_room(lane)
            return
        lane.add_fresh(delivery)
        self._queued(lane, delivery)
        self._pump(lane)

    def take(self, claimed: Claimed, claim: Claim) -> None:
        """Take on what this claim has brought."""
        for delivery in claimed.deliveries:
            if not self._open:
                self.releaser.add(delivery)
                continue
            lane = self._lanes.of(delivery)
            if lane.held:  # the receiver asked for that while the claim was made
                self.releaser.add(delivery)
                continue
            lane.add_waiting(delivery)
            self._queued(lane, delivery)
        for webhook_id in claim.places:
            lane_ = self._lanes.get(webhook_id)
            if lane_ is not None:
                lane_.backlog = lane_.held or webhook_id in claimed.backlogged
                self._pump(lane_)

    @property
    def in_flight(self) -> int:
        """Attempts in flight on this node."""
        return self._places.in_flight

    @property
    def lanes(self) -> int:
        """Lanes on this node."""
        return len(self._lanes)

    @property
    def webhooks(self) -> list[str]:
        """Those that have lanes."""
        return list(self._lanes)

    @property
    def claims(self) -> bool:
        """Whether claimed deliveries could be attempted now."""
        return self._open and not self._recorder.stalled and self._memory.free > 0

    def webhooks_changed(self, webhook_ids: Iterable[str]) -> None:
        """Read these webhooks anew before their next attempt."""
        for webhook_id in webhook_ids:
            lane = self._lanes.get(webhook_id)
            if lane is not None:
                lane.sender = None
                if lane.queued or lane.loading or lane.hold is not None:
                    self._load(lane)

    def try_now(self, webhook_id: str) -> None:
        """Somebody asked for an attempt: do not let them wait for a held lane."""
        lane = self._lanes.get(webhook_id)
        if lane is not None:
            self._end_hold(lane)

    # --- what goes out ------------------------------------------------------------------------

    def _pump(self, lane: Lane) -> None:
        """Set workers on a lane while it has work and its window is open."""
        while lane.in_flight < lane.window and (started := self._next(lane)) is not None:
            self._set_on(lane, *started)
        self._note_room(lane)

    def _set_on(self, lane: Lane, sender: Sender, delivery: LeasedDelivery) -> None:
        task = self._loop.create_task(self._work(lane, sender, delivery))
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)

    def _next(self, lane: Lane, *, in_turn: bool = False) -> tuple[Sender, LeasedDelivery] | None:
        """Begin on the lane's next delivery that can be sent; None: there is none now.

        `in_turn`: it has waited for its place.
        """
        if not self._open or self._recorder.stalled or lane.loading or lane.hold is not None:
            return None
        places = self._places
        while lane.queued:
            if places.in_flight >= places.scarce_from and not in_turn and not places.admits(lane):
                return None
            delivery = lane.pop()
            self.queued -= 1
            if delivery.expires - self._clock.monotonic() < self._lease_needed:
                self._release_lease(lane, delivery)
                continue
            lane.version = max(lane.version, delivery.webhook_version)
            sender = lane.sender
            if sender is None or sender.target.version < lane.version:
                lane.add_waiting(delivery)
                self.queued += 1
                self._load(lane)
                return None
            if sender.target.status != ACTIVE and not _allowed_anyway(delivery, sender.target):
                self._release_lease(lane, delivery)
                continue
            delivery.webhook_version = sender.target.version  # what its answer will be about
            lane.in_flight += 1
            lane.owner.in_flight += 1
            places.in_flight += 1
            return sender, delivery
        return None

    async def _work(self, lane: Lane, sender: Sender, delivery: LeasedDelivery) -> None:
        """One attempt after another, as long as the lane's window lets this worker go on."""
        places, owner = self._places, lane.owner
        while True:
            lack = None
            try:
                await self._attempt(lane, sender, delivery)
            except LocalShortage as shortage:
                lack = shortage.code
            finally:
                lane.in_flight -= 1
                owner.in_flight -= 1
                places.in_flight -= 1
                owner.quota.release(len(delivery.body))
                delivery.body = b""  # its settlement may wait long for the database
            if lack is not None:
                self._ran_short(lane, delivery, lack)
            if places.waiting:
                self._take_turns(lane)
                break
            if lane.in_flight >= lane.window or (started := self._next(lane)) is None:
                break
            sender, delivery = started
            if lane.in_flight < lane.window and lane.queued:
                self._pump(lane)  # the window has opened: there is work for one more
            else:
                self._note_room(lane)
        if not lane.queued and not lane.in_flight:
            lane.idle_since = self._clock.monotonic()
        self._note_room(lane)

    async def _attempt(self, lane: Lane, sender: Sender, delivery: LeasedDelivery) -> None:
        try:
            settlement = await self._attempter.attempt(sender, delivery)
            self._recorder.record(settlement)
        except LocalShortage:
            raise
        except Exception:
            # A fault of ours: the lease runs out, and after five such the delivery fails.
            log.exception("attempt crashed", delivery=delivery.id, webhook=lane.webhook_id)
            self._congested(lane)
            return
        lane.took(settlement.record.exchange.duration_ms)
        if lane.queued > SHED_FROM * lane.capacity and lane.wide:  # it is not as quick as it was
            self._shed(lane, lane.capacity)
        verdict = settlement.verdict
        if verdict.error_kind is None:
            lane.succeeded()
        elif verdict.congested:
            self._congested(lane)
        if verdict.hold_lane:
            self._hold(lane, verdict.hold_lane)

    def _take_turns(self, lane: Lane) -> None:
        """An attempt of this lane has ended while others wait for its place."""
        if lane.queued and lane.in_flight < lane.window:
            self._places.wait(lane)
        self._pump_in_turn()

    def _pump_in_turn(self) -> None:
        """Set workers on the lanes whose turn it is, as far as there are places."""
        while (lane := self._places.next_in_turn()) is not None:
            if lane.in_flight >= lane.window:
                continue  # when one of its attempts ends, it is asked again
            if (started := self._next(lane, in_turn=True)) is not None:
                self._set_on(lane, *started)
                if lane.queued and lane.in_flight < lane.window:
                    self._places.wait(lane)
                self._note_room(lane)

    def _ran_short(self, lane: Lane, delivery: LeasedDelivery, lack: str) -> None:
        """Nothing was sent, because this machine lacks something: release it to be tried later."""
        lane.backlog = True
        if self._places.ran_short(lack):
            self._hold(lane, SHORTAGE_SECONDS)
        elif self._recovery is None:
            self._recovery = self._loop.call_later(SHORTAGE_SECONDS, self._recover)
        self.releaser.add(delivery)

    def _recover(self) -> None:
        self._recovery = None
        self._places.recover()
        self._pump_in_turn()

    def _congested(self, lane: Lane) -> None:
        lane.congested()
        if lane.slow:  # it may be long until its queue's turn comes
            self._shed(lane, 0 if self._memory.under_pressure else lane.capacity)

    def _hold(self, lane: Lane, seconds: float) -> None:
        """Keep away from a receiver that asked for it; its work waits in the database."""
        end = self._loop.time() + seconds
        if lane.hold is not None:
            if lane.hold.when() >= end:
                return
            lane.hold.cancel()
        lane.hold = self._loop.call_at(end, self._release, lane)
        self._shed(lane, 0)

    def _end_hold(self, lane: Lane) -> None:
        if lane.hold is not None:
            lane.hold.cancel()
            self._release(lane)

    def _release(self, lane: Lane) -> None:
        lane.hold = None
        lane.backlog = True
        self._pump(lane)

    def _pump_all(self) -> None:
        for lane in list(self._lanes.values()):
            if lane.queued:
                self._pump(lane)
        self.backlog.look()

    # --- webhooks' configuration --------------------------------------------------------------

    def _load(self, lane: Lane) -> None:
        lane.loading = True
        self._targets.request(lane.webhook_id)

    def _loaded(self, webhook_id: str, target: Target | None) -> None:
        lane = self._lanes.get(webhook_id)
        if lane is None:
            return
        if target is None or target.status == DELETED:
            lane.loading = False
            self._shed(lane, 0)
            if not lane.in_flight:
                self._lanes.drop(lane)
            return
        lane.sender = self._attempter.sender(target)
        edited = target.version > lane.version
        # A delivery's row and its webhook are read at different moments; the newer one wins.
        lane.version = target.version
        lane.loading = False
        if target.status != ACTIVE:
            self._shed_cancelled(lane, target)
        if edited:
            self._end_hold(lane)  # another URL deserves a fresh start
        self._pump(lane)

    def _unreadable(self, webhook_id: str) -> None:
        lane = self._lanes.get(webhook_id)
        if lane is not None:
            lane.loading = False
            self._hold(lane, UNREADABLE_WAIT)
            self._note_room(lane)

    # --- what goes back -----------------------------------------------------------------------

    def _shed(self, lane: Lane, keep: int) -> None:
        """Give back what a lane has queued beyond `keep`."""
        for delivery in lane.shed(keep):
            self.queued -= 1
            self._release_lease(lane, delivery)
            lane.backlog = True

    def _shed_cancelled(self, lane: Lane, target: Target) -> None:
        """Give back what was cancelled with the webhook, and keep its tests.

        It must not be here when the webhook is resumed, beside the replays asked for with that.
        """
        for delivery in lane.shed(0):
            if _allowed_anyway(delivery, target):
                lane.add_waiting(delivery)
                continue
            self.queued -= 1
            self._release_lease(lane, delivery)

    def _release_lease(self, lane: Lane, delivery: LeasedDelivery) -> None:
        lane.owner.quota.release(len(delivery.body))
        self.releaser.add(delivery)

    # --- bookkeeping --------------------------------------------------------------------------

    def _queued(self, lane: Lane, delivery: LeasedDelivery) -> None:
        self.queued += 1
        lane.owner.quota.add(len(delivery.body))

    def _note_room(self, lane: Lane) -> None:
        """Note whether a lane is full, and ask for more of its backlog when it is time."""
        if self.backlog.fresh_room(lane) <= 0:
            self._lanes.note_full(lane)
        else:
            self._lanes.note_room(lane)
        if lane.backlog and lane.wants_more and self.backlog.room(lane) > 0:
            self.backlog.add(lane)

    def forget_idle_lanes(self) -> None:
        """Drop the longest idle of very many lanes."""
        self._lanes.drop_idle()

    async def close(self, patience: float) -> None:
        """Start nothing more, and finish what is under way within `patience` seconds.

        What is queued is handed to `releaser`; its `close` waits for that.
        """
        self._open = False
        for lane in self._lanes.values():
            self._shed(lane, 0)
        self.releaser.hurry()
        if self._workers:
            _, late = await asyncio.wait(set(self._workers), timeout=patience)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._targets.close()


def _allowed_anyway(delivery: LeasedDelivery, target: Target) -> bool:
    return delivery.test and target.status != DELETED
