"""The outgoing HTTP client: one POST to one destination, and all that can come of it."""

import asyncio
import os
import socket
import ssl
from typing import Final

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import Exchange, Failure
from winnerr_webhooks.domain.errors import LocalShortage
from winnerr_webhooks.domain.url import Destination
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.deadlines import Deadlines
from winnerr_webhooks.egress.dialer import Connector, Dialer, Trace, connect
from winnerr_webhooks.egress.failures import (
    DialError,
    connect_failure,
    timeout_failure,
    tls_failure,
)
from winnerr_webhooks.egress.local_shortage import DESCRIPTOR_CODES, shortage_code
from winnerr_webhooks.egress.outgoing_connection import Connection
from winnerr_webhooks.egress.pool import Key, Pool
from winnerr_webhooks.egress.resolver import CHANNEL_DESCRIPTORS, Resolver
from winnerr_webhooks.egress.tls import client_context
from winnerr_webhooks.quotas import Budget

MAX_REASON: Final = 200
"""Bytes of a reason phrase that are kept: it is shown in every row of the log."""
BODY_GRACE: Final = 2.0
"""Most seconds for the rest of a body: the verdict has fallen with the headers."""


class EgressClient:
    """Sends requests to receivers. Belongs to the event loop it is first used on.

    One attempt, from the lookup of the name to the end of the answer, takes `timeout` seconds at
    most. No redirects are followed, no cookies kept, no proxies used, nothing is decompressed.
    """

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        resolver: Resolver,
        clock: Clock,
        timeout: float,
        kept: Budget,
        ssl_context: ssl.SSLContext | None = None,
        body_grace: float = BODY_GRACE,
        connector: Connector = connect,
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._tls = ssl_context or client_context()
        self._dialer = Dialer(policy=policy, resolver=resolver, clock=clock, connector=connector)
        self._pool = Pool(kept=kept, clock=clock)
        self._deadlines = Deadlines(timeout)
        self._grace = Deadlines(body_grace)
        self._outbox: list[Connection] = []
        """Reused connections whose requests go out together, at the end of this turn of the loop.

        Sent back to back they wake a receiver, or the network's driver, once and not each.
        """
        self._open: set[Connection] = set()
        self._closing: dict[Connection, asyncio.Future[None]] = {}
        """Idle connections closed to free descriptors, each with a future for when it is closed."""
        self._all_lost: asyncio.Event | None = None

    async def post(
        self, destination: Destination, organization: str, head: bytes, body: bytes
    ) -> Exchange:
        """Send a request once; whatever the network or the receiver does is in the answer.

        `head` is the request line and all headers with the blank line at their end. A reused
        connection that turns out to be dead is replaced within the same deadline, and the
        request sent again.

        Raises `LocalShortage` when this machine lacked descriptors, memory, buffers or ports, so
        that there is no connection: nothing was sent but, at most, to a reused connection that
        had ended. If it lacks descriptors, idle connections are closed first.

        Raises `CancelledError`, with the
        connection closed.
        """
        started_at = self._clock.now_ms()
        start = self._clock.monotonic()
        key = (organization, destination.scheme, destination.host, destination.port)
        trace = Trace()
        connection = self._pool.take(key, start)
        if connection is not None:
            waiter = connection.request(head + body)
            if not self._outbox:
                connection.loop.call_soon(self._send_all)
            self._outbox.append(connection)
            self._deadlines.add(connection, connection.loop)
            try:
                await waiter
            except asyncio.CancelledError:
                connection.abort()
                raise
            finally:
                self._deadlines.discard(connection)
            if not connection.stale:
                return self._exchange(connection, trace, started_at, start)
            self._pool.has_closed(connection)
            trace.timings.reconnected = True
        left = self._timeout - (self._clock.monotonic() - start)
        end = asyncio.get_running_loop().time() + left
        failure, connection = await self._send_on_fresh(destination, key, head + body, trace, end)
        if failure is not None:
            return Exchange(
                started_at=started_at,
                duration_ms=(self._clock.monotonic() - start) * 1000,
                timings=trace.timings,
                failure=failure,
            )
        return self._exchange(connection, trace, started_at, start)

    async def close(self) -> None:
        """Hang up on everyone; attempts in flight end as reset."""
        self._pool.close()
        for connection in list(self._open):
            connection.abort()
        if self._open:
            self._all_lost = asyncio.Event()
            await self._all_lost.wait()
        self._deadlines.close()
        self._grace.close()

    def _send_all(self) -> None:
        outbox, self._outbox = self._outbox, []
        for connection in outbox:
            connection.send()

    async def _send_on_fresh(
        self, destination: Destination, key: Key, request: bytes, trace: Trace, end: float
    ) -> tuple[Failure | None, Connection]:
        """Connect, send, and wait for the answer; a Failure when it did not come to sending."""
        loop = asyncio.get_running_loop()
        connection = Connection(
            key,
            clock=self._clock,
            loop=loop,
            timeout=self._timeout,
            grace=self._grace,
            on_lost=self._lost,
        )
        waiter = connection.request(request)
        try:
            async with asyncio.timeout_at(end):
                await self._establish(connection, destination, trace)
                await waiter
        except TimeoutError:
            if not connection.sent_at:
                if trace.shortage and trace.phase == "connect":
                    raise LocalShortage(trace.shortage) from None
                return timeout_failure(trace.phase, self._timeout), connection
            connection.expire()
        except DialError as error:
            return error.failure, connection
        except BaseException:
            connection.abort()
            raise
        return None, connection

    async def _establish(
        self, connection: Connection, destination: Destination, trace: Trace
    ) -> None:
        """Dial, shake hands where that is due, and let the connection send its request."""
        sock = await self._dial(destination, trace)
        inode = os.fstat(sock.fileno()).st_ino
        try:
            await self._attach(connection, sock, destination, trace)
        except MemoryError:
            _close(sock, inode)
            raise LocalShortage("ENOMEM") from None
        except OSError as error:
            if shortage := shortage_code(error):
                _close(sock, inode)
                raise LocalShortage(shortage) from None
            failed = connect_failure if destination.scheme == "http" else tls_failure
            raise DialError(failed(error)) from None
        if not connection.closed:
            self._open.add(connection)

    async def _dial(self, destination: Destination, trace: Trace) -> socket.socket:
        """Dial; if descriptors are lacking, close idle connections and dial once more."""
        try:
            return await self._dialer.dial(destination, trace)
        except LocalShortage as shortage:
            if shortage.code not in DESCRIPTOR_CODES:
                raise
            evicted = self._pool.evict(CHANNEL_DESCRIPTORS if trace.phase == "dns" else 1)
            if not evicted:
                raise
        await self._lose(evicted)
        return await self._dialer.dial(destination, trace)

    async def _lose(self, connections: list[Connection]) -> None:
        """Wait until these connections, which were hung up on, have closed their sockets."""
        loop = asyncio.get_running_loop()
        for connection in connections:
            self._closing[connection] = loop.create_future()
        await asyncio.gather(*(self._closing[connection] for connection in connections))

    async def _attach(
        self, connection: Connection, sock: socket.socket, destination: Destination, trace: Trace
    ) -> None:
        """Give the connection its socket, after the handshake with TLS."""
        loop = asyncio.get_running_loop()
        if destination.scheme == "http":
            await loop.create_connection(lambda: connection, sock=sock)
            return
        trace.phase = "tls"
        before = self._clock.monotonic()
        await loop.create_connection(
            lambda: connection,
            sock=sock,
            ssl=self._tls,
            server_hostname=destination.host,
            ssl_handshake_timeout=self._timeout + 1,  # never reached: ours comes first
        )
        trace.timings.tls_ms = (self._clock.monotonic() - before) * 1000

    def _exchange(
        self, connection: Connection, trace: Trace, started_at: int, start: float
    ) -> Exchange:
        """Put an exchange together, and the connection back if it can serve again."""
        timings = trace.timings
        if connection.first_byte_at:
            timings.first_byte_ms = (connection.first_byte_at - connection.sent_at) * 1000
        exchange = Exchange(
            started_at=started_at,
            duration_ms=(connection.ended_at - start) * 1000,
            timings=timings,
            status=connection.status,
            reason=_printable(connection.reason[:MAX_REASON]),
            response_head=connection.head if connection.status is not None else b"",
            response_body=connection.body,
            truncated=connection.truncated,
            failure=connection.failure,
        )
        if connection.reusable:
            self._pool.put(connection, connection.ended_at)
            connection.forget()
        return exchange

    def _lost(self, connection: Connection) -> None:
        self._pool.lost(connection)
        self._open.discard(connection)
        closed = self._closing.pop(connection, None)
        if closed is not None and not closed.done():
            closed.set_result(None)
        if self._all_lost is not None and not self._open:
            self._all_lost.set()


def _close(sock: socket.socket, inode: int) -> None:
    """Close a socket that no transport may own yet.

    uvloop closes the descriptor of a handshake that cannot begin, but does not tell the socket:
    its number may be another's by now.
    """
    try:
        is_open = os.fstat(sock.fileno()).st_ino == inode
    except OSError:
        is_open = False
    if is_open:
        sock.close()
    else:
        sock.detach()


def _printable(reason: bytes) -> str:
    """The reason phrase; the parser lets control characters through (RFC 9112, 4, does not)."""
    text = reason.decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
