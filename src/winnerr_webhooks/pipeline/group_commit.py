"""Group commit: items that arrive while a commit runs share the next commit.

An idle group commits at once, so a lone item waits for nothing. Under load a batch grows to what
arrived during the commit before it, so all its items share the cost of one commit.

A busy group pauses for 2 ms between two commits. Callers who were just answered can then join the
next batch, and threads do not compete for the interpreter's lock. This doubles the batches and
improves both throughput and latency (docs/adr/0003).

A commit may have to wait for its turn. Items that arrive until then need not wait for the next
commit: they join this one, when it asks for them (docs/adr/0015).

A batch that was not committed in time (`TimedOut`) is cut into parts. They are committed beside the
next batches, so later items do not wait until the parts fit (docs/adr/0018).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import structlog

from winnerr_webhooks.domain.errors import TimedOut, Unavailable
from winnerr_webhooks.pipeline.batcher import Batcher, BatchQueue, Fifo, cut

PAUSE: Final = 0.002
"""Seconds between the commits of a busy group."""
BUSY: Final = 4
"""A group whose last batch had more items is busy."""
PATIENCE: Final = 4.0
"""Seconds for which parts of such a batch are tried; then the rest is answered with `TimedOut`."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")
OnAnswer = Callable[[Answer | None, Exception | None], None]
"""Called with an item's answer, or with the error instead of it."""
Entry = tuple[Item, OnAnswer[Any]]
"""An item that waits, and where its answer goes."""

log = structlog.get_logger(__name__)


def _nothing(_entries: object) -> None:
    """Do nothing."""


class CommitQueue(BatchQueue[Entry[Item]], Protocol[Item]):
    """The items that wait for a commit, and which of them go into the next one."""

    def clear(self) -> list[Entry[Item]]:
        """Take all of them."""
        ...


NextJoiner = Callable[[], Entry[Item] | None]


def pause_between(
    queue: CommitQueue[Item], batch: Sequence[Entry[Item]], _seconds: float = 0.0
) -> float:
    """Return the default pause before the queue's next batch: none, unless it is busy."""
    return PAUSE if len(batch) > BUSY and queue else 0.0


class JoinableBatch(Generic[Item]):
    """The items that join a batch after it was handed to its commit.

    The commit may call `take` when it begins, on any thread. It answers these items after the
    others. A commit that does not call it leaves them to the next commit.

    `next_joiner` takes an item out of the queue if it fits into the batch that has begun. Without
    it nothing joins.
    """

    def __init__(self, next_joiner: NextJoiner[Item] | None) -> None:
        self.joined: list[Item] = []
        """The items that have joined."""
        self.entries: list[Entry[Item]] = []
        self._next_joiner = next_joiner

    def take(self) -> list[Item]:
        """Let items join, and return them; a later call returns the same ones."""
        next_joiner, self._next_joiner = self._next_joiner, None
        if next_joiner is not None:
            while (entry := next_joiner()) is not None:
                self.entries.append(entry)
                self.joined.append(entry[0])
        return self.joined

    def close(self) -> None:
        """Let nothing join any more: the commit is over, even if a slow thread calls `take`."""
        self._next_joiner = None


