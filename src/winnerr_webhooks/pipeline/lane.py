"""A lane: one webhook's queue in memory, and the window of attempts it may have under way.

The window works like TCP's: it opens by one with every success and halves when the receiver is
slow, unreachable or overloaded. A hanging endpoint soon has one attempt under way and a few
deliveries in memory; the rest of its work waits in the database and costs nobody anything.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.pipeline.attempter import RequestTemplate
from winnerr_webhooks.quotas import Budget, Quota

FIRST_WINDOW: Final = 4
QUEUE_PER_WINDOW: Final = 4
SHED_FROM: Final = 3
"""Times the capacity: from there on a queue is shed when its receiver has become slower. A commit
may fill it to twice that."""
QUEUE_MS: Final = 1_000.0
"""Where the receiver keeps up, the queue holds what it takes in so many milliseconds: that need
not go through the database once more (docs/adr/0009)."""
LONGEST_QUEUE: Final = 1_024
"""A commit may add as much again. Of a node that is killed, so much of a webhook waits for its
leases to run out."""
FRESH_TURNS: Final = 4
"""While older work waits, one in so many deliveries sent is of it, and such a part of the queue."""
MEASURED: Final = 16
"""Attempts by whose time the queue is measured, again and again."""


class LaneOwner:
    """An organization with lanes on this node: the lanes, and what they use together."""

    __slots__ = ("_on_room_change", "in_flight", "lanes", "organization", "quota", "waiting")

    def __init__(
        self, organization: str, memory: Budget, on_room_change: Callable[["Lane"], None]
    ) -> None:
        self.organization = organization
        self.lanes: set[Lane] = set()
        self.quota: Quota = memory.open_quota(organization, self._change_room)
        """Of the memory for bodies, those in flight included."""
        self.in_flight = 0
        """Attempts in flight, over all its lanes."""
        self.waiting: deque[Lane] = deque()
        """Lanes that wait for a slot for their next attempt, the next in turn first."""
        self._on_room_change = on_room_change

    def _change_room(self) -> None:
        for lane in self.lanes:
            self._on_room_change(lane)


class Lane:
    """State of one webhook on this node; the dispatcher moves it."""

    __slots__ = (
        "_fresh",
        "_measured",
        "_ms",
        "_narrow",
        "_pace",
        "_turn",
        "_waiting",
        "_widest",
        "backlog",
        "capacity",
        "full",
        "hold",
        "idle_since",
        "in_flight",
        "loading",
        "owner",
        "queued",
        "template",
        "version",
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
        """The newest version of the webhook heard of; a template of an older one is read again."""
        self.loading = False
        self.window = min(FIRST_WINDOW, widest)
        self.in_flight = 0
        self.queued = 0
        """Deliveries queued here, those under way not counted."""
        self.hold: asyncio.TimerHandle | None = None
        """Runs while the receiver is not to be called."""
        self.idle_since = 0.0
        self.backlog = False
        """Whether due work of this lane is known to be left in the database."""
        self.full = False
        """Whether it has no room for accepted deliveries, as `Lanes` knows it."""
        self.waits_for_slot = False
        """Whether it stands among `owner.waiting`."""
        self._widest = widest
        self._narrow = self.window
        self._fresh: deque[LeasedDelivery] = deque()
        self._waiting: deque[LeasedDelivery] = deque()
        self._turn = 0
        self._ms = 0.0
        self._measured = 0
        """Attempts since the pace was measured, and how many milliseconds they took in all."""
        self._pace = 0.0
        """Attempts a millisecond, one after the other."""
        self.capacity = 0
        """How many deliveries may be queued here now."""
        self._set_window(self.window)

    @property
    def held(self) -> bool:
        """Whether the receiver is not to be called for a while."""
        return self.hold is not None

    @property
    def slow(self) -> bool:
        """Whether the receiver was too slow or failing of late: its window is below the first."""
        return self.window < self._narrow

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost with this lane."""
        return not self.queued and not self.in_flight and self.hold is None

    @property
    def wide(self) -> bool:
        """Whether the receiver keeps up: its window is as open as it gets, and has opened."""
        return self.window == self._widest and self.window > FIRST_WINDOW

    @property
    def fresh_room(self) -> int:
        """Room for deliveries just accepted, less what is kept for older work while that waits."""
        if self.hold is not None:
            return 0
        if self.backlog:
            return self.capacity - self.capacity // FRESH_TURNS - len(self._fresh)
        return self.capacity - self.queued

    @property
    def accepts_another(self) -> bool:
        """Whether one more delivery of a commit is queued here.

        All of them were leased, because there was room when the commit began. To release a lease
        and soon claim the delivery again would cost more than a longer queue.
        """
        return self.hold is None and (self.queued < 2 * self.capacity or self.fresh_room > 0)

    @property
    def needs_refill(self) -> bool:
        """Whether it is time to claim of its backlog: half is done, or only fresh is queued."""
        return self.queued * 2 <= self.capacity or not self._waiting

    @property
    def claim_room(self) -> int:
        """Room for deliveries claimed from the database."""
        return 0 if self.held else self.capacity - self.queued

    @property
    def attempt_room(self) -> int:
        """Room for deliveries that could be attempted at once."""
        return 0 if self.held else self.window - self.in_flight - self.queued

    def add_fresh(self, delivery: LeasedDelivery) -> None:
        """Queue a delivery just accepted."""
        self._fresh.append(delivery)
        self.queued += 1

    def add_waiting(self, delivery: LeasedDelivery) -> None:
        """Queue a delivery that was claimed."""
        self._waiting.append(delivery)
        self.queued += 1

    def pop(self) -> LeasedDelivery:
        """The next delivery: fresh and waiting work take turns, so that neither starves.

        Fresh work has more of them: what is claimed costs more, and that in the busiest time.
        """
        fresh, waiting = self._fresh, self._waiting
        self.queued -= 1
        if not waiting:
            return fresh.popleft()
        if not fresh:
            return waiting.popleft()
        self._turn = (self._turn + 1) % FRESH_TURNS
        return fresh.popleft() if self._turn else waiting.popleft()

    def shed(self, keep: int) -> list[LeasedDelivery]:
        """Take the newest from the queue until so many are left; what was taken."""
        taken = []
        while self.queued > keep:
            taken.append((self._fresh or self._waiting).pop())
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
        """An attempt took so many milliseconds, however it ended."""
        self._ms += ms
        self._measured += 1
        if self._measured == MEASURED:
            self._pace = MEASURED / max(self._ms, 1.0)
            self._ms, self._measured = 0.0, 0
            self._set_window(self.window)

    def _set_window(self, window: int) -> None:
        self.window = window
        self.capacity = QUEUE_PER_WINDOW * window
        if self.wide:
            taken = min(int(window * self._pace * QUEUE_MS), LONGEST_QUEUE)
            self.capacity = max(taken, self.capacity)
