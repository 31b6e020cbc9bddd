"""Group commit: what arrives while a commit runs goes into the next one.

An idle group commits at once, so a lone event waits for nobody; under load a batch grows to
what arrived during the commit before it, so the cost of a commit is shared by all that wait.

Between two commits of a busy group lies a pause of 2 ms: callers who were just answered can join
the next batch, and the interpreter serves one thread after the other instead of tossing its lock
between them. Batches double, and throughput and latency are both the better for it (ADR 0003).

A commit may have to wait for its turn. What comes until then need not wait for the next one: it
joins, when the commit asks for it (ADR 0015).

A batch that was too much for its time (`TimedOut`) is cut into parts, and these are committed
beside the next batches: what comes after it does not wait until its parts fit (ADR 0018).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import structlog

from winnerr_webhooks.domain.errors import TimedOut, Unavailable
from winnerr_webhooks.pipeline.batcher import Batcher, BatchQueue, Fifo

PAUSE: Final = 0.002
"""Seconds between the commits of a busy group."""
BUSY: Final = 4
"""A group whose last batch had more items is busy."""
CUT: Final = 8
"""A batch that was too much for its time is cut into so many parts, and each of them again: from
512 items it takes three such steps to the one that is at fault, and each costs a whole time."""
PATIENCE: Final = 4.0
"""Seconds for which parts of such a batch are tried; then those that are left have timed out."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")
OnAnswer = Callable[[Answer | None, Exception | None], None]
"""Takes an item's answer, or why there is none."""
Entry = tuple[Item, OnAnswer[Any]]
"""What waits: an item, and where its answer goes."""

log = structlog.get_logger(__name__)


class CommitQueue(BatchQueue[Entry[Item]], Protocol[Item]):
    """What waits for a commit, and which of it goes into the next one."""

    def next_late(self) -> Entry[Item] | None:
        """Take one that was added since `next_batch` and fits into that batch; on any thread."""
        ...

    def clear(self) -> list[Entry[Item]]:
        """Take all of them."""
        ...


class JoinableBatch(Generic[Item]):
    """What has come since a batch was handed to its commit, and joins it.

    The commit may ask once it begins, on whatever thread that is. It has to answer them after the
    others; a commit that does not ask leaves them to the next one.
    """

    def __init__(self, queue: CommitQueue[Item] | None) -> None:
        self.joined: list[Item] = []
        """The items that have joined."""
        self.entries: list[Entry[Item]] = []
        self._queue = queue

    def __call__(self) -> list[Item]:
        """Let them join; the same ones each time."""
        queue, self._queue = self._queue, None
        if queue is not None:
            while (entry := queue.next_late()) is not None:
                self.entries.append(entry)
                self.joined.append(entry[0])
        return self.joined

    def close(self) -> None:
        """Let nothing join any more: the commit is over, whatever a late thread still asks."""
        self._queue = None