class GroupCommit(Generic[Item, Answer]):
    """Collects items into batches for one `commit` coroutine, one batch at a time.

    A batch that fails because of an item is committed again in halves. One that times out is
    committed again in smaller parts, for `patience` seconds. So a `commit` that raises anything but
    `Unavailable` must have done nothing, or something that is safe to repeat. Made and used on one
    event loop.

    `pause` is called with a batch and the seconds its commit took; it returns the seconds until the
    next commit. `next_joiner` lets items join a batch that has begun; see `JoinableBatch`. An idle
    group waits `gather_seconds` for more items before it commits.
    `on_answered` is called once with each entry, many together, just before they are answered.
    """

    def __init__(
        self,
        commit: Callable[[list[Item], JoinableBatch[Item]], Awaitable[Sequence[Answer]]],
        queue: CommitQueue[Item],
        *,
        pause: Callable[[Sequence[Entry[Item]], float], float] | None = None,
        patience: float = PATIENCE,
        next_joiner: NextJoiner[Item] | None = None,
        gather_seconds: float = 0.0,
        on_answered: Callable[[Sequence[Entry[Item]]], None] = _nothing,
    ) -> None:
        self._commit = commit
        self._queue = queue
        self._pause = pause or partial(pause_between, queue)
        self._patience = patience
        self._next_joiner = next_joiner
        self._on_answered = on_answered
        self._batcher = Batcher(queue, self._commit_next, gather_seconds)
        self._parts = Batcher(Fifo[_Part[Item]](1), self._commit_part)
        """Commits the parts of batches that timed out, beside the batches that follow."""
        self.put: Callable[[Entry[Item]], None] = self._batcher.add
        """Put an item into the next batch; its callback is called once, when that is done.

        For every event, a future and its callback would cost more than the queue does."""
        self._loop = asyncio.get_running_loop()

    def hurry(self) -> None:
        """Commit what waits now, without waiting for more items."""
        self._batcher.hurry()

    def refuse(self, error: Unavailable) -> None:
        """Answer all items whose commit has not begun with this error."""
        self._fail(self._queue.clear(), error)

    async def idle(self) -> None:
        """Return when nothing waits and no commit runs."""
        while self._batcher.is_busy or self._parts.is_busy:
            await self._batcher.idle()
            await self._parts.idle()

    async def _commit_next(self, batch: list[Entry[Item]]) -> float:
        """Commit a batch; returns the pause until the next one, in seconds."""
        began = self._loop.time()
        await self._commit_batch(batch, JoinableBatch(self._next_joiner))
        return self._pause(batch, self._loop.time() - began)

    async def _commit_batch(
        self, batch: list[Entry[Item]], joiners: JoinableBatch[Item], ends: float | None = None
    ) -> None:
        """Commit a batch, and add the items that joined it to the list.

        `ends`: the loop time until which its parts are tried, if it is a part itself.
        """
        try:
            try:
                answers = await self._commit([item for item, _ in batch], joiners)
            finally:
                joiners.close()
                batch += joiners.entries
        except TimedOut as error:
            if len(batch) == 1:
                self._fail(batch, error)
            else:
                self._cut(batch, error, ends)
        except Unavailable as error:
            self._fail(batch, error)
        except Exception as error:  # noqa: BLE001  every caller must be answered
            if len(batch) == 1:
                self._fail(batch, error)
                return
            # No other call fails because of one item: halve until it is alone.
            for half in _halves(batch):
                await self._commit_batch(half, JoinableBatch(None), ends)
        else:
            self._on_answered(batch)
            for (_, on_answer), answer in zip(batch, answers, strict=True):
                try:
                    on_answer(answer, None)
                except Exception:  # a fault of ours; the others are still answered
                    log.exception("an answer was not taken")

    def _cut(self, batch: list[Entry[Item]], error: TimedOut, ends: float | None) -> None:
        if ends is None:
            ends = self._loop.time() + self._patience
        for part in cut(batch):
            self._parts.add(_Part(part, error, ends))

    async def _commit_part(self, parts: "list[_Part[Item]]") -> float:
        (part,) = parts
        if self._loop.time() > part.ends:
            self._fail(part.entries, part.error)
        else:
            await self._commit_batch(part.entries, JoinableBatch(None), part.ends)
        return 0.0

    def _fail(self, entries: Sequence[Entry[Item]], error: Exception) -> None:
        self._on_answered(entries)
        for _, on_answer in entries:
            try:
                on_answer(None, error)
            except Exception:
                log.exception("an error was not taken")


class _Part(NamedTuple, Generic[Item]):
    """A part of a batch that timed out."""

    entries: list[Entry[Item]]
    error: TimedOut
    ends: float
    """The loop time until which it is tried."""


def resolve_future(
    future: asyncio.Future[Answer], answer: Answer | None, error: Exception | None
) -> None:
    """Resolve a future with an answer or an error."""
    if future.done():  # its caller may have gone away
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(answer)  # type: ignore[arg-type]  # without an error it is an answer


def _halves(batch: list[Entry[Item]]) -> Iterable[list[Entry[Item]]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]
