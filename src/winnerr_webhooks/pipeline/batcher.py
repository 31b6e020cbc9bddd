"""Batcher: gathers items while a batch is processed, and processes them as the next batch.

An idle batcher begins at once, so a lone item waits for nothing. Under load a batch grows to what
was added while the one before it was processed. Group commit, lease releases and reads of webhooks'
configuration all gather their items here; their queues decide how many go into one batch.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Protocol, TypeVar

AWAY_SECONDS: Final = 0.2
"""Seconds until a batch is tried again while the database is away."""
CUT: Final = 8
"""A batch that timed out is cut into this many parts, and each part again. It takes three such
steps from 512 items to a single one, and each step costs the full time limit."""
FEW: Final = 16
"""A batcher that gathers waits for more items while it has fewer than these."""

Item = TypeVar("Item")


class BatchQueue(Protocol[Item]):
    """The items that wait for a batch, and which of them go into the next one."""

    def __len__(self) -> int:
        """Items that wait."""
        ...

    @property
    def put(self) -> Callable[[Item], None]:
        """Add an item."""
        ...

    def next_batch(self) -> list[Item]:
        """Take the items of the next batch; at least one when any waits."""
        ...


class Fifo(Generic[Item]):
    """A `BatchQueue` in order of arrival, with at most `limit` items a batch."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._items: deque[Item] = deque()
        self.put: Callable[[Item], None] = self._items.append

    def __len__(self) -> int:
        """Items that wait."""
        return len(self._items)

    def next_batch(self) -> list[Item]:
        """Take those that have waited longest."""
        size = min(len(self._items), self.limit)
        return [self._items.popleft() for _ in range(size)]

    def put_back(self, items: list[Item]) -> None:
        """Put items that were taken first in line again."""
        self._items.extendleft(reversed(items))

    def sort(self, key: Callable[[Item], Any]) -> None:
        """Put the items in another order than that of arrival."""
        items = sorted(self._items, key=key)
        self.clear()
        self._items.extend(items)

    def clear(self) -> list[Item]:
        """Take all of them."""
        items = list(self._items)
        self._items.clear()
        return items


class Batcher(Generic[Item]):
    """Calls `process` with one batch after another, never two at a time, while items wait.

    `process` returns the seconds to pause before the next batch. It deals with its own errors: one
    that it raises ends the run, and the next `add` starts another. Made and used on one event loop.

    With `gather_seconds`, a batcher with only a FEW items waits that long for more, unless it is
    asked to `hurry`.
    """

    def __init__(
        self,
        queue: BatchQueue[Item],
        process: Callable[[list[Item]], Awaitable[float]],
        gather_seconds: float = 0.0,
    ) -> None:
        self._queue = queue
        self._process = process
        self._put = queue.put
        self._gather_seconds = gather_seconds
        self._gathering: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._open = True
        # Asked once: until Python 3.12 every asyncio.get_running_loop() is a getpid() syscall.
        self._loop = asyncio.get_running_loop()

    def add(self, item: Item) -> None:
        """Put an item into the next batch."""
        self._put(item)
        if self._task is None and self._open:
            if not self._gather_seconds:
                self._task = self._loop.create_task(self._run())
            elif self._gathering is None:
                self._gather()

    def _gather(self) -> None:
        self._gathering = self._loop.call_later(self._gather_seconds, self.hurry)

    def hurry(self) -> None:
        """Wait no longer for more items before the next batch."""
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
            self._task = self._loop.create_task(self._run())

    @property
    def is_busy(self) -> bool:
        """Whether a batch is being processed or waits for its pause to end."""
        return self._task is not None or self._gathering is not None

    async def idle(self) -> None:
        """Process what waits without delay; return when nothing does and no batch is processed."""
        self.hurry()
        while self._task is not None:
            await asyncio.shield(self._task)
            self.hurry()

    def stop(self) -> None:
        """Process no further batch; the current one is processed to its end."""
        self._open = False

    async def close(self, seconds: float) -> None:
        """Process what waits for at most `seconds`, then cancel the current batch."""
        self._gather_seconds = 0.0
        self.hurry()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=max(seconds, 0.0))
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        queue, process = self._queue, self._process
        try:
            while queue and self._open:
                if (pause := await process(queue.next_batch())) > 0:
                    await asyncio.sleep(pause)
                if self._gather_seconds and len(queue) < FEW:
                    break
        finally:
            self._task = None
        if queue and self._open:
            self._gather()


def cut(batch: list[Item]) -> list[list[Item]]:
    """Cut a batch into at most CUT parts, in order."""
    size = -(-len(batch) // CUT)
    return [batch[at : at + size] for at in range(0, len(batch), size)]
