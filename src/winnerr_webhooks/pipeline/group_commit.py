"""Group commit: what arrives while a commit runs goes into the next one.

An idle group commits at once, so a lone event waits for nobody; under load a batch grows to
what arrived during the commit before it, so the cost of a commit is shared by as many as wait.

Between two commits of a busy group lies a pause of 2 ms: whoever was just answered can join
the next batch, and the interpreter serves one thread after the other instead of tossing its lock
between them. Batches double, and throughput and latency are both the better for it (ADR 0003).

A commit may have to wait for its turn. What comes until then need not wait for the next one: it
joins, when the commit asks for it (ADR 0015).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Generic, TypeVar

import structlog

from winnerr_webhooks.domain.errors import Unavailable

PAUSE: Final = 0.002
"""Seconds between the commits of a busy group."""
BUSY: Final = 4
"""A group whose last batch had more items is busy."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Answered = Callable[[Answer | None, Exception | None], None]
"""Takes an item's answer, or why there is none."""
_Entry = tuple[Item, Answered[Answer]]

log = structlog.get_logger(__name__)


class Latecomers(Generic[Item]):
    """What has come since a batch was handed to its commit, and joins it.

    The commit may ask once it begins, on whatever thread that is. It has to answer them after the
    others; whoever does not ask leaves them to the next commit.
    """

    def __init__(self, queue: "deque[_Entry[Item, Any]]", room: int) -> None:
        self.joined: list[Item] = []
        """Who has joined."""
        self.entries: list[_Entry[Item, Any]] = []
        self._queue = queue
        self._room = room

    def __call__(self) -> list[Item]:
        """Let them join; the same ones each time."""
        room, self._room = self._room, 0
        with suppress(IndexError):  # no more are there
            for _ in range(room):
                entry = self._queue.popleft()
                self.entries.append(entry)
                self.joined.append(entry[0])
        return self.joined


class GroupCommit(Generic[Item, Answer]):
    """Collects items into batches for one `commit` coroutine, one batch at a time.

    A batch that fails, other than for a database that is away (`Unavailable`, `Uncertain`), is
    committed again in halves; so a `commit` that raises anything else must have done nothing, or
    nothing that doing it again would change. Made and used on one running event loop.
    """

    def __init__(
        self,
        commit: Callable[[list[Item], Latecomers[Item]], Awaitable[Sequence[Answer]]],
        *,
        batch: int,
        waiting: int,
    ) -> None:
        self._commit = commit
        self._batch = batch
        self._bound = waiting
        self._queue: deque[_Entry[Item, Answer]] = deque()
        self._running: asyncio.Task[None] | None = None
        # Asked once: until Python 3.12 every asyncio.get_running_loop() is a getpid() syscall.
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        """Items handed in whose commit has not begun."""
        return len(self._queue)

    def put(self, item: Item, answered: Answered[Answer]) -> None:
        """Put an item into the next batch; `answered` is called once, when that is done.

        `Unavailable` when too many wait already: nothing was taken. A call instead of a future,
        for on the road of an event a future and its callback cost more than the queue does.
        """
        if len(self._queue) >= self._bound:
            raise Unavailable("Too much is waiting to be stored. Try again in a second.")
        self._queue.append((item, answered))
        if self._running is None:
            self._running = self._loop.create_task(self._run())

    def submit(self, item: Item) -> asyncio.Future[Answer]:
        """The same, with a future for who would rather wait."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self.put(item, partial(settle_future, future))
        return future

    def refuse(self, error: Unavailable) -> list[Item]:
        """Answer everybody whose commit has not begun with an error; what they wanted stored."""
        waiting = list(self._queue)
        self._queue.clear()
        _fail(waiting, error)
        return [item for item, _ in waiting]

    async def idle(self) -> None:
        """Return when nothing waits and no commit runs."""
        while self._running is not None:
            await asyncio.shield(self._running)

    async def _run(self) -> None:
        queue = self._queue
        try:
            while queue:
                size = min(len(queue), self._batch)
                batch = [queue.popleft() for _ in range(size)]
                late = Latecomers(queue, self._batch - size)
                await self._commit_batch(batch, late)
                if queue and len(batch) > BUSY:
                    await asyncio.sleep(PAUSE)
        finally:
            self._running = None

    async def _commit_batch(
        self, batch: "list[_Entry[Item, Answer]]", late: Latecomers[Item]
    ) -> None:
        """Commit a batch, which is longer afterwards by who joined it."""
        try:
            try:
                answers = await self._commit([item for item, _ in batch], late)
            finally:
                batch += late.entries
        except Unavailable as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001  whoever waits must hear of it, whatever it is
            if len(batch) == 1:
                _fail(batch, error)
                return
            # Nobody else's call fails for the culprit: halve until it stands alone.
            middle = len(batch) // 2
            await self._commit_batch(batch[:middle], Latecomers(self._queue, 0))
            await self._commit_batch(batch[middle:], Latecomers(self._queue, 0))
        else:
            for (_, answered), answer in zip(batch, answers, strict=True):
                try:
                    answered(answer, None)
                except Exception:  # a fault of ours; the others must have their answers
                    log.exception("an answer was not taken")


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


def _fail(batch: Sequence[tuple[object, Answered[Answer]]], error: Exception) -> None:
    for _, answered in batch:
        try:
            answered(None, error)
        except Exception:
            log.exception("an error was not taken")
