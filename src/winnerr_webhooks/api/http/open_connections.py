"""Callers' open connections, and which of them is closed to make room for a new one.

Idle connections never keep a new one out, so probes and a signed-in operator get in. When there
is no room, the first connection of this order is closed for the new one:

1. one that has shown no working key or session, and is idle or has sent half a request,
2. an idle one with a key,
3. one with a key that has sent half a request,
4. one without a key whose request is being answered; the newest of these may be a probe.

An eighth of all places is for connections without a key, so that a new one has time to show its
key: while there are no more of them than that, idle ones with a key are closed before them.

Of each kind, the connection that has been idle for longest is closed. A connection whose complete,
authenticated request is being answered is never closed. If all others are such, the new one is
closed instead (docs/adr/0020).

A request pays one test of a flag. Connections are queued by their last activity, to one tick of
the timeouts. One that is considered for closing and turns out to be busy leaves its queue, and
joins it again after its answer. Each such step is paid for by a request, so making room takes
constant time.
"""

import socket
from collections import OrderedDict
from typing import Final, Protocol

import structlog

from winnerr_webhooks.quotas import Budget

SPARE_DESCRIPTORS: Final = 16
"""With no more descriptors left than these, a new connection needs another one closed."""
KEYLESS_PART: Final = 8
"""One place in eight is for connections that have shown no key yet."""
LOG_EVERY_TICKS: Final = 12

log = structlog.get_logger(__name__)


class ClosableConnection(Protocol):
    """What decides whether a connection may be closed for a new one."""

    is_set_aside: bool
    """Whether it left the queues of idle connections because it was found busy."""

    def has_shown_key(self) -> bool:
        """Whether one of its requests has shown a working key or session."""
        ...

    def is_answering(self) -> bool:
        """Whether a whole request is being answered."""
        ...

    def is_receiving(self) -> bool:
        """Whether a part of a request has come, and not all of it."""
        ...

    def abort(self) -> None:
        """Close at once, so that the descriptor is free."""
        ...


Queue = OrderedDict[ClosableConnection, None]
"""The first is closed first. In a plain dict, finding it would step over deleted entries."""


class OpenConnections:
    """The open connections of a node's callers, at most `connections_in` of them."""

    def __init__(self, budget: Budget, descriptors: int) -> None:
        """`descriptors`: how many file descriptors this process may have."""
        self._budget = budget
        self._highest = descriptors - SPARE_DESCRIPTORS
        self._keyless_places = budget.bound.limit // KEYLESS_PART
        self._open: set[ClosableConnection] = set()
        self._keyless: Queue = OrderedDict()
        self._keyed: Queue = OrderedDict()
        self._slow_keyed: Queue = OrderedDict()
        self._answering_keyless: Queue = OrderedDict()
        self._ticks_to_log = 0
        budget.measure(lambda: len(self._open))

    def add(self, newcomer: ClosableConnection, descriptor: int) -> bool:
        """Admit a new connection, making room for it if needed; False if there is no room.

        The system gives out the lowest free descriptor, so a high number means that the process
        has almost none left.
        """
        is_full = len(self._open) >= self._budget.bound.limit or descriptor >= self._highest
        if is_full and not self.make_room():
            return False
        self._open.add(newcomer)
        self._keyless[newcomer] = None
        return True

    def discard(self, connection: ClosableConnection) -> None:
        """Forget a connection that is lost."""
        self._open.discard(connection)
        for queue in self._queues():
            queue.pop(connection, None)

    def refresh(self, connection: ClosableConnection) -> None:
        """Move a connection that was active since the last tick to the end of its queue."""
        if not connection.is_set_aside and connection in self._open:
            self.rejoin(connection)

    def rejoin(self, connection: ClosableConnection) -> None:
        """Put a connection whose request was answered at the end of its queue."""
        connection.is_set_aside = False
        if connection in self._open:
            for queue in self._queues():
                queue.pop(connection, None)
            (self._keyed if connection.has_shown_key() else self._keyless)[connection] = None

    def make_room(self) -> bool:
        """Close the first connection in the order above; False if none may be closed."""
        self._budget.refuse()
        victim = (
            (self._first_idle_keyless() if self._has_many_keyless() else None)
            or self._first_idle_keyed()
            or self._first_idle_keyless()
            or self._first_slow_keyed()
            or self._first_answering_keyless()
        )
        if victim is None:
            return False
        self.discard(victim)
        victim.abort()
        return True

    def keep_descriptors_free(self) -> None:
        """Make room when this process has no descriptor left; called at every tick.

        Without one, the event loop (libuv) closes every new connection and reports nothing.
        """
        self._ticks_to_log -= 1
        try:
            socket.socket().close()
        except OSError as error:
            if self._ticks_to_log <= 0:
                self._ticks_to_log = LOG_EVERY_TICKS
                log.warning("callers cannot connect: no descriptor is left", error=str(error))
            for _ in range(SPARE_DESCRIPTORS):
                if not self.make_room():
                    return

    def _has_many_keyless(self) -> bool:
        return len(self._keyless) > self._keyless_places

    def _first_idle_keyless(self) -> ClosableConnection | None:
        while (connection := _first(self._keyless)) is not None:
            if connection.has_shown_key():
                self._move(connection, self._keyless, self._keyed)
            elif connection.is_answering():
                connection.is_set_aside = True
                self._move(connection, self._keyless, self._answering_keyless)
            else:
                return connection
        return None

    def _first_idle_keyed(self) -> ClosableConnection | None:
        while (connection := _first(self._keyed)) is not None:
            if connection.is_answering():
                connection.is_set_aside = True
                del self._keyed[connection]
            elif connection.is_receiving():
                connection.is_set_aside = True
                self._move(connection, self._keyed, self._slow_keyed)
            else:
                return connection
        return None

    def _first_slow_keyed(self) -> ClosableConnection | None:
        while (connection := _first(self._slow_keyed)) is not None:
            if not connection.is_answering():
                return connection
            del self._slow_keyed[connection]
        return None

    def _first_answering_keyless(self) -> ClosableConnection | None:
        while (connection := _first(self._answering_keyless)) is not None:
            if not connection.has_shown_key():
                return connection
            del self._answering_keyless[connection]
        return None

    def _queues(self) -> tuple[Queue, ...]:
        return self._keyless, self._keyed, self._slow_keyed, self._answering_keyless

    def _move(self, connection: ClosableConnection, from_: Queue, to: Queue) -> None:
        del from_[connection]
        to[connection] = None


def _first(queue: Queue) -> ClosableConnection | None:
    return next(iter(queue), None)
