"""The threads that own the connections: one writes, a few read.

What the writer finds waiting it runs in ONE transaction and commits once, whatever the verbs
are: an accept and a settle share an fsync. The answers of a commit go back to the event loop
in one call.

A failed verb must not undo the others. That is rare, so savepoints (two statements a verb) are
not paid up front: a refusal that came before the verb wrote anything is simply its answer, and
after any other failure the transaction is rolled back and run again with a savepoint each. So a
verb must be a function of the database and its arguments, without effects of its own.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from winnerr_webhooks.domain.errors import Refused, Unavailable
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.errors import translated

T = TypeVar("T")
Verb = Callable[[Connection], Any]

_MOST_WAITING = 4_096
_MOST_TOGETHER = 256
_CHECKPOINT_PAGES = 1_000
_CHECKPOINT_NOW_PAGES = 8_000


class _Call(NamedTuple):
    verb: Verb
    answer: "asyncio.Future[Any] | None" = None


class _Failed(NamedTuple):
    error: Exception


class _Worker:
    """A thread that takes calls from a queue, and hands answers back to the event loop."""

    def __init__(
        self, name: str, queue: "SimpleQueue[_Call | None]", loop: asyncio.AbstractEventLoop
    ) -> None:
        self._queue = queue
        self._loop = loop
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        raise NotImplementedError

    def _answer(self, calls: list[_Call], outcomes: list[Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_resolve, calls, outcomes)


class Threads:
    """The writer and the readers of one database, as the event loop sees them."""

    def __init__(self, writer: Connection, readers: list[Connection]) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._closed = False
        self._waiting = 0
        self._writes: SimpleQueue[_Call | None] = SimpleQueue()
        self._reads: SimpleQueue[_Call | None] = SimpleQueue()
        self._workers: list[_Worker] = [
            _Writer("sqlite-writer", self._writes, loop, writer, self._reads),
            *(
                _Reader(f"sqlite-reader-{number}", self._reads, loop, connection)
                for number, connection in enumerate(readers, 1)
            ),
        ]
        for worker in self._workers:
            worker.start()

    async def write(self, verb: Callable[[Connection], T]) -> T:
        """Run a verb on the writer; its answer once it is on disk."""
        return await self._call(self._writes, verb)

    async def read(self, verb: Callable[[Connection], T]) -> T:
        """Run a verb on a reader, which sees one committed state."""
        return await self._call(self._reads, verb)

    async def _call(self, queue: "SimpleQueue[_Call | None]", verb: Callable[[Connection], T]) -> T:
        if self._closed:
            raise Unavailable("The storage is closed.")
        if self._waiting >= _MOST_WAITING:
            raise Unavailable("The database has too much waiting.")
        answer: asyncio.Future[T] = self._loop.create_future()
        self._waiting += 1
        try:
            queue.put(_Call(verb, answer))
            return await answer
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Finish what was handed in, then end the threads and close their connections."""
        if self._closed:
            return
        self._closed = True
        writer, *readers = self._workers
        self._writes.put(None)
        await self._loop.run_in_executor(None, writer.join)
        for _ in readers:  # after the writer, which still hands them checkpoints
            self._reads.put(None)
        for reader in readers:
            await self._loop.run_in_executor(None, reader.join)


