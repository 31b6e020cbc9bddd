"""Fair queue: what waits for a commit, by organization, in turns by what it costs.

Deficit round robin (Shreedhar and Varghese, 1995): at its turn an organization is given a credit
and takes what that pays for. So of two that wait, each has the same part of the commits, whether
its items are few and dear or many and cheap, and however many of them wait.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from winnerr_webhooks.pipeline.group_commit import Entry

TURNS: Final = 8
"""Turns that fit into a batch: a turn's credit is so small a part of the limit."""


class Cost(Protocol):
    """What an item costs; it may become known while the item waits."""

    @property
    def likely(self) -> int:
        """What it is likely to cost."""
        ...

    @property
    def most(self) -> int:
        """The most it can cost; asked on any thread."""
        ...


class Costly(Protocol):
    """An item of a fair queue."""

    @property
    def organization(self) -> str:
        """Whose it is."""
        ...

    @property
    def cost(self) -> Cost:
        """What it costs."""
        ...


Item = TypeVar("Item", bound=Costly)


class FairQueue(Generic[Item]):
    """A `CommitQueue` whose batches cost `limit` at most; an item that costs more goes alone.

    What an item is likely to cost counts when a batch is put together, for its commit can still
    look; the most it can cost counts when it would join a batch that has begun. `on_full` is
    called when a batch could not hold all that waits.
    """

    def __init__(self, limit: int, *, on_full: Callable[[], None]) -> None:
        self.taken = 0
        """What the last batch is likely to cost."""
        self._limit = limit
        self._credit = max(limit // TURNS, 1)
        self._on_full = on_full
        self._new: deque[Entry[Item]] = deque()
        """What has come since the last batch; another thread may take from its left end."""
        self.put: Callable[[Entry[Item]], None] = self._new.append
        self._batch: list[Entry[Item]] = []
        self._room: int | None = None
        """For what would join the last batch; None: nobody has asked yet."""
        self._lines: dict[str, _Line[Item]] = {}
        """What did not fit; the organization whose turn is next comes first."""
        self._lined_up = 0

    def __len__(self) -> int:
        """Entries that wait."""
        return len(self._new) + self._lined_up

    def next_batch(self) -> list[Entry[Item]]:
        """Take all that waits, where it fits; else what comes in turns."""
        self.taken, self._room = 0, None
        batch = [] if self._lined_up else self._take_in_order()
        if self._new or self._lined_up:
            self._on_full()
            self._new.extendleft(reversed(batch))
            self.taken = 0
            self._line_up()
            batch = self._take_in_turns()
        self._batch = batch
        return batch.copy()

    def next_late(self) -> Entry[Item] | None:
        """Take the next one that came, where nothing else waits and it fits for sure."""
        if self._lined_up or not self._new:
            return None
        if self._room is None:
            costs = Counter([item.cost for item, _ in self._batch])
            self._room = self._limit - sum(cost.most * count for cost, count in costs.items())
        cost = self._new[0][0].cost.most
        if cost > self._room:
            return None
        self._room -= cost
        return self._new.popleft()

    def clear(self) -> list[Entry[Item]]:
        """Take all of them."""
        self._line_up()
        entries = [entry for line in self._lines.values() for entry in line.entries]
        self._lines.clear()
        self._lined_up = 0
        return entries

    def _take_in_order(self) -> list[Entry[Item]]:
        batch: list[Entry[Item]] = []
        new, taken, limit = self._new, 0, self._limit
        while new:
            cost = new[0][0].cost.likely
            if taken + cost > limit and batch:
                break
            taken += cost
            batch.append(new.popleft())
        self.taken = taken
        return batch

    def _take_in_turns(self) -> list[Entry[Item]]:
        batch: list[Entry[Item]] = []
        while self._lines:
            organization, line = next(iter(self._lines.items()))
            if not line.at_turn:
                line.at_turn = True
                line.credit += self._credit
            while line.entries and (cost := line.entries[0][0].cost.likely) <= line.credit:
                if batch and self.taken + cost > self._limit:
                    return batch  # its turn goes on with the next batch
                batch.append(line.entries.popleft())
                line.credit -= cost
                self.taken += cost
                self._lined_up -= 1
            del self._lines[organization]
            if line.entries:
                line.at_turn = False
                self._lines[organization] = line
        return batch

    def _line_up(self) -> None:
        """Put what has come into the lines of its organizations."""
        while self._new:
            entry = self._new.popleft()
            organization = entry[0].organization
            line = self._lines.get(organization)
            if line is None:
                line = self._lines[organization] = _Line()
            line.entries.append(entry)
            self._lined_up += 1


class _Line(Generic[Item]):
    """What waits of one organization."""

    __slots__ = ("at_turn", "credit", "entries")

    def __init__(self) -> None:
        self.entries: deque[Entry[Item]] = deque()
        self.credit = 0
        self.at_turn = False
        """Whether its turn has begun, and its credit was given."""
