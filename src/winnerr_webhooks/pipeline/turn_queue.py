"""Turn queue: claimed deliveries of webhooks with a rate limit, each until its turn.

A claim takes turns a little ahead of time (`storage.pacing`); each attempt begins at its turn.
"""

import asyncio
from bisect import insort
from collections.abc import Callable

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.pipeline.lane import Lane


class TurnQueue:
    """The deliveries that wait for their turn, by lane.

    `on_turn` is called with each lane whose first delivery has its turn, and that delivery.
    """

    def __init__(self, clock: Clock, on_turn: Callable[[Lane, LeasedDelivery], None]) -> None:
        self._clock = clock
        self._on_turn = on_turn
        self._queues: dict[Lane, list[LeasedDelivery]] = {}
        self._timers: dict[Lane, asyncio.TimerHandle] = {}

    def add(self, lane: Lane, delivery: LeasedDelivery) -> None:
        """Add a delivery with a turn."""
        queue = self._queues.setdefault(lane, [])
        insort(queue, delivery, key=_turn)
        lane.waiting_turns += 1
        if queue[0] is delivery or lane not in self._timers:
            self._set_timer(lane)

    def take_all(self, lane: Lane) -> list[LeasedDelivery]:
        """Remove all deliveries of a lane, and return them."""
        if lane in self._timers:
            self._timers.pop(lane).cancel()
        lane.waiting_turns = 0
        return list(self._queues.pop(lane, ()))

    def _set_timer(self, lane: Lane) -> None:
        if lane in self._timers:
            self._timers[lane].cancel()
        wait = self._queues[lane][0].turn_at - self._clock.monotonic()
        loop = asyncio.get_running_loop()
        self._timers[lane] = loop.call_later(max(wait, 0.0), self._turns_came, lane)

    def _turns_came(self, lane: Lane) -> None:
        queue, now = self._queues[lane], self._clock.monotonic()
        del self._timers[lane]
        while queue and queue[0].turn_at <= now:
            lane.waiting_turns -= 1
            self._on_turn(lane, queue.pop(0))
            if self._queues.get(lane) is not queue:
                return  # the lane was emptied meanwhile
        if queue:
            self._set_timer(lane)
        else:
            del self._queues[lane]


def _turn(delivery: LeasedDelivery) -> float:
    return delivery.turn_at
