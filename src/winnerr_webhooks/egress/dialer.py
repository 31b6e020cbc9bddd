"""Connects to a destination, and only to addresses that the address policy allows.

The policy checks the same address that is then connected to. There is no second lookup in between
that an attacker's name server could answer differently.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import chain, zip_longest
from typing import Any, Final

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import Timings
from winnerr_webhooks.domain.errors import LocalShortage
from winnerr_webhooks.domain.url import Destination
from winnerr_webhooks.egress.address_policy import Address, AddressPolicy
from winnerr_webhooks.egress.failures import (
    DialError,
    blocked_failure,
    connect_failure,
    dns_failure,
)
from winnerr_webhooks.egress.local_shortage import connect_shortage_code
from winnerr_webhooks.egress.resolver import ResolveError, Resolver

Connector = Callable[[Address, int], Coroutine[Any, Any, socket.socket]]
"""Connects a TCP socket to an address and a port. Raises `OSError`; through a proxy also
`LocalShortage` or `DialError`."""

STAGGER: Final = 0.25
"""Seconds until the next address is tried while one has not answered yet (RFC 8305, 5)."""
MAX_CONNECTS: Final = 6
"""How many addresses of a name are tried; the owner of the name decides how many it has."""


class Trace:
    """The progress of an attempt: its current phase and the times so far."""

    __slots__ = ("phase", "shortage", "timings")

    def __init__(self) -> None:
        self.phase = "dns"
        """One of `domain.attempt.PHASES`."""
        self.shortage = ""
        """The code of a local shortage (such as `EMFILE`) if connecting ran into one."""
        self.timings = Timings()


async def connect(address: Address, port: int) -> socket.socket:
    """Connect to one address; the `Connector` used outside of tests."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock


class Dialer:
    """Looks up a host, checks its addresses one by one, and connects to the first that answers."""

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        resolver: Resolver,
        clock: Clock,
        connector: Connector = connect,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._clock = clock
        self._connector = connector

    async def dial(self, destination: Destination, trace: Trace) -> socket.socket:
        """Return a connected socket, and record phase and times in `trace`.

        Raises `DialError` if there is no connection, and `LocalShortage` if this machine was out of
        something that a connect needed.
        """
        addresses: Sequence[Address]
        if destination.address is not None:
            addresses = (destination.address,)
        else:
            trace.phase = "dns"
            before = self._clock.monotonic()
            try:
                addresses = await self._resolver.resolve(destination.host)
            except ResolveError as error:
                raise DialError(dns_failure(error)) from None
            finally:
                trace.timings.dns_ms = (self._clock.monotonic() - before) * 1000
        trace.phase = "connect"
        before = self._clock.monotonic()
        trace.shortage = ""
        sock = await self._connect_any(_alternate(addresses), destination, trace)
        trace.timings.connect_ms = (self._clock.monotonic() - before) * 1000
        return sock

    async def _connect_any(
        self, addresses: Sequence[Address], destination: Destination, trace: Trace
    ) -> socket.socket:
        """Try addresses by Happy Eyeballs: one each `STAGGER`, or once one fails (RFC 8305, 5)."""
        waiting = deque(addresses)
        trying: dict[asyncio.Task[socket.socket], Address] = {}
        error: DialError | None = None
        connects = 0
        try:
            while True:
                while waiting and connects < MAX_CONNECTS:
                    address = waiting.popleft()
                    refusal = self._policy.refusal(address, destination.port, destination.scheme)
                    if refusal is None:
                        connects += 1
                        connecting = self._connector(address, destination.port)
                        trying[asyncio.get_running_loop().create_task(connecting)] = address
                        break
                    error = error or DialError(blocked_failure(refusal))
                if not trying:
                    if trace.shortage:
                        raise LocalShortage(trace.shortage)
                    raise error or DialError(connect_failure(OSError()))
                more = waiting and connects < MAX_CONNECTS
                done, _ = await asyncio.wait(
                    trying,
                    timeout=STAGGER if more else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    address = trying.pop(task)
                    failed = task.exception()
                    if failed is None:
                        return task.result()
                    error = _dial_error(failed, address, destination.port, trace) or error
        finally:
            for task in trying:
                task.add_done_callback(_close_socket)
                task.cancel()


def _alternate(addresses: Sequence[Address]) -> Sequence[Address]:
    """Alternate between IPv6 and IPv4, so that a broken family costs only one try (RFC 8305, 4)."""
    if len(addresses) == 1:
        return addresses
    first = [address for address in addresses if address.version == addresses[0].version]
    second = [address for address in addresses if address.version != addresses[0].version]
    pairs = chain.from_iterable(zip_longest(first, second))
    return [address for address in pairs if address is not None]


def _dial_error(
    failed: BaseException, address: Address, port: int, trace: Trace
) -> DialError | None:
    """Return the failure of a connect; None for a local shortage, which `trace` then records."""
    if shortage := connect_shortage_code(failed, address, port):
        trace.shortage = shortage
        return None
    if isinstance(failed, LocalShortage):  # of the proxy
        trace.shortage = failed.code
        return None
    if isinstance(failed, OSError):
        return DialError(connect_failure(failed))
    if isinstance(failed, DialError):
        return failed
    raise failed


def _close_socket(task: asyncio.Task[socket.socket]) -> None:
    """Close the socket of a connect that is no longer needed."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
