"""Connections to PostgreSQL: few, lent out a transaction at a time, and won back when lost.

Every piece of work is a function of a `Session` and runs in one transaction, or is one statement
by itself. Losing the database is an answer (`Unavailable`; `Uncertain` when a commit was under
way), never a hang: what needs it waits a second at most for it to come back, and from then on
fails at once, while one task tries to reconnect with jittered waits.

Behind a pooler that lends server connections by the transaction (pgbouncer), nothing may outlive
a transaction: no prepared statement, no session setting. It is recognised by itself: the process
id that the protocol told at the start is then not that of the process that answers.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import asyncpg
import structlog

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.errors import ConfigurationError, Unavailable, Uncertain
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.storage.postgres.errors import (
    is_lost,
    is_repeatable,
    translated,
)
from winnerr_webhooks.storage.statements import statements_of

SCHEMA: Final = "winnerr_webhooks"
"""All tables are in it, so that a database can be shared with the CRM's own."""
ROAD_SECONDS: Final = 1.8
"""How long a piece of work on the road may take: a caller has its 503 within 2 s."""
CONNECT_SECONDS: Final = 3.0
PATIENCE: Final = 1.0
"""Seconds that work waits for a lost database to come back, counted from the loss."""
FIRST_WAIT: Final = 0.05
LONGEST_WAIT: Final = 1.0
TRIES: Final = 4
"""Of a transaction that the database gave up for another one's sake (deadlock, serialization)."""

