"""The outgoing HTTP client: sends one POST to one destination and returns its result."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Final

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import Exchange, Failure
from winnerr_webhooks.domain.errors import LocalShortage
from winnerr_webhooks.domain.url import Destination
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.client_contexts import ClientContexts
from winnerr_webhooks.egress.deadlines import Deadlines
from winnerr_webhooks.egress.dialer import Connector, Dialer, Trace, connect
from winnerr_webhooks.egress.failures import (
    DialError,
    connect_failure,
    timeout_failure,
    tls_failure,
)
from winnerr_webhooks.egress.local_shortage import DESCRIPTOR_CODES, shortage_code
from winnerr_webhooks.egress.outgoing_connection import OutgoingConnection
from winnerr_webhooks.egress.pool import Key, Pool
from winnerr_webhooks.egress.resolver import CHANNEL_DESCRIPTORS, Resolver
from winnerr_webhooks.egress.tls import client_context
from winnerr_webhooks.quotas import Budget

MAX_REASON: Final = 200
"""How many bytes of a reason phrase are kept; every row of the log shows it."""
BODY_GRACE: Final = 2.0
"""The longest time in seconds to read a body; the verdict needs only the status."""


class EgressClient:
    """Sends requests to receivers. Use it on one event loop only.

    An attempt takes at most `timeout` seconds, from the name lookup to the end of the response, or
    the shorter time that its webhook has. The client follows no redirects, keeps no cookies, and
    decompresses nothing.
    """

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        resolver: Resolver,
        clock: Clock,
        timeout: float,
        kept: Budget,
        new_context: Callable[[], ssl.SSLContext] = client_context,
        body_grace: float = BODY_GRACE,
        connector: Connector = connect,
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._tls = new_context()
        self._contexts = ClientContexts(new_context)
        self._dialer = Dialer(policy=policy, resolver=resolver, clock=clock, connector=connector)
        self._pool = Pool(kept=kept, clock=clock)
        self._deadlines = Deadlines(timeout)
        self._grace = Deadlines(body_grace)
        self._outbox: list[OutgoingConnection] = []
        """Reused connections with a prepared request, sent together in the loop's next iteration.

        Sent back to back, they wake a receiver and the network driver once instead of each time.
        """
        self._open: set[OutgoingConnection] = set()
        self._closing: dict[OutgoingConnection, asyncio.Future[None]] = {}
        """Idle connections that are closing to free descriptors, each with its future."""
        self._all_closed: asyncio.Event | None = None

    async def post(
        self,
        destination: Destination,
        organization: str,
        head: bytes,
        body: bytes,
        limit: float | None = None,
    ) -> Exchange:
        """Send a request. Failures of the network and the receiver are part of the result.

        Connections with a client certificate (`destination.identity`) carry no other requests.

        `head` is the request line and all headers, with the blank line at the end. If a reused
        connection turns out to be closed, the request is sent again on a new one within the same
        deadline. `limit` in seconds can only shorten that.

        Raises `LocalShortage` if this machine is out of descriptors, memory, buffers or ports and
        there is no connection. Out of descriptors, idle connections are closed first. If the task
        is cancelled, the connection is closed.
        """
        started_at = self._clock.now_ms()
        start = self._clock.monotonic()
        if destination.identity is not None:
            organization = destination.owner(organization)
        key = (organization, destination.scheme, destination.host, destination.port)
        trace = Trace()
        connection = self._pool.take(key, start)
        limit = self._timeout if limit is None else min(limit, self._timeout)
        if connection is not None:
            waiter = connection.request(head + body, limit)
            if not self._outbox:
                connection.loop.call_soon(self._send_outbox)
            self._outbox.append(connection)
            self._deadlines.add(connection, connection.loop, limit)
            try:
                await waiter
            except asyncio.CancelledError:
                connection.abort()
                raise
            finally:
                self._deadlines.discard(connection)
            if not connection.stale:
                return self._exchange(connection, trace, started_at, start)
            self._pool.learn_from_close(connection)
            trace.timings.reconnected = True
        return await self._post_on_new(
            destination, key, head + body, trace, started_at, start, limit
        )

    async def _post_on_new(  # noqa: PLR0917  by position, as everywhere in this class
        self,
        destination: Destination,
        key: Key,
        request: bytes,
        trace: Trace,
        started_at: int,
        start: float,
        limit: float,
    ) -> Exchange:
        """Send a request on a new connection, in the time that is left since `start`."""
        failure, connection = await self._send_on_new(
            destination, key, request, trace, start, limit
        )
        if failure is not None:
            return Exchange(
                started_at=started_at,
                duration_ms=(self._clock.monotonic() - start) * 1000,
                timings=trace.timings,
                failure=failure,
            )
        return self._exchange(connection, trace, started_at, start)

    async def close(self) -> None:
        """Close all connections; attempts in flight end with a reset."""
        self._pool.close()
        for connection in list(self._open):
            connection.abort()
        if self._open:
            self._all_closed = asyncio.Event()
            await self._all_closed.wait()
        self._deadlines.close()
        self._grace.close()

    def _send_outbox(self) -> None:
        outbox, self._outbox = self._outbox, []
        for connection in outbox:
            connection.send()

    async def _send_on_new(  # noqa: PLR0917  by position, as everywhere in this class
        self,
        destination: Destination,
        key: Key,
        request: bytes,
        trace: Trace,
        start: float,
        limit: float,
    ) -> tuple[Failure | None, OutgoingConnection]:
        """Connect, send, and wait for the response; a `Failure` means that nothing was sent."""
        loop = asyncio.get_running_loop()
        end = loop.time() + limit - (self._clock.monotonic() - start)
        connection = OutgoingConnection(
            key,
            clock=self._clock,
            loop=loop,
            grace=self._grace,
            on_lost=self._connection_lost,
        )
        waiter = connection.request(request, limit)
        try:
            async with asyncio.timeout_at(end):
                await self._establish(connection, destination, trace)
                await waiter
        except TimeoutError:
            if not connection.sent_at:
                if trace.shortage and trace.phase == "connect":
                    raise LocalShortage(trace.shortage) from None
                return timeout_failure(trace.phase, limit), connection
            connection.expire()
        except DialError as error:
            return error.failure, connection
        except BaseException:
            connection.abort()
            raise
        return None, connection

    async def _establish(
        self, connection: OutgoingConnection, destination: Destination, trace: Trace
    ) -> None:
        """Connect, with TLS for https, and let the connection send its request."""
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
        """Connect; if descriptors run out, close idle connections and try once more."""
        try:
            return await self._dialer.dial(destination, trace)
        except LocalShortage as shortage:
            if shortage.code not in DESCRIPTOR_CODES:
                raise
            evicted = self._pool.evict(CHANNEL_DESCRIPTORS if trace.phase == "dns" else 1)
            if not evicted:
                raise
        await self._wait_closed(evicted)
        return await self._dialer.dial(destination, trace)

    async def _wait_closed(self, connections: list[OutgoingConnection]) -> None:
        """Wait until these aborted connections have closed their sockets."""
        loop = asyncio.get_running_loop()
        for connection in connections:
            self._closing[connection] = loop.create_future()
        await asyncio.gather(*(self._closing[connection] for connection in connections))

    async def _attach(
        self,
        connection: OutgoingConnection,
        sock: socket.socket,
        destination: Destination,
        trace: Trace,
    ) -> None:
        """Hand the socket to the connection, after the TLS handshake for https."""
        loop = asyncio.get_running_loop()
        if destination.scheme == "http":
            await loop.create_connection(lambda: connection, sock=sock)
            return
        trace.phase = "tls"
        before = self._clock.monotonic()
        identity = destination.identity
        context = self._tls if identity is None else await self._contexts.get(identity)
        await loop.create_connection(
            lambda: connection,
            sock=sock,
            ssl=context,
            server_hostname=destination.host,
            ssl_handshake_timeout=self._timeout + 1,  # never reached: our deadline is earlier
        )
        trace.timings.tls_ms = (self._clock.monotonic() - before) * 1000

    def _exchange(
        self, connection: OutgoingConnection, trace: Trace, started_at: int, start: float
    ) -> Exchange:
        """Return the result, and put the connection back into the pool if it is reusable."""
        timings, response = trace.timings, connection.response
        if connection.first_byte_at:
            timings.first_byte_ms = (connection.first_byte_at - connection.sent_at) * 1000
        exchange = Exchange(
            started_at=started_at,
            duration_ms=(connection.ended_at - start) * 1000,
            timings=timings,
            status=response.status,
            reason=_printable(response.reason[:MAX_REASON]),
            response_head=response.head if response.status is not None else b"",
            response_body=response.body,
            truncated=response.truncated,
            failure=response.failure,
        )
        if connection.reusable:
            self._pool.put(connection, connection.ended_at)
            response.release()
        return exchange

    def _connection_lost(self, connection: OutgoingConnection) -> None:
        self._pool.connection_lost(connection)
        self._open.discard(connection)
        closed = self._closing.pop(connection, None)
        if closed is not None and not closed.done():
            closed.set_result(None)
        if self._all_closed is not None and not self._open:
            self._all_closed.set()


def _close(sock: socket.socket, inode: int) -> None:
    """Close a socket, unless its descriptor is closed already.

    If a TLS handshake cannot start, uvloop closes the descriptor without the socket object knowing.
    The number may then belong to another file.
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
    """Decode a reason phrase without the control characters that the parser lets through."""
    text = reason.decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
