"""One timer for all connections, which ends what takes too long."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

TICKS: Final = 12
"""Ticks in the time that a request may take."""


class TimedConnection(Protocol):
    """A connection whose time is limited."""

    def tick(self) -> None:
        """Note that a tick has passed, and end what has taken too long."""
        ...


class ConnectionTimeouts:
    """Ticks all connections every few seconds; each counts the ticks of what it is doing.

    A timer for each request would cost more than answering it. This way a request only sets a
    count to zero, and times are exact to one tick.
    """

    def __init__(self, seconds: float, each_tick: Callable[[], None]) -> None:
        """`seconds`: the length of a tick. `each_tick` is called before the connections' ticks."""
        self._seconds = seconds
        self._each_tick = each_tick
        self._connections: set[TimedConnection] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: TimedConnection) -> None:
        """Tick this connection from now on."""
        self._connections.add(connection)
        if self._timer is None:
            self._start_timer()

    def discard(self, connection: TimedConnection) -> None:
        """Tick this connection no more."""
        self._connections.discard(connection)
        if not self._connections and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._tick)

    def _tick(self) -> None:
        self._start_timer()
        self._each_tick()
        for connection in tuple(self._connections):
            connection.tick()