_SETTINGS: Final = {
    "search_path": f"{SCHEMA},pg_catalog",
    # A node that is stopped in the middle of a transaction must not keep its locks.
    "idle_in_transaction_session_timeout": "5s",
    "statement_timeout": "1700ms",
    "lock_timeout": "1500ms",
    # The statistics of a queue are always of another moment: no plan may rest on them.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
_PING: Final = "SELECT pg_backend_pid(), current_setting('synchronous_commit')"

T = TypeVar("T")
Row = Any
"""asyncpg.Record: a tuple whose fields have names, too."""
log = structlog.get_logger(__name__)


class LostCommit(Uncertain):
    """A commit that may or may not have taken place.

    `backend` is the process that was at it; None: it is not known (behind a pooler).
    """

    def __init__(self, detail: str, backend: int | None) -> None:
        super().__init__(detail, 2)
        self.backend = backend


class Session:
    """One connection, lent for one transaction; statements go by the names in `sql/`."""

    __slots__ = ("connection",)

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def rows(self, name: str, *values: object) -> list[Row]:
        """All rows of a statement."""
        rows: list[Row] = await self.connection.fetch(_statements()[name], *values)
        return rows

    async def row(self, name: str, *values: object) -> Row:
        """The first row of a statement, or None."""
        return await self.connection.fetchrow(_statements()[name], *values)

    async def value(self, name: str, *values: object) -> Any:
        """The first column of the first row, or None."""
        return await self.connection.fetchval(_statements()[name], *values)

    async def run(self, name: str, *values: object) -> int:
        """Run a statement; how many rows it inserted, changed or deleted."""
        tag: str = await self.connection.execute(_statements()[name], *values)
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def script(self, text: str) -> None:
        """Run statements without parameters, one after the other."""
        await self.connection.execute(text)


def _statements() -> dict[str, str]:
    return statements_of(__package__)


class Database:
    """Up to so many connections to one database, for one event loop."""

    def __init__(self, url: str, *, clock: Clock, jitter: Jitter, connections: int) -> None:
        self._url = url
        self._clock = clock
        self._jitter = jitter
        self._most = connections
        self._idle: list[asyncpg.Connection] = []
        self._open = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._lost_at: float | None = None
        self._reason = ""
        self._back = asyncio.Event()
        self._reconnecting: asyncio.Task[None] | None = None
        self.reconnected_at = float("-inf")
        """Monotonic instant at which the database came back after a loss."""
        self.pooled = False
        """Whether a pooler stands between: then a transaction is all there is."""

    async def start(self) -> None:
        """Open the first connection; `ConfigurationError` says why there is none."""
        try:
            self._idle.append(await self._connect())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            raise ConfigurationError(
                f"WINNERR_WEBHOOKS_DATABASE_URL: PostgreSQL cannot be used: {_told(error)}."
            ) from error
        self._open += 1

    # --- work ---------------------------------------------------------------------------------

    async def transact(
        self,
        work: Callable[[Session], Awaitable[T]],
        *,
        seconds: float = ROAD_SECONDS,
        settings: str = "",
    ) -> T:
        """Run `work` in one transaction; its answer once it is on disk.

        It runs again when the database gives it up for another transaction's sake, so it may
        have no effects but those on the database. `settings` are statements such as
        `SET LOCAL statement_timeout = '10s';`, for work that takes longer.
        """
        begin = "BEGIN;" + (_LOCAL_SETTINGS if self.pooled else "") + settings
        return await self._repeated(begin, work, seconds)

    async def alone(
        self, work: Callable[[Session], Awaitable[T]], *, seconds: float = ROAD_SECONDS
    ) -> T:
        """Run `work` that is ONE statement; it needs no BEGIN and COMMIT of its own."""
        if self.pooled:
            return await self.transact(work, seconds=seconds)
        return await self._repeated(None, work, seconds)

    async def _repeated(
        self, begin: str | None, work: Callable[[Session], Awaitable[T]], seconds: float
    ) -> T:
        for tries_left in reversed(range(TRIES)):
            try:
                return await self._once(begin, work, seconds)
            except Exception as error:
                if not (tries_left and is_repeatable(error)):
                    failure = translated(error)
                    if failure is error:
                        raise
                    raise failure from error
            await asyncio.sleep(self._jitter.around(0.005, 1.0))
        raise AssertionError("the last try answers")

    async def _once(
        self, begin: str | None, work: Callable[[Session], Awaitable[T]], seconds: float
    ) -> T:
        connection: asyncpg.Connection | None = None
        committing = False
        whole = False
        try:
            async with asyncio.timeout(seconds):
                connection = await self._take()
                session = Session(connection)
                if begin is not None:
                    await session.script(begin)
                committing = begin is None  # a statement by itself commits where it ends
                answer = await work(session)
                if begin is not None:
                    committing = True
                    await session.script("COMMIT")
            whole = True
        except TimeoutError as error:
            raise self._away("did not answer in time", connection, committing=committing) from error
        except Unavailable:
            whole = connection is not None and await _rolled_back(connection, begin)
            raise
        except Exception as error:
            if connection is not None and is_lost(error):
                self._lose(_told(error))
                raise self._away("was lost", connection, committing=committing) from error
            whole = connection is not None and await _rolled_back(connection, begin)
            raise
        finally:
            if connection is not None:
                if whole:
                    self._give(connection)
                else:  # something may still be under way on it
                    self._drop(connection)
        return answer

    def _away(
        self, what: str, connection: asyncpg.Connection | None, *, committing: bool
    ) -> Unavailable:
        if connection is None or not committing:
            return Unavailable(f"The database {what}.", 2)
        backend = None if self.pooled else connection.get_server_pid()
        return LostCommit(f"The database {what} while it committed.", backend)

    # --- connections --------------------------------------------------------------------------

    async def _take(self) -> asyncpg.Connection:
        while True:
            if self._closed:
                raise Unavailable("The storage is closed.")
            if self._lost_at is not None:
                await self._wait_for_return()
                continue
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
                self._open -= 1
            if self._open < self._most:
                return await self._one_more()
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    async def _one_more(self) -> asyncpg.Connection:
        self._open += 1
        try:
            return await self._connect()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            self._open -= 1
            self._wake()
            if not self._open:
                self._lose(_told(error))
            raise Unavailable(f"The database cannot be reached: {_told(error)}.", 2) from error
        except BaseException:
            self._open -= 1
            self._wake()
            raise

    async def _wait_for_return(self) -> None:
        assert self._lost_at is not None  # noqa: S101  asked by `_take`
        left = self._lost_at + PATIENCE - self._clock.monotonic()
        if left > 0:
            try:
                async with asyncio.timeout(left):
                    await self._back.wait()
            except TimeoutError:
                pass
            else:
                return
        raise Unavailable(f"The database is away: {self._reason}.", 2)

    def _give(self, connection: asyncpg.Connection) -> None:
        if self._closed or self._lost_at is not None or connection.is_closed():
            self._drop(connection)
            return
        self._idle.append(connection)
        self._wake()

    def _drop(self, connection: asyncpg.Connection) -> None:
        connection.terminate()
        self._open -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _lose(self, reason: str) -> None:
        """Note the loss, let go of what is idle (it is as lost), and begin to reconnect."""
        if self._closed or self._lost_at is not None:
            return
        log.warning("the database is away", reason=reason)
        self._lost_at = self._clock.monotonic()
        self._reason = reason.rstrip(".")
        self._back.clear()
        for connection in self._idle:
            connection.terminate()
        self._open -= len(self._idle)
        self._idle.clear()
        while self._waiters:
            self._wake()
        self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())

    async def _reconnect(self) -> None:
        lost_at = self._clock.monotonic()
        wait = FIRST_WAIT
        while (connection := await self._try_to_connect()) is None:
            await asyncio.sleep(self._jitter.around(wait, 0.5))
            wait = min(2 * wait, LONGEST_WAIT)
        self._idle.append(connection)
        self._open += 1
        self.reconnected_at = self._clock.monotonic()
        log.info("the database is back", seconds=round(self.reconnected_at - lost_at, 1))
        self._lost_at = None
        self._back.set()
        self._wake()

    async def _try_to_connect(self) -> asyncpg.Connection | None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._connect()
        except Exception as error:  # noqa: BLE001  whatever it is, the next try may succeed
            self._reason = _told(error)
            return None

    async def _connect(self) -> asyncpg.Connection:
        """A new connection that can write, with our settings."""
        connection = await asyncpg.connect(
            self._url,
            timeout=CONNECT_SECONDS,
            statement_cache_size=0 if self.pooled else 500,
            max_cached_statement_lifetime=0,
            target_session_attrs="read-write",
            server_settings={"application_name": "winnerr-webhooks"},
        )
        try:
            await connection.execute("BEGIN")
            pid, synchronous = await connection.fetchrow(_PING)
            await connection.execute("COMMIT")
            if pid != connection.get_server_pid():
                if not self.pooled:
                    self.pooled = True
                    log.info("a connection pooler stands before the database")
                    await connection.close()
                    return await self._connect()
            else:
                await connection.execute(_SESSION_SETTINGS)
                if synchronous == "off":  # then a commit is no promise, and 202 is one
                    await connection.execute("SET synchronous_commit = on")
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def close(self) -> None:
        """Close every connection, those in use too."""
        self._closed = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.gather(self._reconnecting, return_exceptions=True)
        while self._waiters:
            self._wake()
        connections, self._idle = self._idle, []
        for connection in connections:
            try:
                await connection.close(timeout=1)
            except Exception:  # noqa: BLE001  it is being thrown away
                connection.terminate()


async def _rolled_back(connection: asyncpg.Connection, begin: str | None) -> bool:
    """End a transaction that failed; whether the connection is as good as before."""
    if begin is None:
        return not connection.is_closed()
    try:
        async with asyncio.timeout(1):
            await connection.execute("ROLLBACK")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


def _told(error: BaseException) -> str:
    """An error of connecting, in words that hold no password."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def _assignments(scope: str) -> str:
    return "".join(
        f"SET {scope}{name} = {_quoted(name, value)};" for name, value in _SETTINGS.items()
    )


def _quoted(name: str, value: str) -> str:
    return value if name == "search_path" else f"'{value}'"


_SESSION_SETTINGS: Final = _assignments("")
_LOCAL_SETTINGS: Final = _assignments("LOCAL ")