class _Writer(_Worker):
    """Drains its queue into one transaction after another.

    SQLite's own checkpoint at every 1,000 pages would run inside a commit. Here a reader's
    thread copies the log while this one goes on writing; only when the log has become long
    all the same (a copy that never catches up cannot start it over) does this thread take
    the short rest upon itself, after its answers are out.
    """

    def __init__(
        self,
        name: str,
        queue: "SimpleQueue[_Call | None]",
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        reads: "SimpleQueue[_Call | None]",
    ) -> None:
        super().__init__(name, queue, loop)
        self._connection = connection
        self._reads = reads
        self._log_pages = 0
        self._copied_pages = 0
        self._checkpointing = threading.Event()
        connection.apsw.set_wal_hook(self._note_log_pages)

    def _note_log_pages(self, _connection: object, _database: str, pages: int) -> int:
        self._log_pages = pages
        return 0

    def _run(self) -> None:
        open_ = True
        while open_:
            calls, open_ = self._next_calls()
            if calls:
                self._answer(calls, self._transact(calls))
                del calls
                self._checkpoint()
        self._connection.close()

    def _next_calls(self) -> tuple[list[_Call], bool]:
        """Everything that waits, at least one; False: no more will come."""
        calls: list[_Call] = []
        call = self._queue.get()
        while call is not None:
            calls.append(call)
            if len(calls) >= _MOST_TOGETHER:
                return calls, True
            try:
                call = self._queue.get_nowait()
            except Empty:
                return calls, True
        return calls, False

    def _transact(self, calls: list[_Call]) -> list[Any]:
        connection = self._connection
        outcomes: list[Any] = []
        try:
            connection.begin()
            for call in calls:
                before = connection.apsw.total_changes()
                try:
                    outcomes.append(call.verb(connection))
                except Refused as refusal:
                    if connection.apsw.total_changes() != before:
                        raise
                    outcomes.append(_Failed(refusal))
            connection.commit()
        except Exception as error:  # noqa: BLE001  each becomes its callers' answer
            connection.rollback()
            failure = translated(error)
            if len(calls) == 1 or isinstance(failure, Unavailable):
                return [_Failed(failure)] * len(calls)
            return self._transact_apart(calls)
        return outcomes

    def _transact_apart(self, calls: list[_Call]) -> list[Any]:
        """One transaction with a savepoint each, so that who fails, fails alone."""
        connection = self._connection
        outcomes: list[Any] = []
        try:
            connection.begin()
            for call in calls:
                connection.apsw.execute("SAVEPOINT verb")
                try:
                    outcomes.append(call.verb(connection))
                except Exception as error:
                    failure = translated(error)
                    if isinstance(failure, Unavailable):
                        raise
                    connection.apsw.execute("ROLLBACK TO verb")
                    outcomes.append(_Failed(failure))
                connection.apsw.execute("RELEASE verb")
            connection.commit()
        except Exception as error:  # noqa: BLE001  it becomes everybody's answer
            connection.rollback()
            return [_Failed(translated(error))] * len(calls)
        return outcomes

    def _checkpoint(self) -> None:
        if self._log_pages < self._copied_pages:  # the log was started over
            self._copied_pages = 0
        if self._log_pages - self._copied_pages < _CHECKPOINT_PAGES:
            return
        if self._log_pages >= _CHECKPOINT_NOW_PAGES:
            self._copied_pages = self._log_pages
            self._connection.checkpoint()
        elif not self._checkpointing.is_set():
            self._copied_pages = self._log_pages
            self._checkpointing.set()
            self._reads.put(_Call(self._checkpoint_aside))

    def _checkpoint_aside(self, reader: Connection) -> None:
        reader.rollback()  # a checkpoint runs outside any transaction
        reader.checkpoint()
        self._checkpointing.clear()


class _Reader(_Worker):
    """Answers one call after another, each in a transaction that sees one state."""

    def __init__(
        self,
        name: str,
        queue: "SimpleQueue[_Call | None]",
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
    ) -> None:
        super().__init__(name, queue, loop)
        self._connection = connection

    def _run(self) -> None:
        while (call := self._queue.get()) is not None:
            self._answer([call], [self._ask(call)])
            del call
        self._connection.close()

    def _ask(self, call: _Call) -> Any:
        try:
            self._connection.begin_read()
            return call.verb(self._connection)
        except Exception as error:  # noqa: BLE001  it becomes the caller's answer
            return _Failed(translated(error))
        finally:
            self._connection.rollback()


def _resolve(calls: list[_Call], outcomes: list[Any]) -> None:
    for call, outcome in zip(calls, outcomes, strict=True):
        if call.answer is None or call.answer.done():  # nobody asked, or not any more
            continue
        if isinstance(outcome, _Failed):
            call.answer.set_exception(outcome.error)
        else:
            call.answer.set_result(outcome)
