"""The threads that own the connections: one writes, three read, one copies the log.

What the writer finds waiting it runs in ONE transaction and commits once, whatever the verbs
are: an accept and a settle share an fsync. The answers of a commit go back to the event loop
in one call.

Somebody waits for an accept; nobody for a settle or a claim, of which a big backlog makes as
many as the machine can do. So what is urgent goes first, shares its commit with one short verb of
the rest if that is all there is, and ends a transaction of the rest at the next verb. They take
turns, so that neither starves (docs/adr/0010).

Each reader has a queue of its own, for one kind of question: what deliveries and API calls cannot
go on without, what a page shows, and searches, which may take two seconds each. So a slow question
keeps only those of its kind waiting.

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
from winnerr_webhooks.storage.sqlite.log_copy import LogCopy

T = TypeVar("T")
Verb = Callable[[Connection], Any]

_MOST_WAITING = 4_096
_MOST_TOGETHER = 256
_GIVE_WAY_SECONDS = 0.5


class _Call(NamedTuple):
    verb: Verb
    answer: "asyncio.Future[Any] | None" = None
    urgent: bool = False
    short: bool = False


class _Failed(NamedTuple):
    error: Exception


class _Worker:
    """A thread that takes calls from its queue, and hands answers back to the event loop."""

    def __init__(self, name: str, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self.queue: SimpleQueue[_Call | None] = SimpleQueue()
        """Calls; None: it was the last."""
        self.waiting = 0
        """Callers without an answer; of the event loop's thread."""
        self._connection = connection
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
        self._road = _Reader("sqlite-road-reader", road, loop)
        self._pages = _Reader("sqlite-page-reader", pages, loop)
        self._copier = _Copier("sqlite-log-copier", copier, loop)
        self._writer = _Writer("sqlite-writer", writer, loop, self._copier)
        self._searches = _Searcher("sqlite-search-reader", searches, loop, self._writer.log)
        self._workers = (self._writer, self._road, self._pages, self._searches, self._copier)
        for worker in self._workers:
            worker.start()

    async def write(
        self, verb: Callable[[Connection], T], *, urgent: bool = True, short: bool = False
    ) -> T:
        """Run a verb on the writer; its answer once it is on disk.

        `urgent`: somebody waits for it. `short`: if not, it may share a commit with what is.
        """
        answer: T = await self._call(self._writer, _Call(verb, urgent=urgent, short=short))
        return answer

    async def read(self, verb: Callable[[Connection], T]) -> T:
        """Run a verb on a reader, which sees one committed state."""
        answer: T = await self._call(self._pages, _Call(verb))
        return answer

    async def read_for_road(self, verb: Callable[[Connection], T]) -> T:
        """The same for a short verb that the road of an event, or every call, waits for."""
        answer: T = await self._call(self._road, _Call(verb))
        return answer

    async def search(self, verb: Callable[[Connection], T]) -> T:
        """The same for a verb that may look at much."""
        answer: T = await self._call(self._searches, _Call(verb))
        return answer

    async def _call(self, worker: _Worker, call: _Call) -> Any:
        if self._closed:
            raise Unavailable("The storage is closed.")
        if worker.waiting >= _MOST_WAITING:
            raise Unavailable("The database has too much waiting.")
        answer: asyncio.Future[Any] = self._loop.create_future()
        worker.waiting += 1
        try:
            worker.queue.put(call._replace(answer=answer))
            return await answer
        finally:
            worker.waiting -= 1

    async def close(self) -> None:
        """Finish what was handed in, then end the threads and close their connections."""
        if self._closed:
            return
        self._closed = True
        for worker in self._workers:  # the writer before who copies for it
            worker.queue.put(None)
            await self._loop.run_in_executor(None, worker.join)
        self._writer.log.close()


class _Writer(_Worker):
    """Drains its queue into one transaction after another, and sees to the log between them."""

    def __init__(
        self, name: str, connection: Connection, loop: asyncio.AbstractEventLoop, copier: _Worker
    ) -> None:
        super().__init__(name, connection, loop)
        self._open = True
        self._urgent: deque[_Call] = deque()
        self._rest: deque[_Call] = deque()
        self._owed = False
        """The rest was passed by: one verb of it is next, whatever is urgent."""
        self.log = LogCopy(connection, lambda: copier.queue.put(_Call(self.log.copy)))

    def _run(self) -> None:
        while self._wait():
            self._answer(*self._transact())
            self.log.look()
        self._connection.close()

    def _wait(self) -> bool:
        """Return when a call waits; False: none does, and no more will come."""
        if self._open and not (self._urgent or self._rest):
            self._sort(self.queue.get())
        self._look()
        return bool(self._urgent or self._rest)

    def _look(self) -> None:
        """Take over what has come."""
        with suppress(Empty):
            while self._open:
                self._sort(self.queue.get_nowait())

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
            if len(self._rest) == 1 and self._rest[0].short:
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


class _Reader(_Worker):
    """Answers one call after another, each in a transaction that sees one state."""

    def _run(self) -> None:
        while (call := self.queue.get()) is not None:
            if call.answer is None or not call.answer.done():  # else its caller has gone away
                self._prepare()
                self._answer([call], [self._ask(call)])
            del call
        self._connection.close()

    def _prepare(self) -> None:
        """Whatever comes before a question."""

    def _ask(self, call: _Call) -> Any:
        try:
            self._connection.begin_read()
            return call.verb(self._connection)
        except Exception as error:  # noqa: BLE001  it becomes the caller's answer
            return _Failed(translated(error))
        finally:
            self._connection.rollback()


class _Copier(_Worker):
    """Copies the log when it is told to."""

    def _run(self) -> None:
        while (call := self.queue.get()) is not None:
            call.verb(self._connection)
        self._connection.close()


class _Searcher(_Reader):
    """Reads for seconds at a time; when the log has become long, it may be copied whole between.

    Else one search after the other, each reading in the log, would let it grow for ever.
    """

    def __init__(
        self, name: str, connection: Connection, loop: asyncio.AbstractEventLoop, log: LogCopy
    ) -> None:
        super().__init__(name, connection, loop)
        self._log = log

    def _prepare(self) -> None:
        log = self._log
        if log.may_search.is_set() or log.copy_by(self._connection) == log.pages:
            return
        # What was written meanwhile is little; after its next commit the writer copies that.
        log.search_waits = True
        log.may_search.wait(_GIVE_WAY_SECONDS)


def _resolve(calls: list[_Call], outcomes: list[Any]) -> None:
    for call, outcome in zip(calls, outcomes, strict=True):
        if call.answer is None or call.answer.done():  # nobody asked, or not any more
            continue
        if isinstance(outcome, _Failed):
            call.answer.set_exception(outcome.error)
        else:
            call.answer.set_result(outcome)
