"""Settler: stores batches of attempts, and tries again while the database is away or slow."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from winnerr_webhooks.domain.errors import TimedOut, Unavailable
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.pipeline.batcher import cut
from winnerr_webhooks.storage.road_port import Road
from winnerr_webhooks.storage.road_values import Settled, Settlement

FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 2.0
"""Seconds until the next try; the wait doubles from the first to the longest."""
TRIES: Final = 3
"""How often storing one attempt alone may time out while others are stored; then it is set
aside."""
SLOW: Final = 6
"""Timeouts without one success between them that tell a slow database from a single attempt that is
too much: one more than it takes to cut a batch down to that attempt, with some room."""

log = structlog.get_logger(__name__)


class Settler:
    """Settles one batch after another.

    `on_pause` is called before each wait, with the error, and whether the database is `away` or
    only too slow.
    """

    def __init__(
        self, storage: Road, jitter: Jitter, on_pause: Callable[[Unavailable, bool], None]
    ) -> None:
        self._storage = storage
        self._jitter = jitter
        self._on_pause = on_pause
        self._loop = asyncio.get_running_loop()
        self._suspects: dict[str, tuple[int, int]] = {}
        """Attempts that timed out alone: how often that counted, and `_stored` at the last time."""
        self._stored = 0
        """Attempts stored so far."""
        self._timeouts = 0
        """Timeouts since the last success."""
        self._ends = float("inf")
        """The loop's time at which trying ends, because the node stops."""

    def end_at(self, time: float) -> None:
        """Try nothing again after this loop time."""
        self._ends = time

    async def settle(self, batch: list[Settlement]) -> tuple[Settled, list[Settlement]]:
        """Settle a batch, in smaller parts when the whole cannot be stored in time.

        Returns what was stored, and the attempts that timed out alone. Those belong into the next
        batch; one is set aside once that has happened TRIES times while other attempts were stored.
        While nothing at all can be stored, everything is kept and tried again. Raises `Unavailable`
        when the node stops before the next try.
        """
        if self._suspects and all(item.record.id in self._suspects for item in batch):
            await self._wait(LONGEST_WAIT)  # nothing else waits to be stored
        parts = deque(self._parts(batch))
        stored: list[Settled] = []
        kept: list[Settlement] = []
        wait = FIRST_WAIT
        while parts:
            part = parts.popleft()
            try:
                stored.append(await self._storage.settle(part))
            except TimedOut as error:
                self._timeouts += 1
                if self._timeouts <= SLOW:
                    if len(part) > 1:
                        parts.extendleft(reversed(cut(part)))
                    elif not self._gives_up(part[0], error):
                        kept.append(part[0])
                    continue
                parts.append(part)
                self._on_pause(error, False)
            except Unavailable as error:
                parts.appendleft(part)
                self._on_pause(error, True)
            else:
                self._note_stored(part)
                wait = FIRST_WAIT
                continue
            await self._wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)
        return Settled.merge(stored), kept

    def _parts(self, batch: list[Settlement]) -> list[list[Settlement]]:
        """Attempts that timed out alone before stay alone, and come last."""
        if not self._suspects:
            return [batch]
        suspects = [[item] for item in batch if item.record.id in self._suspects]
        others = [item for item in batch if item.record.id not in self._suspects]
        return [others, *suspects] if others else suspects

    def _note_stored(self, part: list[Settlement]) -> None:
        self._stored += len(part)
        self._timeouts = 0
        if self._suspects:
            for item in part:
                self._suspects.pop(item.record.id, None)

    def _gives_up(self, item: Settlement, error: TimedOut) -> bool:
        """Note that an attempt timed out alone; return whether to give it up."""
        tries, stored = self._suspects.get(item.record.id, (0, -1))
        if self._stored > stored:
            tries += 1
        self._suspects[item.record.id] = tries, self._stored
        if tries < TRIES:
            return False
        del self._suspects[item.record.id]
        _set_aside(item, error)
        return True

    async def _wait(self, seconds: float) -> None:
        """Wait before the next try; `Unavailable` when the node stops before that."""
        seconds = self._jitter.around(seconds)
        if self._loop.time() + seconds > self._ends:
            raise Unavailable("The node stops.")
        await asyncio.sleep(seconds)


def _set_aside(settlement: Settlement, error: TimedOut) -> None:
    """Leave an attempt out of the log. Its lease expires, and the delivery is attempted again."""
    delivery = settlement.delivery
    log.error(
        "an attempt cannot be recorded in time and is set aside",
        attempt=settlement.record.id,
        delivery=delivery.id,
        webhook=delivery.webhook_id,
        organization=delivery.organization,
        reason=error.detail,
    )
