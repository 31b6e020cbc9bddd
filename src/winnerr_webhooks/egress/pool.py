"""Connections kept for the next request to the same receiver of the same organization."""

import asyncio
import re
from collections import OrderedDict
from itertools import islice
from typing import Final

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.egress.outgoing_connection import Connection
from winnerr_webhooks.quotas import Budget

Key = tuple[str, str, str, int]
"""Organization, scheme, host, port: no organization gets another's connection."""

IDLE_SECONDS: Final = 4.0
"""How long an idle connection is trusted at first: Node.js closes them after 5."""
MAX_IDLE_SECONDS: Final = 55.0
"""And at most: many balancers close after 60."""
SWEEP_SECONDS: Final = 1.0
MAX_AGE_SECONDS: Final = 60.0
"""How long a connection is used at most: then the name is looked up anew, so that a receiver that
moved is found whatever the traffic."""
_MAY_MOVE: Final = (410,)
"""Besides 5xx, what an address answers that no longer serves a name."""
MAX_REMEMBERED: Final = 4096

_KEEP_ALIVE: Final = re.compile(rb"(?:^|\n)keep-alive:[^\r\n]*\btimeout=(\d{1,6})", re.IGNORECASE)


class Pool:
    """Idle connections within the budget `kept`; the least recently used give way.

    Each that gives way counts as refused: its receiver's next request opens a new connection.
    One timer sweeps all that have been idle for too long, and runs only while any are.
    """

    def __init__(self, *, kept: Budget, clock: Clock) -> None:
        self._kept = kept
        kept.measure(self.__len__)
        self._clock = clock
        self._by_key: dict[Key, list[Connection]] = {}
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._learned: OrderedDict[Key, float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, key: Key, now: float) -> Connection | None:
        """The connection used last, for it is the most likely to be alive; None without one."""
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

    def put(self, connection: Connection, now: float) -> None:
        """Keep a connection whose answer has ended cleanly."""
        if connection.closed:
            return
        key = connection.key
        if connection.requests == 1:
            self._set_patience(connection)
        elif connection.sent_at - connection.idle_since > connection.idle_seconds / 2:
            self._has_kept(connection)
        if connection.idle_seconds <= 0 or self._should_dial_anew(connection, now):
            connection.abort()
            return
        connection.idle_since = now
        self._by_key.setdefault(key, []).append(connection)
        self._idle[connection] = None
        if len(self._idle) > self._kept.bound.limit:
            self.evict(1)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _should_dial_anew(self, connection: Connection, now: float) -> bool:
        """Whether the next request should look the name up again."""
        status = connection.status or 0
        refused = status >= 500 or status in _MAY_MOVE  # noqa: PLR2004  RFC 9110, 15.6
        return refused or now - connection.made_at >= MAX_AGE_SECONDS

    def evict(self, count: int) -> list[Connection]:
        """Close the `count` connections that were used longest ago; returns them."""
        evicted = list(islice(self._idle, count))
        for connection in evicted:
            self._kept.refuse()
            self._remove(connection)
        return evicted

    def lost(self, connection: Connection) -> None:
        """Forget a connection; one that the receiver closed while idle was trusted too long."""
        if connection in self._idle:
            self._remove(connection)
            self.has_closed(connection)

    def has_closed(self, connection: Connection) -> None:
        """Learn that the receiver closes idle connections this early."""
        idle = self._clock.monotonic() - connection.idle_since
        if connection.key in self._learned and self._learned[connection.key] > idle - 1:
            self._learned[connection.key] = max(IDLE_SECONDS, idle - 1)

    def close(self) -> None:
        """Hang up on all of them."""
        for connection in list(self._idle):
            self._remove(connection)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_patience(self, connection: Connection) -> None:
        """As long as the receiver says, less a second on the way; else what it has shown."""
        said = _KEEP_ALIVE.search(connection.head)
        connection.idle_told = said is not None
        if said is not None:
            connection.idle_seconds = min(int(said[1]) - 1.0, MAX_IDLE_SECONDS)
        else:
            connection.idle_seconds = self._learned.get(connection.key, IDLE_SECONDS)

    def _has_kept(self, connection: Connection) -> None:
        """A reuse after more than half of the allowed time worked: allow twice that."""
        if connection.idle_told:
            return
        connection.idle_seconds = longer = min(connection.idle_seconds * 2, MAX_IDLE_SECONDS)
        self._learned[connection.key] = max(longer, self._learned.get(connection.key, 0))
        self._learned.move_to_end(connection.key)
        if len(self._learned) > MAX_REMEMBERED:
            self._learned.popitem(last=False)

    def _remove(self, connection: Connection) -> None:
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
