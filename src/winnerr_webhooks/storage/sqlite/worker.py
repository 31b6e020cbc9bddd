"""Workers: a thread each, with a connection of its own and a queue of calls that have deadlines.

The event loop checks every worker a few times a second while calls wait (`Worker.enforce`):

- A call that has not begun in its time is dropped from the queue. Nothing was done.
- A verb that runs too long is interrupted, and its transaction rolled back.
- A thread that does not react to an interrupt is blocked on the disk. The event loop answers its
  callers, and its transaction is rolled back if the thread ever continues. If it blocks during a
  commit, the result is unknown (`Uncertain`).

A lock makes each of these decisions happen once: whether a call begins or is dropped, and whether
a transaction commits or is given up.
"""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

import structlog

from winnerr_webhooks.domain.errors import Unavailable, Uncertain
from winnerr_webhooks.storage.sqlite.calls import Call, Failed, resolve
from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection
from winnerr_webhooks.storage.sqlite.sqlite_errors import translate
from winnerr_webhooks.storage.sqlite.wal_checkpoint import WalCheckpointer

_MOST_WAITING: Final = 4_096
_GIVE_WAY_SECONDS: Final = 0.5
STUCK_SECONDS: Final = 1.0
"""From an interrupt until a thread counts as stuck in the disk."""
COMMIT_SECONDS: Final = 3.0
"""How long a commit may take before its callers get `Uncertain`."""
_RETRY_AFTER: Final = 5
_BUSY = "The database has too much to do, and nothing was done: try again in a few seconds."
LOCKED: Final = "The database is locked by another process."
_STUCK = "The disk does not answer."

log = structlog.get_logger(__name__)


class Activity(NamedTuple):
    """What a thread is doing now. There is a new object for each verb and each commit."""

    call: Call | None
    """The call that runs. None while the thread commits."""


class Worker:
    """A thread that takes calls from its queue, and gives answers back to the event loop."""

    def __init__(self, name: str, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self.queue: SimpleQueue[Call | None] = SimpleQueue()
        """Calls to run. None ends the thread."""
        self.waiting: dict[Call, None] = {}
        """Calls without an answer, the oldest first; used on the event loop's thread."""
        self.locked = False
        """Whether another process kept it from beginning its last transaction."""
        self._connection = connection
        self._loop = loop
        self._lock = threading.Lock()
        self._activity: Activity | None = None
        self._given_up = False
        """Whether the callers of the transaction under way have their answer already."""
        self._closed = False
        self._most_work = float("inf")
        self._seen: Activity | None = None
        self._seen_at = 0.0
        self._thread = threading.Thread(target=self._run_to_end, name=name, daemon=True)

    def start(self) -> None:
        """Begin to take calls."""
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def name(self) -> str:
        """The name of its thread."""
        return self._thread.name

    # --- the event loop's side ----------------------------------------------------------------

    async def ask(self, call: Call) -> Any:
        """Put a call into the queue, and wait for its answer."""
        if len(self.waiting) >= _MOST_WAITING or self.queue.qsize() >= _MOST_WAITING:
            raise Unavailable("The database has too much waiting.")
        call.answer = answer = self._loop.create_future()
        self.waiting[call] = None
        try:
            self.queue.put(call)
            return await answer
        finally:
            del self.waiting[call]

    def hurry(self, seconds: float) -> None:
        """Let waiting calls begin within `seconds`, and run for at most `seconds`."""
        begin_by = self._loop.time() + seconds
        for call in self.waiting:
            call.begin_by = min(call.begin_by, begin_by)
        self._most_work = seconds

    def enforce(self, now: float) -> None:
        """Answer callers whose time is over; interrupt a verb that runs too long."""
        with self._lock:
            late = [x for x in self.waiting if not x.begun and not x.dropped and now >= x.begin_by]
            for call in late:
                call.drop()
            begun = [x for x in self.waiting if x.begun]
            failure = self._overdue(now)
        if late:
            reason = LOCKED if self.locked else _STUCK if self._given_up else _BUSY
            resolve(late, [Failed(Unavailable(reason, _RETRY_AFTER)) for _ in late])
        if failure is not None:
            log.error("a thread of the database stands still", thread=self.name)
            resolve(begun, [Failed(failure)] * len(begun))

    def _overdue(self, now: float) -> Unavailable | None:
        """Interrupt a verb that runs too long; returns the callers' error if that does not help."""
        activity = self._activity
        if activity is not self._seen:
            self._seen, self._seen_at = activity, now
        if activity is None or self._given_up:
            return None
        took = now - self._seen_at
        if activity.call is None:
            if took < COMMIT_SECONDS:
                return None
            self._given_up = True
            return Uncertain("The disk did not answer while the database committed.", _RETRY_AFTER)
        most = min(activity.call.limit.work, self._most_work)
        if took < most:
            return None
        if not self._closed:
            self._connection.apsw.interrupt()
        if took < most + STUCK_SECONDS:
            return None
        self._given_up = True
        return Unavailable(_STUCK, _RETRY_AFTER)

    # --- the thread's side --------------------------------------------------------------------

    def _run_to_end(self) -> None:
        try:
            self._run()
        finally:
            with self._lock:  # a connection that is closed must not be interrupted
                self._closed = True
                self._connection.close()

    def _run(self) -> None:
        raise NotImplementedError

    def _begin(self, call: Call) -> bool:
        """Begin a call. Return False if it was dropped."""
        with self._lock:
            if call.dropped:
                return False
            call.begun = True
            self._activity = Activity(call)
        return True

    def _end(self) -> None:
        """Note that what was begun has ended."""
        with self._lock:
            self._activity = None
            self._given_up = False

    def _answer(self, calls: Sequence[Call], outcomes: Sequence[Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed: no caller waits any more
            self._loop.call_soon_threadsafe(resolve, calls, outcomes)


class Reader(Worker):
    """Runs one call after another, each in a transaction that sees one committed state."""

    def _run(self) -> None:
        while (call := self.queue.get()) is not None:
            if call.answer is None or not call.answer.done():  # else its caller has left
                self._prepare()
                if self._begin(call):
                    self._answer([call], [self._ask(call)])
            del call

    def _prepare(self) -> None:
        """Do what has to be done before a call."""

    def _ask(self, call: Call) -> Any:
        try:
            self._connection.begin_read()
            return call.verb(self._connection)
        except Exception as error:  # noqa: BLE001  it becomes the caller's answer
            return Failed(translate(error))
        finally:
            self._end()
            self._connection.rollback()


class CheckpointThread(Worker):
    """Copies the log when the writer asks for it."""

    def _run(self) -> None:
        while (call := self.queue.get()) is not None:
            call.verb(self._connection)


class Searcher(Reader):
    """Runs searches. When the write-ahead log has become long, it waits for a full copy first.

    Otherwise one search after another would read in the log, and it would grow for ever.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        checkpointer: WalCheckpointer,
    ) -> None:
        super().__init__(name, connection, loop)
        self._checkpointer = checkpointer

    def _prepare(self) -> None:
        checkpointer = self._checkpointer
        if checkpointer.may_search.is_set():
            return
        if checkpointer.checkpoint_on(self._connection) == checkpointer.pages:
            return
        # Little was written meanwhile. The writer copies that after its next commit.
        checkpointer.search_waits = True
        checkpointer.may_search.wait(_GIVE_WAY_SECONDS)
