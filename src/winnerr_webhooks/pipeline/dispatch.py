"""Dispatch: every webhook has a lane, and no lane can slow another down."""

import asyncio
import itertools
from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.event import LeasedDelivery
from winnerr_webhooks.domain.webhook import ACTIVE, DELETED, Target
from winnerr_webhooks.pipeline.attempt import Attempter, Sender
from winnerr_webhooks.pipeline.lane import FIRST_WINDOW, QUEUE_PER_WINDOW, Lane
from winnerr_webhooks.pipeline.lease_releaser import LeaseReleaser
from winnerr_webhooks.pipeline.memory import MEMORY_BYTES, Memory
from winnerr_webhooks.pipeline.record import Recorder
from winnerr_webhooks.pipeline.targets import TargetReader
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import Claimed, LeaseTerms
from winnerr_webhooks.telemetry import Metrics

LEASE_SLACK: Final = 2.0
"""Seconds a lease must outlive the longest attempt by, for the settling to be in time."""
UNREADABLE_WAIT: Final = 30.0
"""Seconds until a webhook whose configuration cannot be used is tried again."""
MAX_LANES: Final = 10_000
"""Lanes kept although they are idle; beyond that the longest idle go."""

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
    ) -> None:
        self.lease_seconds = lease_seconds
        self.work_wanted = asyncio.Event()
        """Set when a lane has room for work that may wait in the database."""
        self.in_flight = 0
        self.queued = 0
        self.memory = Memory(MEMORY_BYTES, self._note_room)
        self._attempter = attempter
        self._recorder = recorder
        self._clock = clock
        self._concurrency = concurrency
        self._lease_needed = timeout + LEASE_SLACK
        self._lanes: dict[str, Lane] = {}
        self._full: set[str] = set()
        self._terms: LeaseTerms | None = None
        self._loop = asyncio.get_running_loop()
        self._targets = TargetReader(storage, self._loaded, self._unreadable)
        self.releaser = LeaseReleaser(storage, metrics, self.work_wanted.set)
        self._workers: set[asyncio.Task[None]] = set()
        self._open = True
        recorder.on_resume = self._pump_all

    # --- what comes in ------------------------------------------------------------------------

    def lease_terms(self) -> LeaseTerms | None:
        """How the deliveries of the next accept are born: None when nothing more fits here."""
        if not self._open or self._recorder.stalled or self.memory.full:
            return None
        if self._terms is None:
            self._terms = LeaseTerms(seconds=self.lease_seconds, full=frozenset(self._full))
        return self._terms

    def offer(self, delivery: LeasedDelivery) -> None:
        """Take on a delivery born leased to this node."""
        lane = self._lane(delivery)
        if not self._open or (self._fresh_room(lane) <= 0 and delivery.trigger != "test"):
            self.releaser.add(delivery)  # the batch it came with was larger than the lane's room
            self._note_room(lane)
            return
        lane.add_fresh(delivery)
        self._queued(lane, delivery)
        self._pump(lane)

    def take(self, claimed: Claimed, asked: Mapping[str, int]) -> None:
        """Take on claimed deliveries; `asked` is the `room` of that claim."""
        if claimed.next_due_in != 0.0:  # of lanes with room, all that was due came
            for webhook_id, places in asked.items():
                lane = self._lanes.get(webhook_id)
                if lane is not None and places:
                    lane.backlog = False
        lanes = {}
        for delivery in claimed.deliveries:
            if not self._open:
                self.releaser.add(delivery)
                continue
            lane = self._lane(delivery)
            if lane.held:  # the receiver asked for that while the claim was made
                lane.backlog = True
                self.releaser.add(delivery)
                continue
            lane.add_waiting(delivery)
            self._queued(lane, delivery)
            lanes[lane.webhook_id] = lane
        for lane in lanes.values():
            lane.backlog = lane.webhook_id in claimed.backlogged
            self._pump(lane)

    def room(self) -> dict[str, int]:
        """Room for claimed deliveries, of each lane where `default_room` is not the answer."""
        default, tight = self.default_room, self.memory.tight
        found = {}
        for lane in self._lanes.values():
            places = 0 if lane.share.spent else lane.idle_room if tight else lane.waiting_room
            if places < default or lane.backlog or lane.slow:
                found[lane.webhook_id] = max(places, 0)
        return found

    def _fresh_room(self, lane: Lane) -> int:
        if lane.share.spent:
            return 0
        return lane.idle_room if self.memory.tight else lane.fresh_room

    @property
    def default_room(self) -> int:
        """Room of a lane that does not exist yet."""
        window = min(FIRST_WINDOW, self._concurrency)
        return window if self.memory.tight else QUEUE_PER_WINDOW * window

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
        return self._open and not self._recorder.stalled and self.memory.free > 0

    def webhooks_changed(self, webhook_ids: Iterable[str]) -> None:
        """Read these webhooks anew before their next attempt."""
        for webhook_id in webhook_ids:
            lane = self._lanes.get(webhook_id)
            if lane is not None:
                lane.sender = None
                if lane.queued or lane.loading or lane.hold is not None:
                    self._load(lane)

    def try_now(self, webhook_id: str) -> None:
        """Somebody asked for an attempt himself: do not let him wait for a held lane."""
        lane = self._lanes.get(webhook_id)
        if lane is not None:
            self._end_hold(lane)

    # --- what goes out ------------------------------------------------------------------------

    def _pump(self, lane: Lane) -> None:
        """Set workers on a lane while it has work and its window is open."""
        while lane.in_flight < lane.window and (started := self._next(lane)) is not None:
            task = self._loop.create_task(self._work(lane, *started))
            self._workers.add(task)
            task.add_done_callback(self._workers.discard)
        self._note_room(lane)

    def _next(self, lane: Lane) -> tuple[Sender, LeasedDelivery] | None:
        """Begin on the lane's next delivery that can be sent; None: there is none now."""
        if not self._open or self._recorder.stalled or lane.loading or lane.hold is not None:
            return None
        while lane.queued:
            delivery = lane.pop()
            self.queued -= 1
            if delivery.expires - self._clock.monotonic() < self._lease_needed:
                self._give_back(lane, delivery)
                continue
            lane.version = max(lane.version, delivery.webhook_version)
            sender = lane.sender
            if sender is None or sender.target.version < lane.version:
                lane.add_waiting(delivery)
                self.queued += 1
                self._load(lane)
                return None
            if sender.target.status != ACTIVE and not _allowed_anyway(delivery, sender.target):
                self._give_back(lane, delivery)
                continue
            delivery.webhook_version = sender.target.version  # what its answer will be about
            lane.in_flight += 1
            self.in_flight += 1
            return sender, delivery
        return None

    async def _work(self, lane: Lane, sender: Sender, delivery: LeasedDelivery) -> None:
        """One attempt after another, as long as the lane's window lets this worker go on."""
        while True:
            try:
                await self._attempt(lane, sender, delivery)
            finally:
                lane.in_flight -= 1
                self.in_flight -= 1
                self.memory.release(lane.share, len(delivery.body))
                delivery.body = b""  # its settlement may wait long for the database
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
        except Exception:
            # A fault of ours: the lease runs out, and after five such the delivery fails.
            log.exception("attempt crashed", delivery=delivery.id, webhook=lane.webhook_id)
            self._congested(lane)
            return
        lane.took(settlement.record.exchange.duration_ms)
        if lane.queued > 2 * lane.capacity and lane.wide:  # it is not as quick as it was
            self._shed(lane, lane.capacity)
        verdict = settlement.verdict
        if verdict.error_kind is None:
            lane.succeeded()
        elif verdict.congested:
            self._congested(lane)
        if verdict.hold_lane:
            self._hold(lane, verdict.hold_lane)

    def _congested(self, lane: Lane) -> None:
        lane.congested()
        if lane.slow:  # it may be long until its queue's turn comes
            self._shed(lane, 0 if self.memory.tight else lane.capacity)

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
        self.work_wanted.set()

    def _pump_all(self) -> None:
        for lane in list(self._lanes.values()):
            if lane.queued:
                self._pump(lane)
        self.work_wanted.set()

    # --- webhooks' configuration --------------------------------------------------------------

    def _load(self, lane: Lane) -> None:
        lane.loading = True
        self._targets.ask(lane.webhook_id)

    def _loaded(self, webhook_id: str, target: Target | None) -> None:
        lane = self._lanes.get(webhook_id)
        if lane is None:
            return
        if target is None or target.status == DELETED:
            lane.loading = False
            self._shed(lane, 0)
            if not lane.in_flight:
                self._drop(lane)
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
            self._give_back(lane, delivery)
            lane.backlog = True

    def _shed_cancelled(self, lane: Lane, target: Target) -> None:
        """Give back what was cancelled with the webhook, and keep its tests.

        Whoever resumes it must not find that here, beside the replays that he may have asked for.
        """
        for delivery in lane.shed(0):
            if _allowed_anyway(delivery, target):
                lane.add_waiting(delivery)
                continue
            self.queued -= 1
            self._give_back(lane, delivery)

    def _give_back(self, lane: Lane, delivery: LeasedDelivery) -> None:
        self.memory.release(lane.share, len(delivery.body))
        self.releaser.add(delivery)

    # --- bookkeeping --------------------------------------------------------------------------

    def _lane(self, delivery: LeasedDelivery) -> Lane:
        lane = self._lanes.get(delivery.webhook_id)
        if lane is None:
            share = self.memory.join(delivery.organization)
            lane = Lane(delivery.webhook_id, self._concurrency, share)
            self._lanes[delivery.webhook_id] = lane
        return lane

    def _queued(self, lane: Lane, delivery: LeasedDelivery) -> None:
        self.queued += 1
        self.memory.take(lane.share, len(delivery.body))

    def _note_room(self, lane: Lane) -> None:
        """Keep `_full` true, and ask for work when a lane with a backlog has room again."""
        if self._fresh_room(lane) <= 0:
            if lane.webhook_id not in self._full:
                self._full.add(lane.webhook_id)
                self._terms = None
        elif lane.webhook_id in self._full:
            self._full.discard(lane.webhook_id)
            self._terms = None
            lane.backlog = True  # what found no room here waits in the database
        if lane.backlog and lane.queued * 2 <= lane.capacity and not lane.share.spent:
            self.work_wanted.set()

    def _drop(self, lane: Lane) -> None:
        self._lanes.pop(lane.webhook_id, None)
        self.memory.leave(lane)
        if lane.webhook_id in self._full:
            self._full.discard(lane.webhook_id)
            self._terms = None

    def forget_idle_lanes(self) -> None:
        """Drop the longest idle lanes beyond MAX_LANES."""
        surplus = len(self._lanes) - MAX_LANES
        if surplus > 0:
            idle = [x for x in self._lanes.values() if x.idle]
            idle.sort(key=lambda lane: lane.idle_since)
            for lane in itertools.islice(idle, surplus):
                self._drop(lane)

    async def close(self, patience: float) -> None:
        """Start nothing more, and finish what is under way within `patience` seconds.

        What is queued is handed to `releaser`; its `close` waits for that.
        """
        self._open = False
        self._terms = None
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
