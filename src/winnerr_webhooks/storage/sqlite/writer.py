"""The writer: runs all waiting calls in one transaction, and commits once.

Urgent calls go first. If only one other call waits and it is short, it shares their commit. An
urgent call that arrives during a transaction of the others ends it after the current verb. The
two kinds take turns, so that neither starves (docs/adr/0010).

A failed verb must not undo the others. That is rare, so savepoints (two statements a verb) are
not paid up front. A refusal that came before the verb wrote anything is simply its answer. After
any other failure the transaction is rolled back, and run again with a savepoint for each verb. So a
verb must be a function of the database and its arguments, without effects of its own. A verb that
was interrupted is not run again; those that shared its transaction are.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty
from typing import Any, Final

import apsw
import structlog

from winnerr_webhooks.domain.errors import Refused, TimedOut, Unavailable, Uncertain
from winnerr_webhooks.storage.sqlite.calls import Call, Failed
from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection
from winnerr_webhooks.storage.sqlite.sqlite_errors import RETRY_AFTER, translate
from winnerr_webhooks.storage.sqlite.wal_checkpoint import WalCheckpointer
from winnerr_webhooks.storage.sqlite.worker import Activity, Worker

_MOST_TOGETHER: Final = 256
LOCK_MS: Final = 500
"""How long one try to begin waits for another process that writes."""

COMMIT_FAILED: Final = "The disk failed while the database committed."

log = structlog.get_logger(__name__)


class Writer(Worker):
    """Drains its queue into one transaction after another, and checkpoints the log in between."""

    def __init__(
        self, name: str, connection: Connection, loop: asyncio.AbstractEventLoop, copier: Worker
    ) -> None:
        super().__init__(name, connection, loop)
        connection.apsw.set_busy_timeout(LOCK_MS)
        self._open = True
        self._urgent: deque[Call] = deque()
        self._rest: deque[Call] = deque()
        self._owed = False
        """Whether other calls were passed over: then they are next, even if urgent calls wait."""
        self._reason = ""
        """Why nothing can be written, as it was logged; empty: everything works."""
        self._away_since = 0.0
        self.checkpointer = WalCheckpointer(
            connection, lambda: copier.queue.put(Call(self.checkpointer.copy))
        )

    def _run(self) -> None:
        while self._wait():
            calls, outcomes = self._transact()
            self._end()
            if calls:
                self._answer(calls, outcomes)
                self.checkpointer.after_commit()

    def _wait(self) -> bool:
        """Wait for a call. Return False if there is none and no more will come."""
        while self._open and not (self._urgent or self._rest):
            self._sort_in(self.queue.get())
        self._take_queued()
        return bool(self._urgent or self._rest)

    def _take_queued(self) -> None:
        """Take what has come from the queue."""
        with suppress(Empty):
            while self._open:
                self._sort_in(self.queue.get_nowait())

    def _sort_in(self, call: Call | None) -> None:
        if call is None:
            self._open = False
        else:
            (self._urgent if call.urgent else self._rest).append(call)

    def _next_calls(self) -> Iterator[Call]:
        """Yield the calls of one transaction that begin in time; the module says in which order."""
        if self._urgent and not self._owed:
            for _ in range(min(len(self._urgent), _MOST_TOGETHER)):
                if self._begin(call := self._urgent.popleft()):
                    yield call
            if len(self._rest) == 1 and self._rest[0].short and self._begin(self._rest[0]):
                yield self._rest.popleft()
            self._owed = bool(self._rest)
            return
        self._owed = False
        for _ in range(min(len(self._rest), _MOST_TOGETHER)):
            if self._begin(call := self._rest.popleft()):
                yield call
            self._take_queued()
            if self._urgent:
                return

    def _transact(self) -> tuple[list[Call], list[Any]]:
        """Run the next calls in one transaction; return these calls and their outcomes."""
        connection = self._connection
        calls: list[Call] = []
        outcomes: list[Any] = []
        try:
            self.locked = not self._has_begun()
            if self.locked:
                self._forget_dropped()
                return [], []
            written = connection.apsw.total_changes()
            for call in self._next_calls():
                calls.append(call)
                before = connection.apsw.total_changes()
                try:
                    outcomes.append(call.verb(connection))
                except Refused as refusal:
                    if connection.apsw.total_changes() != before:
                        raise
                    outcomes.append(Failed(refusal))
            self._commit()
            self._note_commit(connection.apsw.total_changes() - written)
        except Exception as error:  # noqa: BLE001  each becomes its callers' answer
            connection.rollback()
            failure = translate(error)
            self._note_failure(failure)
            if not calls:  # the transaction could not begin
                calls = list(self._next_calls())
            if isinstance(failure, TimedOut) and len(outcomes) < len(calls):
                return calls, self._transact_others(calls, len(outcomes), failure)
            if len(calls) == 1 or isinstance(failure, Unavailable):
                return calls, [Failed(failure)] * len(calls)
            return calls, self._transact_apart(calls)
        return calls, outcomes

    def _note_failure(self, failure: Exception) -> None:
        """Log why nothing can be written, once for each reason."""
        if not isinstance(failure.__cause__, apsw.Error) or not isinstance(failure, Unavailable):
            return
        if isinstance(failure, TimedOut) or self._reason == failure.detail:
            return
        if not self._reason:
            self._away_since = self._loop.time()
        self._reason = failure.detail
        log.warning("the database is away", reason=self._reason)

    def _note_commit(self, rows: int) -> None:
        """Log that rows can be written again."""
        if not self._reason or not rows:
            return
        self._reason = ""
        log.info("the database is back", seconds=round(self._loop.time() - self._away_since, 1))

    def _has_begun(self) -> bool:
        """Begin a transaction. Return False if another process writes."""
        try:
            self._connection.begin()
        except apsw.BusyError:
            return False
        return True

    def _forget_dropped(self) -> None:
        """Drop the calls whose time was over before a transaction could begin."""
        self._take_queued()
        for calls in (self._urgent, self._rest):
            waiting = [call for call in calls if not call.dropped]
            calls.clear()
            calls.extend(waiting)

    def _commit(self) -> None:
        """Commit; `Unavailable` when the callers already have the answer that nothing was done.

        `Uncertain` when the disk fails: after a crash the transaction may turn out to be there.
        """
        with self._lock:
            if self._given_up:
                raise Unavailable("The disk did not answer in time.")
            self._activity = Activity(None)
        try:
            self._connection.commit()
        except apsw.IOError as error:
            raise Uncertain(COMMIT_FAILED, RETRY_AFTER) from error

    def _transact_others(self, calls: list[Call], late: int, failure: TimedOut) -> list[Any]:
        """Run all but one again: that one took too long, and its transaction was rolled back."""
        others = calls[:late] + calls[late + 1 :]
        outcomes = self._transact_apart(others) if others else []
        outcomes.insert(late, Failed(failure))
        return outcomes

    def _transact_apart(self, calls: list[Call]) -> list[Any]:
        """Run all in one transaction with a savepoint each, so that a verb fails alone."""
        connection = self._connection
        outcomes: list[Any] = []
        try:
            connection.begin()
            for call in calls:
                self._begin(call)
                connection.apsw.execute("SAVEPOINT verb")
                try:
                    outcomes.append(call.verb(connection))
                except Exception as error:
                    failure = translate(error)
                    if isinstance(failure, Unavailable):
                        raise
                    connection.apsw.execute("ROLLBACK TO verb")
                    outcomes.append(Failed(failure))
                connection.apsw.execute("RELEASE verb")
            self._commit()
        except Exception as error:  # noqa: BLE001  it becomes everybody's answer
            connection.rollback()
            failure = translate(error)
            if isinstance(failure, TimedOut) and len(outcomes) < len(calls):
                return self._transact_others(calls, len(outcomes), failure)
            return [Failed(failure)] * len(calls)
        return outcomes
