"""A lane: one webhook's queue in memory, and its window of attempts in flight.

The window works like TCP's: it opens by one with every success and halves when the receiver is
slow, unreachable or overloaded. A hanging endpoint soon has one attempt in flight and a few
deliveries in memory. The rest of its work waits in the database and does not slow other lanes down.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.pipeline.request_template import RequestTemplate
from winnerr_webhooks.quotas import Budget, Usage

FIRST_WINDOW: Final = 4
"""Attempts in flight of a new lane, at most."""
QUEUE_PER_WINDOW: Final = 4
"""The queue's capacity in windows, unless the receiver is known to be quick."""
SHED_FROM: Final = 3
"""When a receiver becomes slower, its queue is shed if it is longer than this many capacities. A
commit may fill it to two capacities."""
QUEUE_MS: Final = 1_000.0
"""The queue of a quick receiver holds what the receiver takes in this many milliseconds. That work
then need not go through the database again (docs/adr/0009)."""
LONGEST_QUEUE: Final = 1_024
"""The largest capacity; a commit may add as much again. After a node is killed, this many
deliveries of a webhook wait until their leases expire."""
FRESH_TURNS: Final = 4
"""While older work waits, one in this many deliveries sent is older, and the same part of the queue
is kept for older work."""
MEASURED: Final = 16
"""The pace of a receiver is measured over this many attempts."""


class LaneOwner:
    """An organization with lanes on this node: the lanes, and what they use together."""

    __slots__ = (
        "_on_room_change",
        "in_flight",
        "lanes",
        "lanes_for_slot",
        "memory",
        "organization",
    )

    def __init__(
        self, organization: str, memory: Budget, on_room_change: Callable[["Lane"], None]
    ) -> None:
        self.organization = organization
        self.lanes: set[Lane] = set()
        self.memory: Usage = memory.track(organization, self._change_room)
        """What it holds of the memory for bodies, those in flight included."""
        self.in_flight = 0
        """Attempts in flight, over all its lanes."""
        self.lanes_for_slot: deque[Lane] = deque()
        """Lanes that wait for a slot for their next attempt, the next in turn first."""
        self._on_room_change = on_room_change

    def _change_room(self) -> None:
        for lane in self.lanes:
            self._on_room_change(lane)


