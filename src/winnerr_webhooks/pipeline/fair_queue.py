"""Fair queue: items that wait for a commit; organizations take turns by what their items cost.

Deficit round robin (Shreedhar and Varghese, 1995): at its turn an organization gets a credit, and
as many of its items are taken as that pays for. So two organizations get the same part of the
commits, whether their items are few and costly or many and cheap.
"""

from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Generic, Protocol, TypeVar

from winnerr_webhooks.pipeline.group_commit import Entry

TURNS: Final = 8
"""Turns that fit into a batch: the credit of a turn is the limit divided by this."""


class Cost(Protocol):
    """What an item costs; the numbers may change while the item waits."""

    @property
    def expected(self) -> int:
        """The expected cost."""
        ...

    @property
    def highest(self) -> int:
        """The highest possible cost; read on any thread."""
        ...


class Costly(Protocol):
    """An item of a fair queue."""

    @property
    def organization(self) -> str:
        """The organization whose turn it uses."""
        ...

    @property
    def cost(self) -> Cost:
        """What it costs."""
        ...


Item = TypeVar("Item", bound=Costly)


class FairQueue(Generic[Item]):
    """A `CommitQueue` whose batches cost `limit` at most; an item that costs more goes alone.

    A new batch is put together by expected costs, because its commit can still check them. An item
    joins a batch that has begun only if its highest possible cost fits. `on_full` is called when a
    batch could not hold all items that wait.
    """

    def __init__(self, limit: int, *, on_full: Callable[[], None]) -> None:
        self.taken = 0
        """The expected cost of the last batch."""
        self.limit = limit
        """What the next batch may cost; a queue may get a lower limit for a time."""
        self._on_full = on_full
        self._new: deque[Entry[Item]] = deque()
        """Entries added since the last batch; another thread may take from its left end."""
        self.put: Callable[[Entry[Item]], None] = self._new.append
        self._batch: list[Entry[Item]] = []
        self._room: int | None = None
        """What items that join the last batch may cost; None: not computed yet."""
        self._queues: dict[str, _OrganizationQueue[Item]] = {}
        """Entries that did not fit; the organization whose turn is next comes first."""
        self._queued = 0

    def __len__(self) -> int:
        """Entries that wait."""
        return len(self._new) + self._queued

    def next_batch(self) -> list[Entry[Item]]:
        """Take all entries if they fit; otherwise organizations take turns."""
        self.taken, self._room = 0, None
        batch = [] if self._queued else self._take_in_order()
        if self._new or self._queued:
            self._on_full()
            self._new.extendleft(reversed(batch))
            self._sort_new()
            batch = self._take_in_turns()
        self._batch = batch
        return batch.copy()

    def next_joiner(self) -> Entry[Item] | None:
        """Take the next entry if it fits for sure and no entry waits for its turn."""
        if self._queued or not self._new:
            return None
        if self._room is None:
            costs = Counter([item.cost for item, _ in self._batch])
            self._room = self.limit - sum(cost.highest * count for cost, count in costs.items())
        with suppress(IndexError):  # the other thread has just sorted it in
            cost = self._new[0][0].cost.highest
            if cost <= self._room:
                self._room -= cost
                return self._new.popleft()
        return None

    def clear(self) -> list[Entry[Item]]:
        """Take all of them."""
        self._sort_new()
        entries = [entry for queue in self._queues.values() for entry in queue.entries]
        self._queues.clear()
        self._queued = 0
        return entries

    def _take_in_order(self) -> list[Entry[Item]]:
        batch: list[Entry[Item]] = []
        new, taken, limit = self._new, 0, self.limit
        while new:
            cost = new[0][0].cost.expected
            if taken + cost > limit and batch:
                break
            taken += cost
            batch.append(new.popleft())
        self.taken = taken
        return batch

    def _take_in_turns(self) -> list[Entry[Item]]:
        batch: list[Entry[Item]] = []
        queues, limit, taken = self._queues, self.limit, 0
        while queues:
            organization, queue = next(iter(queues.items()))
            if not queue.at_turn:
                queue.at_turn = True
                queue.credit += max(limit // TURNS, 1)
            entries, credit = queue.entries, queue.credit
            is_full = False
            while entries and (cost := entries[0][0].cost.expected) <= credit:
                if batch and taken + cost > limit:
                    is_full = True
                    break
                batch.append(entries.popleft())
                credit -= cost
                taken += cost
            queue.credit = credit
            if is_full:  # its turn goes on with the next batch
                break
            del queues[organization]
            if entries:
                queue.at_turn = False
                queues[organization] = queue
        self.taken = taken
        self._queued -= len(batch)
        return batch

    def _sort_new(self) -> None:
        """Move new entries to the queues of their organizations."""
        new, queues, before, moved = self._new, self._queues, self._queued, 0
        self._queued += len(new)  # from now on nothing joins a batch that has begun
        with suppress(IndexError):  # no more, or the last one has just joined
            while True:
                entry = new.popleft()
                organization = entry[0].organization
                queue = queues.get(organization)
                if queue is None:
                    queue = queues[organization] = _OrganizationQueue()
                queue.entries.append(entry)
                moved += 1
        self._queued = before + moved


class _OrganizationQueue(Generic[Item]):
    """The entries of one organization."""

    __slots__ = ("at_turn", "credit", "entries")

    def __init__(self) -> None:
        self.entries: deque[Entry[Item]] = deque()
        self.credit = 0
        self.at_turn = False
        """Whether its turn has begun, so that it has its credit."""