class GroupCommit(Generic[Item, Answer]):
    """Collects items into batches for one `commit` coroutine, one batch at a time.

    A batch that is refused for what is in it is committed again in halves, one that was too much
    for its time in smaller parts, for `patience` seconds. So a `commit` that raises `TimedOut`,
    or anything but `Unavailable`, must have done nothing, or nothing that doing it again would
    change. Made and used on one event loop.

    `pause` is told what a batch was and how many seconds it took; it says how many seconds lie
    between that commit and the next one.
    """

    def __init__(
        self,
        commit: Callable[[list[Item], JoinableBatch[Item]], Awaitable[Sequence[Answer]]],
        queue: CommitQueue[Item],
        *,
        pause: Callable[[Sequence[Entry[Item]], float], float] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._commit = commit
        self._queue = queue
        self._pause = pause or self.between_commits
        self._patience = patience
        self._batcher = Batcher(queue, self._commit_next)
        self._parts = Batcher(Fifo[_Part[Item]](1), self._commit_part)
        """Commits the parts of batches that were too much, beside the batches that follow."""
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        """Items handed in whose commit has not begun."""
        return len(self._queue)

    def put(self, item: Item, on_answer: OnAnswer[Answer]) -> None:
        """Put an item into the next batch; `answered` is called once, when that is done.

        A call instead of a future, for on the road of an event a future and its callback cost
        more than the queue does.
        """
        self._batcher.add((item, on_answer))

    def submit(self, item: Item) -> asyncio.Future[Answer]:
        """The same, with a future for callers who would rather wait."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self.put(item, partial(settle_future, future))
        return future

    def refuse(self, error: Unavailable) -> None:
        """Answer everybody whose commit has not begun with an error."""
        _fail(self._queue.clear(), error)

    async def idle(self) -> None:
        """Return when nothing waits and no commit runs."""
        while self._batcher.is_busy or self._parts.is_busy:
            await self._batcher.idle()
            await self._parts.idle()

    def between_commits(self, batch: Sequence[Entry[Item]], _seconds: float) -> float:
        """The pause of a group that gives way to nobody: none, unless it is busy."""
        return PAUSE if len(batch) > BUSY and self._queue else 0.0

    async def _commit_next(self, batch: list[Entry[Item]]) -> float:
        """Commit a batch; returns the pause until the next one, in seconds."""
        began = self._loop.time()
        await self._commit_batch(batch, JoinableBatch(self._queue))
        return self._pause(batch, self._loop.time() - began)

    async def _commit_batch(
        self, batch: list[Entry[Item]], late: JoinableBatch[Item], ends: float | None = None
    ) -> None:
        """Commit a batch, which is longer afterwards by what joined it.

        `ends`: until then its parts are tried, when it is such a part itself.
        """
        try:
            try:
                answers = await self._commit([item for item, _ in batch], late)
            finally:
                late.close()
                batch += late.entries
        except TimedOut as error:
            if len(batch) == 1:
                _fail(batch, error)
            else:
                self._cut(batch, error, ends)
        except Unavailable as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001  their callers must hear of it, whatever it is
            if len(batch) == 1:
                _fail(batch, error)
                return
            # Nobody else's call fails for the culprit: halve until it stands alone.
            for half in _halves(batch):
                await self._commit_batch(half, JoinableBatch(None), ends)
        else:
            for (_, on_answer), answer in zip(batch, answers, strict=True):
                try:
                    on_answer(answer, None)
                except Exception:  # a fault of ours; the others must have their answers
                    log.exception("an answer was not taken")

    def _cut(self, batch: list[Entry[Item]], error: TimedOut, ends: float | None) -> None:
        if ends is None:
            ends = self._loop.time() + self._patience
        size = -(-len(batch) // CUT)
        for at in range(0, len(batch), size):
            self._parts.add(_Part(batch[at : at + size], error, ends))

    async def _commit_part(self, parts: "list[_Part[Item]]") -> float:
        (part,) = parts
        if self._loop.time() > part.ends:
            _fail(part.entries, part.error)
        else:
            await self._commit_batch(part.entries, JoinableBatch(None), part.ends)
        return 0.0


class _Part(NamedTuple, Generic[Item]):
    """A part of a batch that was too much for its time."""

    entries: list[Entry[Item]]
    error: TimedOut
    ends: float
    """The loop's instant until which it is tried."""


def settle_future(
    future: asyncio.Future[Answer], answer: Answer | None, error: Exception | None
) -> None:
    """Make a future of an answer."""
    if future.done():  # its caller may have gone away
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(answer)  # type: ignore[arg-type]  # without an error it is an answer


def _halves(batch: list[Entry[Item]]) -> Iterable[list[Entry[Item]]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


def _fail(batch: Sequence[Entry[Any]], error: Exception) -> None:
    for _, on_answer in batch:
        try:
            on_answer(None, error)
        except Exception:
            log.exception("an error was not taken")
