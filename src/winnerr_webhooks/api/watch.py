"""How long a connection may take, with one timer for all of them."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

TICKS: Final = 12
"""How often a connection is looked at within the time a request may take."""


class Limits(NamedTuple):
    """What one connection may cost, before anyone has said who it is."""

    head: int = 64 * 1024
    """Bytes of a request line with its headers; of trailers too."""
    lines: int = 100
    """Header lines."""
    request_seconds: float = 60.0
    """From its first byte (the first one: from connecting) until a request is whole."""


class Watched(Protocol):
    """A connection, to its watch."""

    def tick(self) -> None:
        """Some time has passed."""
        ...


class Watch:
    """Tells all connections every few seconds that time has passed; they count.

    A timer a request would cost more than answering does. So a request only sets a count to
    nought, and time is kept to one tick.
    """

    def __init__(self, seconds: float, each_tick: Callable[[], None]) -> None:
        """`each_tick` is called once before the connections are told."""
        self._seconds = seconds
        self._each_tick = each_tick
        self._connections: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Watched, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to tell it."""
        self._connections.add(connection)
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._ring, loop)

    def discard(self, connection: Watched) -> None:
        """Tell it no more."""
        self._connections.discard(connection)
        if not self._connections and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(self._seconds, self._ring, loop)
        self._each_tick()
        for connection in tuple(self._connections):
            connection.tick()