class Lane:
    """The state of one webhook on this node; the dispatcher changes it."""

    __slots__ = (
        "_fresh",
        "_measured",
        "_ms",
        "_narrow",
        "_older",
        "_pace",
        "_turn",
        "_widest",
        "behind",
        "capacity",
        "full",
        "has_backlog",
        "hold",
        "idle_since",
        "in_flight",
        "loading",
        "owner",
        "queued",
        "template",
        "version",
        "waiting_turns",
        "waits_for_slot",
        "webhook_id",
        "window",
    )

    def __init__(self, webhook_id: str, widest: int, owner: LaneOwner) -> None:
        self.webhook_id = webhook_id
        self.owner = owner
        owner.lanes.add(self)
        self.template: RequestTemplate | None = None
        self.version = 0
        """The newest known version of the webhook; an older template is replaced before use."""
        self.loading = False
        self.window = min(FIRST_WINDOW, widest)
        self.in_flight = 0
        self.queued = 0
        """Deliveries queued here, those in flight not counted."""
        self.hold: asyncio.TimerHandle | None = None
        """Ends the pause that the receiver asked for. No attempt may start while it is set."""
        self.idle_since = 0.0
        self.has_backlog = False
        """Whether the database is known to have more due work of this lane."""
        self.full = False
        """Whether it has no room for accepted deliveries, as `Lanes` knows it."""
        self.behind = 0
        """Deliveries in the order queue, behind others of their order."""
        self.waiting_turns = 0
        """Deliveries in the turn queue, which has them until their turns come."""
        self.waits_for_slot = False
        """Whether it is in `owner.lanes_for_slot`."""
        self._widest = widest
        self._narrow = self.window
        self._fresh: deque[LeasedDelivery] = deque()
        self._older: deque[LeasedDelivery] = deque()
        self._turn = 0
        self._ms = 0.0
        self._measured = 0
        """Attempts since the pace was last measured; `_ms` is how long they took together."""
        self._pace = 0.0
        """Attempts per millisecond when they are made one after the other."""
        self.capacity = 0
        """Deliveries that may be queued here now."""
        self._set_window(self.window)

    @property
    def slow(self) -> bool:
        """Whether the receiver is slow or failing: its window is smaller than a new lane's."""
        return self.window < self._narrow

    @property
    def idle(self) -> bool:
        """Whether the lane can be dropped: it has no work and no hold."""
        return not (self.queued or self.in_flight or self.waiting_turns) and self.hold is None

    @property
    def fully_open(self) -> bool:
        """Whether the receiver keeps up: its window has grown to the largest size."""
        return self.window == self._widest and self.window > FIRST_WINDOW

    @property
    def seconds_to_room(self) -> float | None:
        """About how long until fresh work takes half of the queue's capacity or less.

        None if the receiver is not quick, or not yet known: its work may have to wait in the
        database in any case.
        """
        if not self._pace or not self.fully_open:
            return None
        excess = max(len(self._fresh) - self.capacity // 2, 0)
        return excess / (self.window * self._pace * 1_000)

    @property
    def fresh_room(self) -> int:
        """Room for deliveries just accepted; part of the queue is kept for older work."""
        if self.hold is not None:
            return 0
        if self.has_backlog:
            return self.capacity - self.capacity // FRESH_TURNS - len(self._fresh)
        return self.capacity - self.queued

    @property
    def accepts_another(self) -> bool:
        """Whether one more delivery of a commit is queued here, although the queue may be full.

        There was room when the commit began, so all its deliveries were leased. Releasing a lease
        and soon claiming the delivery again would cost more than a longer queue.
        """
        return self.hold is None and (self.queued < 2 * self.capacity or self.fresh_room > 0)

    @property
    def needs_refill(self) -> bool:
        """Whether to claim more of its backlog: the queue is half empty or has no older work."""
        return self.queued * 2 <= self.capacity or not self._older

    @property
    def claim_room(self) -> int:
        """Room for deliveries claimed from the database."""
        return 0 if self.hold is not None else self.capacity - self.queued - self.behind

    @property
    def attempt_room(self) -> int:
        """Room for deliveries that could be attempted at once."""
        return 0 if self.hold is not None else self.window - self.in_flight - self.queued

    def add_fresh(self, delivery: LeasedDelivery) -> None:
        """Queue a delivery just accepted."""
        self._fresh.append(delivery)
        self.queued += 1

    def add_older(self, delivery: LeasedDelivery) -> None:
        """Queue a claimed delivery, or one that was taken for an attempt and comes back."""
        self._older.append(delivery)
        self.queued += 1

    def pop(self) -> LeasedDelivery:
        """Take the next delivery. Fresh and older work take turns, so that neither starves.

        Fresh work gets more turns: older work must be claimed, which costs more when it is busy.
        """
        fresh, older = self._fresh, self._older
        self.queued -= 1
        if not older:
            return fresh.popleft()
        if not fresh:
            return older.popleft()
        self._turn = (self._turn + 1) % FRESH_TURNS
        return fresh.popleft() if self._turn else older.popleft()

    def shed(self, keep: int) -> list[LeasedDelivery]:
        """Remove the newest deliveries until `keep` are left, and return them."""
        taken = []
        while self.queued > keep:
            taken.append((self._fresh or self._older).pop())
            self.queued -= 1
        return taken

    def open_window(self) -> None:
        """Open the window by one."""
        if self.window < self._widest:
            self._set_window(self.window + 1)

    def halve_window(self) -> None:
        """Halve the window, down to one attempt at a time."""
        self._set_window(max(1, self.window // 2))

    def note_duration(self, ms: float) -> None:
        """Measure the pace: an attempt took this many milliseconds, whatever its result."""
        self._ms += ms
        self._measured += 1
        if self._measured == MEASURED:
            self._pace = MEASURED / max(self._ms, 1.0)
            self._ms, self._measured = 0.0, 0
            self._set_window(self.window)

    def _set_window(self, window: int) -> None:
        self.window = window
        self.capacity = QUEUE_PER_WINDOW * window
        if self.fully_open:
            taken = min(int(window * self._pace * QUEUE_MS), LONGEST_QUEUE)
            self.capacity = max(taken, self.capacity)
