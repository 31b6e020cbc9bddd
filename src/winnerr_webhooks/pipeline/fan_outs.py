"""Fan-outs: how many rows an event makes, as far as that is known, and what they cost.

An event makes one row and one for each webhook that wants it. The answers to what was stored tell
that for free; the database is asked only before a commit that might be too large.
"""

from collections.abc import Callable, Iterable
from typing import Final

from winnerr_webhooks.storage.port import Road

FRESH_SECONDS: Final = 1.0
"""How long a number counts as known for sure."""
MOST: Final = 10_000
"""Numbers that are remembered."""
WIDE: Final = 64
"""An event for more webhooks is wide: its deliveries are born free, and the database fans them
out by itself."""
LEASED_COST: Final = 4
"""A row of a delivery born leased goes through this process, beside the event loop: it takes about
four times the time of one that is born free (docs/adr/0018)."""


class FanOut:
    """What an event of one (organization, name) makes, and costs."""

    __slots__ = ("_known_until", "_parent", "is_wide", "likely", "pair")

    def __init__(self, parent: "FanOuts", pair: tuple[str, str]) -> None:
        self.pair = pair
        self.likely = 2 * LEASED_COST
        """Rows that are born free and take as long; until it is known, those of one webhook."""
        self.is_wide = False
        self._known_until = float("-inf")
        self._parent = parent

    @property
    def is_known(self) -> bool:
        """Whether its cost is known for sure."""
        return self._known_until >= self._parent.now()

    @property
    def most(self) -> int:
        """The most it can cost: it may join a commit whose deliveries are born leased."""
        likely = LEASED_COST * self.likely if self.is_wide else self.likely
        if self._known_until >= self._parent.now():
            return likely
        return max(likely, self._parent.highest_cost)

    def note(self, rows: int, now: float) -> None:
        """Remember that an event made so many rows, at this instant of the loop."""
        self.is_wide = rows > 1 + WIDE
        self.likely = rows if self.is_wide else LEASED_COST * rows
        self._known_until = now + FRESH_SECONDS


class FanOuts:
    """Remembers fan-outs by (organization, name)."""

    def __init__(self, storage: Road, now: Callable[[], float], *, most_webhooks: int) -> None:
        self.now = now
        """The loop's time."""
        self.highest_cost = max(1 + most_webhooks, LEASED_COST * (1 + min(most_webhooks, WIDE)))
        """What one event can cost at most."""
        self._storage = storage
        self._seen: dict[tuple[str, str], FanOut] = {}

    def of(self, organization: str, name: str) -> FanOut:
        """What is known of an organization's events of this name."""
        pair = (organization, name)
        found = self._seen.get(pair)
        if found is None:
            if len(self._seen) >= MOST:
                self._seen.clear()
            found = self._seen[pair] = FanOut(self, pair)
        return found

    async def learn(self, fan_outs: Iterable[FanOut]) -> None:
        """Ask the database about those that are not known for sure."""
        unknown = [one for one in dict.fromkeys(fan_outs) if not one.is_known]
        if not unknown:
            return
        counts = await self._storage.fan_out([one.pair for one in unknown])
        now = self.now()
        for one, count in zip(unknown, counts, strict=True):
            one.note(1 + count, now)
