"""Transactions on PostgreSQL, each with an answer in time whatever happens to the database.

Every piece of work is a function of a `PostgresSession`. It runs in one transaction, or is one
statement by itself. Losing the database is an answer (`Unavailable`; `Uncertain` when a commit was
under way), never a hang.

Behind a pooler that lends server connections by the transaction (pgbouncer), nothing may outlive
a transaction: no prepared statement, no session setting. A pooler is detected: the process id that
the protocol gave at the start is then not that of the process that answers.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import asyncpg
import structlog

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.database_url import display_name
from winnerr_webhooks.domain.errors import (
    CannotStart,
    ConfigurationError,
    TimedOut,
    Unavailable,
    Uncertain,
)
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.storage.postgres.connection_opener import (
    FAILURES,
    Backend,
    Connection,
    ConnectionOpener,
)
from winnerr_webhooks.storage.postgres.connection_pool import PROBE_AFTER, ConnectionPool
from winnerr_webhooks.storage.postgres.postgres_errors import (
    TOO_LONG,
    is_lost,
    is_retryable,
    is_server_busy,
    is_temporary,
    translate,
)
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession

ROAD_SECONDS: Final = 1.8
"""How long work on the road may take, so that a caller has a 503 within 2 s."""
ROLLBACK_SECONDS: Final = 0.1
START_SECONDS: Final = 15.0
"""How long a start waits for a server that is starting, or whose connections are all in use."""
START_PAUSE: Final = 0.5
TRIES: Final = 4
"""How often a transaction runs that the database gives up (deadlock, serialization failure)."""

log = structlog.get_logger(__name__)

T = TypeVar("T")
Work = Callable[[PostgresSession], Coroutine[Any, Any, T]]


class LostCommit(Uncertain):
    """A commit that may or may not have taken place.

    `backend` is the process that was to commit; None: not known. `late`: the connection did not
    break, but the time was over.
    """

    def __init__(self, detail: str, backend: Backend | None, *, late: bool = False) -> None:
        super().__init__(detail, 2)
        self.backend = backend
        self.late = late


class Database:
    """One database over a few connections, for one event loop."""

    def __init__(self, url: str, *, clock: Clock, jitter: Jitter, connections: int) -> None:
        self._jitter = jitter
        self._name = display_name(url)
        self._opener = ConnectionOpener(url)
        self._pool = ConnectionPool(self._opener, clock=clock, jitter=jitter, limit=connections)
        self.busy_seconds = 0.0
        """Seconds for which connections were in use: about as long as the server has worked."""

    async def start(self) -> None:
        """Open the first connection.

        A server whose connections are all in use, or that is still starting, is tried again for
        `START_SECONDS`. `CannotStart` when a later start may work, else `ConfigurationError`.
        """
        ends = asyncio.get_running_loop().time() + START_SECONDS
        waits = False
        while True:
            try:
                await self._pool.start()
            except FAILURES as error:
                failures, reason = self._opener.failures.values(), self._opener.describe_failures()
                if (
                    not any(map(is_server_busy, failures))
                    or asyncio.get_running_loop().time() > ends
                ):
                    kind = CannotStart if any(map(is_temporary, failures)) else ConfigurationError
                    raise kind(
                        f"WINNERR_WEBHOOKS_DATABASE_URL: {self._name} cannot be used: {reason}."
                    ) from error
            else:
                return
            if not waits:
                waits = True
                log.warning("the start waits for the database", database=self._name, reason=reason)
            await asyncio.sleep(self._jitter.around(START_PAUSE))

    async def close(self) -> None:
        """Let the work under way finish, for 2 s at most, and close every connection."""
        await self._pool.close()

    @property
    def pooled(self) -> bool:
        """Whether a pooler is in between."""
        return self._opener.pooled

    @property
    def reconnected_at(self) -> float:
        """Monotonic instant at which the database came back after a loss; -inf: there was none."""
        return self._pool.reconnected_at

    @property
    def lost(self) -> bool:
        """Whether the database is known to be away."""
        return self._pool.lost

    # --- work ---------------------------------------------------------------------------------

    async def transact(
        self, work: Work[T], *, seconds: float = ROAD_SECONDS, settings: str = ""
    ) -> T:
        """Run `work` in one transaction; return its answer once it is on disk.

        It runs again when the database gives it up in favour of another transaction, so it must
        have no effects but those on the database. `settings` are statements such as
        `SET LOCAL statement_timeout = '10s';`, for work that takes longer.

        After `seconds`, tries included, the answer is `TimedOut`, or `Unavailable` when the
        database is lost: then nothing was done. It is `LostCommit` once the commit had begun.
        """
        return await self._run(f"BEGIN;{self._opener.local_settings}{settings}", work, seconds)

    async def autocommit(self, work: Work[T], *, seconds: float = ROAD_SECONDS) -> T:
        """Run `work` that is ONE statement, which needs no BEGIN and COMMIT.

        A statement commits where it ends, so losing it is always a `LostCommit`.
        """
        if self.pooled:
            return await self.transact(work, seconds=seconds)
        return await self._run(None, work, seconds)

    async def _run(self, begin: str | None, work: Work[T], seconds: float) -> T:
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        probe = loop.call_later(PROBE_AFTER, self._pool.probe_soon)
        try:
            for tries_left in reversed(range(TRIES)):
                try:
                    return await self._run_once(begin, work, seconds, ends)
                except Exception as error:
                    if not (tries_left and is_retryable(error)):
                        failure = translate(error)
                        if failure is error:
                            raise
                        raise failure from error
                await asyncio.sleep(self._jitter.around(0.005, 1.0))
            raise AssertionError("the last try answers")
        finally:
            probe.cancel()

    async def _run_once(self, begin: str | None, work: Work[T], seconds: float, ends: float) -> T:
        connection: Connection | None = None
        committing = False
        reusable = False
        loop = asyncio.get_running_loop()
        began = ends
        try:
            async with asyncio.timeout_at(ends):
                connection = await self._pool.acquire(seconds)
                began = loop.time()
                session = PostgresSession(connection)
                if begin is not None:
                    await session.script(begin)
                committing = begin is None  # a statement by itself commits where it ends
                answer = await work(session)
                if begin is not None:
                    committing = True
                    await _commit(connection)
            reusable = True
        except TimeoutError as error:
            if committing and connection is not None:
                raise LostCommit(
                    "The database did not answer in time while it committed.",
                    connection.backend,
                    late=True,
                ) from error
            raise self._too_late() from error
        except Exception as error:
            if connection is not None and is_lost(error):
                self._pool.mark_lost(error)
                if committing:
                    raise LostCommit(
                        "The database was lost while it committed.", connection.backend
                    ) from error
                raise Unavailable("The database was lost.", 2) from error
            reusable = connection is not None and await _rolled_back(connection, begin)
            raise
        finally:
            if connection is not None:
                self.busy_seconds += loop.time() - began
                self._pool.release(connection, reusable=reusable)
        return answer

    def _too_late(self) -> Unavailable:
        """Return the error for work whose time is over: a slow statement is not a lost database."""
        if self.lost:
            return Unavailable("The database did not answer in time.", 2)
        return TimedOut(TOO_LONG, 2)


async def _commit(connection: asyncpg.Connection) -> None:
    """Commit; an error when a failed statement, whose error was ignored, had aborted it."""
    if await connection.execute("COMMIT") != "COMMIT":
        raise RuntimeError("a transaction went on after one of its statements had failed")


async def _rolled_back(connection: asyncpg.Connection, begin: str | None) -> bool:
    """End a transaction that failed; return whether the connection can be used again."""
    if begin is None:
        return not connection.is_closed()
    try:
        async with asyncio.timeout(ROLLBACK_SECONDS):
            await connection.execute("ROLLBACK")
    except FAILURES:
        return False
    return True
