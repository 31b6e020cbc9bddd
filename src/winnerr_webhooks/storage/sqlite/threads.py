"""The threads that own the connections: one writes, three read, one copies the log.

The writer runs all waiting calls in one transaction and commits once, whatever the verbs are: an
accept and a settle share an fsync. The answers of a commit go back to the event loop in one
call (`writer`).

Each reader has its own queue for one kind of read: reads that deliveries and API calls wait for,
reads for a page, and searches, which may take two seconds each. So a slow read delays only reads of
its own kind (`worker`).

Every call has a deadline, by its kind (`calls`). A timer checks the deadlines while any call waits.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.storage.sqlite.calls import (
    BACKGROUND,
    CALLER,
    READ,
    SEARCH,
    Call,
    TimeLimit,
)
from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection
from winnerr_webhooks.storage.sqlite.worker import CheckpointThread, Reader, Searcher, Worker
from winnerr_webhooks.storage.sqlite.writer import Writer

T = TypeVar("T")

TICK: Final = 0.1
"""Seconds between two checks of the deadlines."""
CLOSE_SECONDS: Final = 0.5
"""When the storage closes: how long waiting calls may take to begin, and then to run."""
END_SECONDS: Final = 1.5
"""How long a thread may take to end then."""

log = structlog.get_logger(__name__)


class Threads:
    """The writer and the readers of one database, as the event loop sees them."""

    def __init__(
        self,
        writer: Connection,
        *,
        road: Connection,
        pages: Connection,
        searches: Connection,
        copier: Connection,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._closed = False
        self._tick: asyncio.TimerHandle | None = None
        self._road = Reader("sqlite-road-reader", road, loop)
        self._pages = Reader("sqlite-page-reader", pages, loop)
        self._copier = CheckpointThread("sqlite-log-copier", copier, loop)
        self._writer = Writer("sqlite-writer", writer, loop, self._copier)
        self._searches = Searcher("sqlite-search-reader", searches, loop, self._writer.checkpointer)
        self._workers: tuple[Worker, ...] = (
            self._writer,
            self._road,
            self._pages,
            self._searches,
            self._copier,  # after the writer, which may need a copy until its end
        )
        for worker in self._workers:
            worker.start()

    async def write(self, verb: Callable[[Connection], T], limit: TimeLimit = CALLER) -> T:
        """Run a verb that a caller waits for on the writer; return its answer once it is on disk.

        For every verb: `Unavailable` when it did not begin in time, `TimedOut` when it ran too
        long; then nothing was done. `Uncertain` when the disk hung during the commit.
        """
        return await self._call(self._writer, verb, limit, urgent=True)

    async def write_later(
        self,
        verb: Callable[[Connection], T],
        limit: TimeLimit = BACKGROUND,
        *,
        short: bool = False,
    ) -> T:
        """Run a verb that no caller waits for on the writer; return its answer once it is on disk.

        A `short` verb may share a commit with verbs that callers wait for. Errors: see `write`.
        """
        return await self._call(self._writer, verb, limit, short=short)

    async def read(self, verb: Callable[[Connection], T], limit: TimeLimit = READ) -> T:
        """Run a verb on the reader of pages, which sees one committed state."""
        return await self._call(self._pages, verb, limit)

    async def read_for_road(self, verb: Callable[[Connection], T]) -> T:
        """Run a short verb that the road of an event waits for, on its own reader."""
        return await self._call(self._road, verb, CALLER)

    async def search(self, verb: Callable[[Connection], T], limit: TimeLimit = SEARCH) -> T:
        """Run a verb that may examine many rows on the reader of searches."""
        return await self._call(self._searches, verb, limit)

    async def _call(
        self,
        worker: Worker,
        verb: Callable[[Connection], T],
        limit: TimeLimit,
        *,
        urgent: bool = False,
        short: bool = False,
    ) -> T:
        if self._closed:
            raise Unavailable("The storage is closed.")
        now = self._loop.time()
        begin_by = now + limit.begin
        if self._tick is None:
            self._tick = self._loop.call_at(now + TICK, self._enforce)
        call = Call(verb, limit=limit, begin_by=begin_by, urgent=urgent, short=short)
        answer: T = await worker.ask(call)
        return answer

    def _enforce(self) -> None:
        """Enforce the deadlines of every worker, and again later while any call waits."""
        now = self._loop.time()
        for worker in self._workers:
            worker.enforce(now)
        waits = any(worker.waiting for worker in self._workers)
        self._tick = self._loop.call_at(now + TICK, self._enforce) if waits else None

    async def close(self) -> None:
        """Finish what takes less than half a second, end the threads, close their connections.

        A thread that is blocked on the disk is left behind; the process ends without it.
        """
        if self._closed:
            return
        self._closed = True
        ended = True
        for worker in self._workers:
            worker.hurry(CLOSE_SECONDS)
            worker.queue.put(None)
            if not await self._loop.run_in_executor(None, self._join, worker):
                log.error("a thread of the database does not end", thread=worker.name)
                ended = False
        if self._tick is not None:
            self._tick.cancel()
        if ended:
            self._writer.checkpointer.close()

    @staticmethod
    def _join(worker: Worker) -> bool:
        return worker.join(END_SECONDS)
