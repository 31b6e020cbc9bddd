"""Fan-outs: how many rows an event makes, as far as that is known, and what they cost.

An event makes one row and one for each webhook that wants it. The answers to what was stored tell
that for free; the database is asked only before a commit that might be too large.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.pipeline.fair_queue import Cost
from winnerr_webhooks.storage.port import Storage

FRESH_SECONDS: Final = 1.0
"""How long a number counts as known for sure."""
MOST: Final = 10_000
"""Numbers that are remembered."""
WIDE: Final = 64
"""An event for more webhooks is wide: its deliveries are born free, and the database fans them
out by itself."""
LEASED_COST: Final = 4
"""A row of a delivery born leased goes through this process: it takes about four times the time
of one that is born free. (Measured on SQLite, 500 webhooks: 44 and 11 µs.)"""

_Pair = tuple[str, str]
"""An organization and the name of an event."""


class FanOuts:
    """Remembers the rows of an event by (organization, name)."""

    def __init__(
        self, storage: Storage, loop_time: Callable[[], float], *, most_webhooks: int
    ) -> None:
        self._storage = storage
        self._loop_time = loop_time
        self._seen: dict[_Pair, tuple[int, float]] = {}
        self.highest_cost = max(1 + most_webhooks, LEASED_COST * (1 + min(most_webhooks, WIDE)))
        """What one event can cost at most."""
        self._unknown = Cost(likely=2 * LEASED_COST, most=self.highest_cost)
        """Most events are for one webhook."""

    def is_wide(self, event: NewEvent) -> bool:
        """Whether many webhooks want it; False also when that is not known."""
        seen = self._seen.get((event.organization, event.name))
        return seen is not None and seen[0] > 1 + WIDE

    def cost(self, event: NewEvent) -> Cost:
        """What it costs a transaction, in rows of deliveries that are born free; on any thread."""
        seen = self._seen.get((event.organization, event.name))
        if seen is None:
            return self._unknown
        rows, at = seen
        likely = rows if rows > 1 + WIDE else LEASED_COST * rows
        is_sure = at + FRESH_SECONDS >= self._loop_time()
        return Cost(likely, likely if is_sure else max(likely, self.highest_cost))

    def likely_cost(self, events: Iterable[NewEvent]) -> int:
        """What these cost together, as far as it is known."""
        return sum(self.cost(event).likely for event in events)

    def note(self, event: NewEvent, accepted: Accepted) -> None:
        """Remember what an event made that was stored."""
        if accepted.rows:
            self._remember((event.organization, event.name), accepted.rows)

    async def learn(self, events: Sequence[NewEvent]) -> None:
        """Ask the database about those of which nothing is known for sure."""
        pairs = self._stale(events)
        if not pairs:
            return
        counts = await self._storage.fan_out(pairs)
        for pair, count in zip(pairs, counts, strict=True):
            self._remember(pair, 1 + count)

    def _stale(self, events: Iterable[NewEvent]) -> list[_Pair]:
        oldest = self._loop_time() - FRESH_SECONDS
        pairs = dict.fromkeys((event.organization, event.name) for event in events)
        return [
            pair for pair in pairs if (seen := self._seen.get(pair)) is None or seen[1] < oldest
        ]

    def _remember(self, pair: _Pair, rows: int) -> None:
        if len(self._seen) >= MOST and pair not in self._seen:
            self._seen.clear()
        self._seen[pair] = (rows, self._loop_time())
