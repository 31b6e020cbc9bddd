"""The pool of idle connections, kept for the next request of the same organization and receiver."""

import asyncio
import re
from collections import OrderedDict
from itertools import islice
from typing import Final

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.egress.outgoing_connection import OutgoingConnection
from winnerr_webhooks.quotas import Budget

Key = tuple[str, str, str, int]
"""Organization (and client certificate), scheme, host, port: organizations never share
connections, and neither do client certificates."""

IDLE_SECONDS: Final = 4.0
"""How long a connection may be idle at first; Node.js closes idle connections after 5 seconds."""
MAX_IDLE_SECONDS: Final = 55.0
"""The longest idle time; many load balancers close idle connections after 60 seconds."""
SWEEP_SECONDS: Final = 1.0
"""How often connections that were idle for too long are closed."""
MAX_AGE_SECONDS: Final = 60.0
"""How long a connection is used. After that the name is looked up again, so that a receiver that
moved is found even under constant traffic."""
_GONE: Final = 410
"""The status besides 5xx that an address may answer when it no longer serves a name."""
MAX_REMEMBERED: Final = 4096
"""For how many receivers the idle time they allow is remembered."""

_KEEP_ALIVE: Final = re.compile(rb"(?:^|\n)keep-alive:[^\r\n]*\btimeout=(\d{1,6})", re.IGNORECASE)


class Pool:
    """Idle connections within the budget `kept`; the least recently used are closed first.

    A connection that is closed for the budget counts as refused, because its receiver's next
    request needs a new one. One timer closes those that were idle for too long.
    """

    def __init__(self, *, kept: Budget, clock: Clock) -> None:
        self._kept = kept
        kept.measure(self.__len__)
        self._clock = clock
        self._by_key: dict[Key, list[OutgoingConnection]] = {}
        self._idle: OrderedDict[OutgoingConnection, None] = OrderedDict()
        self._learned: OrderedDict[Key, float] = OrderedDict()
        """The idle seconds that receivers were seen to allow."""
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, key: Key, now: float) -> OutgoingConnection | None:
        """Return the connection used last, which is most likely alive; None if there is none."""
        stack = self._by_key.get(key)
        while stack:
            connection = stack.pop()
            del self._idle[connection]
            if not stack:
                del self._by_key[key]
            if not connection.closed:
                if now - connection.idle_since <= connection.idle_seconds:
                    return connection
                connection.abort()
        return None

    def put(self, connection: OutgoingConnection, now: float) -> None:
        """Keep a connection whose response has ended cleanly."""
        if connection.closed:
            return
        key = connection.key
        if connection.requests == 1:
            self._set_idle_seconds(connection)
        elif connection.sent_at - connection.idle_since > connection.idle_seconds / 2:
            self._learn_from_reuse(connection)
        status = connection.response.status or 0
        if (
            connection.idle_seconds <= 0
            or now - connection.made_at >= MAX_AGE_SECONDS
            or status >= 500  # noqa: PLR2004  RFC 9110, 15.6; the receiver may have moved
            or status == _GONE
        ):
            connection.abort()  # the next request looks the name up again
            return
        connection.idle_since = now
        self._by_key.setdefault(key, []).append(connection)
        self._idle[connection] = None
        if len(self._idle) > self._kept.bound.limit:
            self.evict(1)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def evict(self, count: int) -> list[OutgoingConnection]:
        """Close and return the `count` connections that were used longest ago."""
        evicted = list(islice(self._idle, count))
        for connection in evicted:
            self._kept.refuse()
            self._remove(connection)
        return evicted

    def connection_lost(self, connection: OutgoingConnection) -> None:
        """Remove a connection that was lost."""
        if connection in self._idle:
            self._remove(connection)
            self.learn_from_close(connection)

    def learn_from_close(self, connection: OutgoingConnection) -> None:
        """Remember that the receiver closes connections after less idle time than assumed."""
        idle = self._clock.monotonic() - connection.idle_since
        if connection.key in self._learned and self._learned[connection.key] > idle - 1:
            self._learned[connection.key] = max(IDLE_SECONDS, idle - 1)

    def close(self) -> None:
        """Close all idle connections."""
        for connection in list(self._idle):
            self._remove(connection)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_idle_seconds(self, connection: OutgoingConnection) -> None:
        """Allow one second less than the Keep-Alive header says; without one, what was learned."""
        announced = _KEEP_ALIVE.search(connection.response.head)
        connection.idle_announced = announced is not None
        if announced is not None:
            connection.idle_seconds = min(int(announced[1]) - 1.0, MAX_IDLE_SECONDS)
        else:
            connection.idle_seconds = self._learned.get(connection.key, IDLE_SECONDS)

    def _learn_from_reuse(self, connection: OutgoingConnection) -> None:
        """Double the idle time: a reuse after more than half of it worked."""
        if connection.idle_announced:
            return
        connection.idle_seconds = longer = min(connection.idle_seconds * 2, MAX_IDLE_SECONDS)
        self._learned[connection.key] = max(longer, self._learned.get(connection.key, 0))
        self._learned.move_to_end(connection.key)
        if len(self._learned) > MAX_REMEMBERED:
            self._learned.popitem(last=False)

    def _remove(self, connection: OutgoingConnection) -> None:
        del self._idle[connection]
        stack = self._by_key[connection.key]
        stack.remove(connection)
        if not stack:
            del self._by_key[connection.key]
        connection.abort()

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        for connection in list(self._idle):
            if now - connection.idle_since > connection.idle_seconds:
                self._remove(connection)
        self._timer = None
        if self._idle:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
