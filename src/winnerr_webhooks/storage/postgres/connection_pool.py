"""A few connections to PostgreSQL, lent for one transaction at a time, and reconnected when lost.

While the database is known to be lost, no work waits for it longer than `PATIENCE`, counted from
the loss. After that all work fails at once, and one task tries to reconnect with jittered waits.

A loss is known when a connection breaks. It can also be that nothing breaks and nothing answers (a
network that swallows packets). Then one more connection is tried: if it gets no answer either, and
no other connection got one meanwhile, the database is lost.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import structlog

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.storage.postgres.connection_opener import (
    CONNECT_SECONDS,
    FAILURES,
    Connection,
    ConnectionOpener,
    describe_error,
)
from winnerr_webhooks.storage.postgres.postgres_errors import is_lost

PATIENCE: Final = 0.9
"""Seconds that work waits for a lost database to come back, counted from the loss."""
FIRST_WAIT: Final = 0.05
"""Seconds between the first two tries to reconnect; later ones wait longer."""
LONGEST_WAIT: Final = 1.0
PROBE_AFTER: Final = 1.0
"""Seconds without an answer after which the database is probed."""
PROBE_SECONDS: Final = 0.8
"""How long a probe waits. A database that did not answer counts as lost since the probe began: so
work that had to wait for other work to fail is also answered within 2 s."""
LONG_SECONDS: Final = 10.0
"""Callers with a longer deadline (jobs, retention) may wait for a stall to end."""
FULL_SECONDS: Final = 1.0
"""After a further connection was refused, how long the open ones have to do."""
FINISH_SECONDS: Final = 2.0
"""How long lent connections may take to come back when the pool closes."""
END_SECONDS: Final = 1.0
"""How long one connection may take to close."""

log = structlog.get_logger(__name__)


class ConnectionPool:
    """Up to `limit` connections to one database, for one event loop."""

    def __init__(
        self, opener: ConnectionOpener, *, clock: Clock, jitter: Jitter, limit: int
    ) -> None:
        self._opener = opener
        self._clock = clock
        self._jitter = jitter
        self._limit = limit
        self._open = 0
        """Connections that are open or being opened."""
        self._idle: list[Connection] = []
        self._lent: dict[Connection, float] = {}
        """Lent connections, and how many seconds their work may take."""
        self._opening: set[asyncio.Timeout] = set()
        """The time limits of work that opens a connection for itself."""
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._full_until = float("-inf")
        self._lost_at: float | None = None
        self._reason = ""
        """Why the database is away, as it was logged."""
        self._back = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._empty = asyncio.Event()
        self._answers = 0
        """Counts work that was done: each proves that the database answers."""
        self.reconnected_at = float("-inf")
        """Monotonic instant at which the database came back after a loss."""

    async def start(self) -> None:
        """Open the first connection; one of `FAILURES` says why that is not possible."""
        self._idle.append(await self._opener.open())
        self._open += 1

    @property
    def lost(self) -> bool:
        """Whether the database is known to be away."""
        return self._lost_at is not None

    # --- lending ------------------------------------------------------------------------------

    async def acquire(self, seconds: float) -> Connection:
        """Lend a connection to work that may take `seconds`; `release` it, whatever happens.

        `Unavailable` while the database is lost. Waits as long as it takes for a free one.
        """
        if self._closed:
            raise Unavailable("The storage is closed.")
        while True:
            if self._lost_at is not None:
                await self._wait_for_return(self._lost_at)
                continue
            connection = await self._free()
            if connection is None:
                continue
            if connection.is_closed():
                self._drop(connection)
                continue
            self._lent[connection] = seconds
            return connection

    async def _free(self) -> Connection | None:
        """Return a free connection, or None if the caller should try again."""
        if self._idle:
            return self._idle.pop()
        is_full = self._open and self._clock.monotonic() < self._full_until
        if self._open < self._limit and not is_full:
            return await self._open_further()
        waiter: asyncio.Future[Connection | None]
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():  # it came as this caller was leaving
                self._pass_on(waiter.result())
            else:
                with suppress(ValueError):
                    self._waiters.remove(waiter)
            raise

    async def _open_further(self) -> Connection | None:
        self._open += 1
        try:
            return await self._open_until_lost()
        except FAILURES as error:
            self._open -= 1
            if self._lost_at is not None:
                return None
            self._full_until = self._clock.monotonic() + FULL_SECONDS
            if not self._open:  # then no connection can come back to the pool
                self.mark_lost(error)
            else:
                log.warning("no further connection to the database", reason=describe_error(error))
        except BaseException:
            self._open -= 1
            self._pass_on(None)
            raise
        return None

    async def _open_until_lost(self) -> Connection:
        """Open a connection; `TimeoutError` if the database is marked lost meanwhile."""
        async with asyncio.timeout(None) as limit:
            self._opening.add(limit)
            try:
                return await self._opener.open()
            finally:
                self._opening.discard(limit)

    def release(self, connection: Connection, *, reusable: bool) -> None:
        """Take a connection back; `reusable`: nothing is under way on it."""
        del self._lent[connection]
        self._answers += reusable
        if reusable and self._lost_at is None and not connection.is_closed():
            self._pass_on(connection)
        else:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        # Behind a pooler, a cancel request could reach what another client has begun since.
        if connection.is_closed() or self._lost_at is not None or self._opener.pooled:
            connection.terminate()
        else:
            ending = asyncio.get_running_loop().create_task(_end(connection))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        self._open -= 1
        self._pass_on(None)

    def _pass_on(self, connection: Connection | None) -> None:
        """Hand a connection, or the room for one, to the caller that waits longest."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is not None and self._closed:
            connection.terminate()
            self._open -= 1
        elif connection is not None:
            self._idle.append(connection)
        if not self._open:
            self._empty.set()

    # --- losing -------------------------------------------------------------------------------

    def mark_lost(self, error: BaseException, since: float | None = None) -> None:
        """Note that the database is lost (since that monotonic instant), and begin to reconnect."""
        if self._closed or self._lost_at is not None:
            return
        self._explain(error)
        self._lost_at = self._clock.monotonic() if since is None else since
        self._back.clear()
        idle, self._idle = self._idle, []
        for connection in idle:  # it is lost too
            connection.terminate()
        self._open -= len(idle)
        opening, self._opening = self._opening, set()
        for limit in opening:
            limit.reschedule(asyncio.get_running_loop().time())
        waiting = list(self._waiters)
        self._waiters.clear()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._begin("reconnect", self._reconnect)

    def probe_soon(self) -> None:
        """Some work got no answer: probe whether the database gives any."""
        probing = self._tasks.get("probe")
        if self._closed or self._lost_at is not None or (probing and not probing.done()):
            return
        self._begin("probe", self._probe)

    async def _probe(self) -> None:
        began, answers = self._clock.monotonic(), self._answers
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                connection = await self._opener.open()
        except FAILURES as error:
            # A loss that was over before this probe ended says nothing about the database now.
            if is_lost(error) and self.reconnected_at < began and self._answers == answers:
                self.mark_lost(error, began)
                for lent, seconds in self._lent.items():
                    if seconds <= LONG_SECONDS:
                        lent.terminate()  # its work fails, and releases it
            return
        if self._open < self._limit and self._lost_at is None:
            self._open += 1
            self._pass_on(connection)
        else:
            connection.terminate()

    async def _wait_for_return(self, lost_at: float) -> None:
        left = lost_at + PATIENCE - self._clock.monotonic()
        try:
            async with asyncio.timeout(left):
                await self._back.wait()
        except TimeoutError:
            raise Unavailable("The database is away.", 2) from None

    async def _reconnect(self) -> None:
        lost_at = self._clock.monotonic()
        wait = FIRST_WAIT
        while (connection := await self._try_to_open()) is None:
            await asyncio.sleep(self._jitter.around(wait, 0.5))
            wait = min(2 * wait, LONGEST_WAIT)
        self._open += 1
        self._idle.append(connection)
        self.reconnected_at = self._clock.monotonic()
        log.info("the database is back", seconds=round(self.reconnected_at - lost_at, 1))
        self._full_until = float("-inf")
        self._reason = ""
        self._lost_at = None
        self._back.set()

    async def _try_to_open(self) -> Connection | None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._opener.open()
        except Exception as error:  # noqa: BLE001  whatever it is, the next try may succeed
            self._explain(error)
            return None

    def _explain(self, error: BaseException) -> None:
        """Log why the database is away, once for each reason."""
        reason, self._reason = self._reason, describe_error(error)
        if self._reason != reason:
            log.warning("the database is away", reason=self._reason)

    def _begin(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks[name] = asyncio.get_running_loop().create_task(work())

    # --- the end ------------------------------------------------------------------------------

    async def close(self) -> None:
        """Let the work under way finish, for 2 s at most, and close every connection."""
        self._closed = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_end(connection) for connection in idle))
        self._open -= len(idle)
        self._empty.clear()
        if self._open:
            with suppress(TimeoutError):
                async with asyncio.timeout(FINISH_SECONDS):
                    await self._empty.wait()
        for connection in list(self._lent):
            connection.terminate()
        await asyncio.gather(*self._ending)


async def _end(connection: Connection) -> None:
    """Close a connection, and ask the server to cancel the statement under way on it.

    Otherwise the server would finish a statement that nobody waits for, and keep its locks. And a
    commit that waits for a standby would go on waiting, and keep its place among the server's
    connections.
    """
    try:
        await connection.close(timeout=END_SECONDS)
    except Exception:  # noqa: BLE001  it is being thrown away
        connection.terminate()
