"""Few connections, lent out for a transaction at a time, and won back when lost.

Once the database is known to be lost, nobody waits for it longer than `PATIENCE`, counted from
the loss; after that all fail at once, while one task tries to reconnect with jittered waits.
A loss is known when a connection breaks. When nothing breaks and nothing answers (a network that
swallows packets), one more connection is tried: if that gets no answer either, and no other has
meanwhile, it is a loss.
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
from winnerr_webhooks.storage.postgres.connect import (
    CONNECT_SECONDS,
    FAILURES,
    Connection,
    Opener,
    told,
)
from winnerr_webhooks.storage.postgres.errors import is_lost

PATIENCE: Final = 0.9
"""Seconds that work waits for a lost database to come back, counted from the loss."""
FIRST_WAIT: Final = 0.05
LONGEST_WAIT: Final = 1.0
SUSPICIOUS_SECONDS: Final = 1.0
"""Work that has no answer by then makes us look whether the database is still there, …"""
LOOK_SECONDS: Final = 0.8
"""… for so long. A database that did not answer is lost since that look began: who came before it,
and had to wait for others to fail, has his answer within 2 s, too."""
PATIENT_SECONDS: Final = 10.0
"""Who brought more time than that is not waited for by a person: he may sit out a stall."""
FULL_SECONDS: Final = 1.0
"""How long one makes do with the connections there are after another one was refused."""
FINISH_SECONDS: Final = 2.0
END_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class Connections:
    """Up to `most` connections to one database, for one event loop."""

    def __init__(self, opener: Opener, *, clock: Clock, jitter: Jitter, most: int) -> None:
        self._opener = opener
        self._clock = clock
        self._jitter = jitter
        self._most = most
        self._open = 0
        """Connections that are open or being opened."""
        self._idle: list[Connection] = []
        self._lent: dict[Connection, float] = {}
        """Those at work, and how many seconds their work may take."""
        self._opening: set[asyncio.Timeout] = set()
        """What ends the wait of who opens one for himself."""
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._full_until = float("-inf")
        self._lost_at: float | None = None
        self._reason = ""
        self._back = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._empty = asyncio.Event()
        self._answers = 0
        """How often work has been done, which proves that the database answers."""
        self.reconnected_at = float("-inf")
        """Monotonic instant at which the database came back after a loss."""

    async def start(self) -> None:
        """Open the first connection; one of `FAILURES` says why there is none."""
        self._idle.append(await self._opener.open())
        self._open += 1

    @property
    def lost(self) -> bool:
        """Whether the database is known to be away."""
        return self._lost_at is not None

    # --- lending ------------------------------------------------------------------------------

    async def take(self, seconds: float) -> Connection:
        """Lend a connection to work that may take so long; `give` it back, whatever happens.

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
        """A connection, or None: look again."""
        if self._idle:
            return self._idle.pop()
        is_full = self._open and self._clock.monotonic() < self._full_until
        if self._open < self._most and not is_full:
            return await self._one_more()
        waiter: asyncio.Future[Connection | None]
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():  # it came when this one had just left
                self._pass_on(waiter.result())
            else:
                with suppress(ValueError):
                    self._waiters.remove(waiter)
            raise

    async def _one_more(self) -> Connection | None:
        self._open += 1
        try:
            return await self._open_for_one()
        except FAILURES as error:
            self._open -= 1
            if self._lost_at is not None:
                return None
            self._full_until = self._clock.monotonic() + FULL_SECONDS
            if not self._open:  # nobody is left who could give one back
                self.lose(error)
            else:
                log.warning("no further connection to the database", reason=told(error))
        except BaseException:
            self._open -= 1
            self._pass_on(None)
            raise
        return None

    async def _open_for_one(self) -> Connection:
        """Open one; `TimeoutError` when the database is known to be lost meanwhile."""
        async with asyncio.timeout(None) as limit:
            self._opening.add(limit)
            try:
                return await self._opener.open()
            finally:
                self._opening.discard(limit)

    def give(self, connection: Connection, *, whole: bool) -> None:
        """Take a connection back; `whole`: nothing is under way on it."""
        del self._lent[connection]
        self._answers += whole
        if whole and self._lost_at is None and not connection.is_closed():
            self._pass_on(connection)
        else:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        # A pooler may take what is to be cancelled for what somebody else has begun meanwhile.
        if connection.is_closed() or self._lost_at is not None or self._opener.pooled:
            connection.terminate()
        else:
            ending = asyncio.get_running_loop().create_task(_end(connection))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        self._open -= 1
        self._pass_on(None)

    def _pass_on(self, connection: Connection | None) -> None:
        """Hand a connection, or the room for one, to who waits longest."""
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

    def lose(self, error: BaseException, since: float | None = None) -> None:
        """Note that the database is lost (since that monotonic instant), and win it back."""
        if self._closed or self._lost_at is not None:
            return
        self._explain(error)
        self._lost_at = self._clock.monotonic() if since is None else since
        self._back.clear()
        idle, self._idle = self._idle, []
        for connection in idle:  # it is as lost
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

    def suspect(self) -> None:
        """Something got no answer: look whether anything does."""
        looking = self._tasks.get("look")
        if self._closed or self._lost_at is not None or (looking and not looking.done()):
            return
        self._begin("look", self._look)

    async def _look(self) -> None:
        began, answers = self._clock.monotonic(), self._answers
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                connection = await self._opener.open()
        except FAILURES as error:
            # What was lost and won back meanwhile is not lost once more: this look was at the old.
            if is_lost(error) and self.reconnected_at < began and self._answers == answers:
                self.lose(error, began)
                for lent, seconds in self._lent.items():
                    if seconds <= PATIENT_SECONDS:
                        lent.terminate()  # its work fails, and gives it back
            return
        if self._open < self._most and self._lost_at is None:
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
        while (connection := await self._another_try()) is None:
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

    async def _another_try(self) -> Connection | None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._opener.open()
        except Exception as error:  # noqa: BLE001  whatever it is, the next try may succeed
            self._explain(error)
            return None

    def _explain(self, error: BaseException) -> None:
        """Log why the database is away, once for each reason."""
        reason, self._reason = self._reason, told(error)
        if self._reason != reason:
            log.warning("the database is away", reason=self._reason)

    def _begin(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks[name] = asyncio.get_running_loop().create_task(work())

    # --- the end ------------------------------------------------------------------------------

    async def close(self) -> None:
        """Let what was handed in finish, for 2 s at most, and close every connection."""
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
    """Close a connection; the server is told to cancel what is under way, and to let go of it.

    Else it would finish the statement, with all its locks, for nobody; and a commit that waits
    for a standby would wait on, and keep its place among the server's connections.
    """
    try:
        await connection.close(timeout=END_SECONDS)
    except Exception:  # noqa: BLE001  it is being thrown away
        connection.terminate()
