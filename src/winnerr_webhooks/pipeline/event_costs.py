"""Event costs: what storing an event costs a transaction, as far as that is known.

The cost depends on the fan-out: an event makes one row, and one for each webhook that subscribes to
it. Every accept returns these numbers. The database is asked for them only before a commit that
might be too large.
"""

from collections.abc import Callable, Iterable
from typing import Final

from winnerr_webhooks.storage.road_port import Road

FRESH_SECONDS: Final = 1.0
"""Seconds for which a number counts as known for sure."""
MOST: Final = 10_000
"""Numbers that are remembered, at most."""
WIDE: Final = 64
"""An event for more webhooks is wide: its deliveries are stored unleased, by the database alone."""
LEASED_COST: Final = 4
"""A delivery that is stored leased goes through this process: it takes about four times as long as
one that is stored unleased (docs/adr/0018)."""


class EventCost:
    """What an organization's events of one name cost; a `fair_queue.Cost`."""

    __slots__ = ("_known_until", "_parent", "expected", "is_wide", "pair")

    def __init__(self, parent: "EventCosts", pair: tuple[str, str]) -> None:
        self.pair = pair
        self.expected = 2 * LEASED_COST
        """The expected cost, in unleased rows; until it is known, that of one webhook."""
        self.is_wide = False
        self._known_until = float("-inf")
        self._parent = parent

    @property
    def is_known(self) -> bool:
        """Whether its cost is known for sure."""
        return self._known_until >= self._parent.now()

    @property
    def highest(self) -> int:
        """The highest possible cost: it may join a commit that leases its deliveries."""
        expected = LEASED_COST * self.expected if self.is_wide else self.expected
        if self._known_until >= self._parent.now():
            return expected
        return max(expected, self._parent.highest_cost)

    def note(self, rows: int, now: float) -> None:
        """Remember that an event made this many rows at this loop time."""
        self.is_wide = rows > 1 + WIDE
        self.expected = rows if self.is_wide else LEASED_COST * rows
        self._known_until = now + FRESH_SECONDS


class EventCosts:
    """Remembers costs by (organization, name)."""

    def __init__(self, storage: Road, now: Callable[[], float], *, most_webhooks: int) -> None:
        self.now = now
        """The loop's time."""
        self.highest_cost = max(1 + most_webhooks, LEASED_COST * (1 + min(most_webhooks, WIDE)))
        """The highest possible cost of any event."""
        self._storage = storage
        self._seen: dict[tuple[str, str], EventCost] = {}

    def of(self, organization: str, name: str) -> EventCost:
        """Return what is known about an organization's events of this name."""
        pair = (organization, name)
        found = self._seen.get(pair)
        if found is None:
            if len(self._seen) >= MOST:
                self._seen.clear()
            found = self._seen[pair] = EventCost(self, pair)
        return found

    async def learn(self, costs: Iterable[EventCost]) -> None:
        """Read from the database those that are not known for sure."""
        unknown = [one for one in dict.fromkeys(costs) if not one.is_known]
        if not unknown:
            return
        counts = await self._storage.fan_out([one.pair for one in unknown])
        now = self.now()
        for one, count in zip(unknown, counts, strict=True):
            one.note(1 + count, now)
