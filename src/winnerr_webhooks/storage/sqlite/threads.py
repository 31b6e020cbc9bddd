"""The threads that own the connections: one writes, a few read.

What the writer finds waiting it runs in ONE transaction and commits once, whatever the verbs
are: an accept and a settle share an fsync. The answers of a commit go back to the event loop
in one call.

Somebody waits for an accept; nobody for a settle or a claim, of which a big backlog makes as
many as the machine can do. So what is urgent goes first, shares its commit with little of the
rest (one short verb), and ends a transaction of the rest at the next verb. They take turns, so
that neither starves (docs/adr/0010).

A failed verb must not undo the others. That is rare, so savepoints (two statements a verb) are
not paid up front: a refusal that came before the verb wrote anything is simply its answer, and
after any other failure the transaction is rolled back and run again with a savepoint each. So a
verb must be a function of the database and its arguments, without effects of its own.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
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
    urgent: bool = False
    short: bool = False


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

    async def write(
        self, verb: Callable[[Connection], T], *, urgent: bool = True, short: bool = False
    ) -> T:
        """Run a verb on the writer; its answer once it is on disk.

        `urgent`: somebody waits for it. `short`: if not, it may share a commit with what is.
        """
        answer: T = await self._call(self._writes, _Call(verb, urgent=urgent, short=short))
        return answer

    async def read(self, verb: Callable[[Connection], T]) -> T:
        """Run a verb on a reader, which sees one committed state."""
        answer: T = await self._call(self._reads, _Call(verb))
        return answer

    async def _call(self, queue: "SimpleQueue[_Call | None]", call: _Call) -> Any:
        if self._closed:
            raise Unavailable("The storage is closed.")
        if self._waiting >= _MOST_WAITING:
            raise Unavailable("The database has too much waiting.")
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting += 1
        try:
            queue.put(call._replace(answer=answer))
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
        self._open = True
        self._urgent: deque[_Call] = deque()
        self._rest: deque[_Call] = deque()
        self._owed = False
        """The rest was passed by: one verb of it is next, whatever is urgent."""
        self._log_pages = 0
        self._copied_pages = 0
        self._checkpointing = threading.Event()
        connection.apsw.set_wal_hook(self._note_log_pages)

    def _note_log_pages(self, _connection: object, _database: str, pages: int) -> int:
        self._log_pages = pages
        return 0

    def _run(self) -> None:
        while self._wait():
            self._answer(*self._transact())
            self._checkpoint()
        self._connection.close()

    def _wait(self) -> bool:
        """Return when a call waits; False: none does, and no more will come."""
        if self._open and not (self._urgent or self._rest):
            self._sort(self._queue.get())
        self._look()
        return bool(self._urgent or self._rest)

    def _look(self) -> None:
        """Take over what has come."""
        with suppress(Empty):
            while self._open:
                self._sort(self._queue.get_nowait())

    def _sort(self, call: _Call | None) -> None:
        if call is None:
            self._open = False
        else:
            (self._urgent if call.urgent else self._rest).append(call)

    def _next_calls(self) -> Iterator[_Call]:
        """The calls of one transaction, at least one; see the module on their order."""
        if self._urgent and not self._owed:
            for _ in range(min(len(self._urgent), _MOST_TOGETHER)):
                yield self._urgent.popleft()
            if self._rest and self._rest[0].short:
                yield self._rest.popleft()
            self._owed = bool(self._rest)
            return
        self._owed = False
        for _ in range(min(len(self._rest), _MOST_TOGETHER)):
            yield self._rest.popleft()
            self._look()
            if self._urgent:
                return

    def _transact(self) -> tuple[list[_Call], list[Any]]:
        """Run the next calls in one transaction; they, and what came of each."""
        connection = self._connection
        calls: list[_Call] = []
        outcomes: list[Any] = []
        try:
            connection.begin()
            for call in self._next_calls():
                calls.append(call)
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
            if not calls:  # it could not even begin
                calls = list(self._next_calls())
            if len(calls) == 1 or isinstance(failure, Unavailable):
                return calls, [_Failed(failure)] * len(calls)
            return calls, self._transact_apart(calls)
        return calls, outcomes

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
