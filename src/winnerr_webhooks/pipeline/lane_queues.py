"""Lane queues: the deliveries queued in a node's lanes, and the memory their bodies take.

A delivery comes from a commit (`add_accepted`) or a claim (`add_claimed`). The dispatcher takes it
for an attempt, or its lease is released, and then any node may claim it (`release`, `shed`).
"""

from collections.abc import Callable, Iterable

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.webhook import DELETED, Target
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.backlog import Backlog
from winnerr_webhooks.pipeline.lane import Lane
from winnerr_webhooks.pipeline.lanes import Lanes
from winnerr_webhooks.pipeline.lease_releaser import LeaseReleaser
from winnerr_webhooks.pipeline.order_queue import OrderQueue
from winnerr_webhooks.pipeline.turn_queue import TurnQueue
from winnerr_webhooks.quotas import Budget
from winnerr_webhooks.storage.road_port import Road


class LaneQueues:
    """All queued deliveries of a node, by lane."""

    def __init__(
        self,
        storage: Road,
        metrics: Metrics,
        memory: Budget,
        *,
        clock: Clock,
        concurrency: int,
        lease_seconds: float,
        on_turn: Callable[[Lane, LeasedDelivery], None],
    ) -> None:
        self.memory = memory
        """For bodies, those in flight included."""
        self.lanes = Lanes(
            memory, self.update_room, concurrency=concurrency, lease_seconds=lease_seconds
        )
        self.backlog = Backlog(
            self.lanes, memory, concurrency=concurrency, lease_seconds=lease_seconds
        )
        self.releaser = LeaseReleaser(storage, metrics, self.backlog.request_poll)
        self.turns = TurnQueue(clock, on_turn)
        self._orders = OrderQueue()

    @property
    def queued(self) -> int:
        """Deliveries queued, those in flight not counted."""
        return sum(lane.queued for lane in self.lanes.values())

    def add_accepted(self, deliveries: Iterable[LeasedDelivery]) -> Iterable[Lane]:
        """Queue deliveries that were just accepted; return their lanes.

        A delivery whose lane has no room is released: the commit was larger than the room.
        """
        lanes: dict[Lane, None] = {}
        for delivery in deliveries:
            lane = self.lanes.of(delivery)
            lanes[lane] = None
            if self.backlog.allows_another(lane) or delivery.trigger == "test":
                lane.add_fresh(delivery)
                lane.owner.memory.add(len(delivery.body))
            else:
                self.releaser.add(delivery)
        return lanes

    def add_claimed(self, delivery: LeasedDelivery) -> None:
        """Queue a delivery that was claimed, unless its receiver asked for a pause meanwhile."""
        lane = self.lanes.of(delivery)
        if lane.hold is not None:
            self.releaser.add(delivery)
            return
        lane.owner.memory.add(len(delivery.body))
        if delivery.order_key is None or self._orders.is_first(delivery):
            self._queue(lane, delivery)
        else:
            lane.behind += 1

    def _queue(self, lane: Lane, delivery: LeasedDelivery) -> None:
        if delivery.turn_at:
            self.turns.add(lane, delivery)
        else:
            lane.add_older(delivery)

    def queue_following(self, lane: Lane, delivery: LeasedDelivery) -> None:
        """Queue the next delivery of an order, after this one has succeeded."""
        following = self._orders.next(delivery)
        if following is not None:
            lane.behind -= 1
            if lane.hold is None:
                self._queue(lane, following)
            else:
                self.release(lane, following)

    def release_following(self, lane: Lane, delivery: LeasedDelivery) -> None:
        """Release the deliveries of an order that wait behind this one, which was not delivered."""
        for one in self._orders.remove_following(delivery):
            lane.behind -= 1
            lane.owner.memory.release(len(one.body))
            self.releaser.add(one)

    def put_back(self, lane: Lane, delivery: LeasedDelivery) -> None:
        """Queue a delivery again that was taken for an attempt."""
        lane.add_older(delivery)

    def release(self, lane: Lane, delivery: LeasedDelivery) -> None:
        """Release the lease of a delivery that left its lane."""
        lane.owner.memory.release(len(delivery.body))
        self.releaser.add(delivery)
        if delivery.order_key is not None:
            self.release_following(lane, delivery)

    def shed(self, lane: Lane, keep: int) -> None:
        """Release all queued deliveries but `keep`; with 0 also those that wait for turns."""
        if not keep and lane.waiting_turns:
            self._shed_turns(lane)
        for delivery in lane.shed(keep):
            self.release(lane, delivery)
            lane.has_backlog = True

    def shed_without_turn(self, lane: Lane) -> None:
        """Release deliveries that were leased before their webhook had a rate limit."""
        for delivery in lane.shed(0):
            if delivery.turn_at:
                lane.add_older(delivery)
            else:
                self.release(lane, delivery)

    def shed_cancelled(self, lane: Lane, target: Target) -> None:
        """Release what was cancelled with the webhook, and keep its tests.

        A cancelled delivery must not be queued here when the webhook is resumed: it would be sent
        beside its replay.
        """
        self._shed_turns(lane)
        for delivery in lane.shed(0):
            if sent_while_inactive(delivery, target):
                lane.add_older(delivery)
            else:
                self.release(lane, delivery)

    def _shed_turns(self, lane: Lane) -> None:
        for delivery in self.turns.take_all(lane):
            self.release(lane, delivery)

    def update_room(self, lane: Lane) -> None:
        """Note whether a lane is full, and ask for more of its backlog when it is time."""
        full = self.backlog.fresh_allowance(lane) <= 0
        if full is not lane.full:
            (self.lanes.note_full if full else self.lanes.note_room)(lane)
        if lane.has_backlog and lane.needs_refill and self.backlog.claim_allowance(lane) > 0:
            self.backlog.add(lane)

    def close(self) -> None:
        """Release everything that is queued; `releaser.close` waits for that."""
        for delivery in self._orders.clear():
            lane = self.lanes.of(delivery)
            lane.behind -= 1
            lane.owner.memory.release(len(delivery.body))
            self.releaser.add(delivery)
        for lane in self.lanes.values():
            self.shed(lane, 0)
        self.releaser.hurry()


def sent_while_inactive(delivery: LeasedDelivery, target: Target) -> bool:
    """Whether a delivery is sent although its webhook is not active: tests are."""
    return delivery.test and target.status != DELETED
