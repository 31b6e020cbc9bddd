"""The outgoing HTTP client: one POST to one destination, and all that can come of it."""

import asyncio
import ssl
from typing import Final

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import Exchange, Failure
from winnerr_webhooks.domain.url import Destination
from winnerr_webhooks.egress.connection import Connection
from winnerr_webhooks.egress.deadline import Deadlines
from winnerr_webhooks.egress.dialer import Connector, Dialer, Trace, connect
from winnerr_webhooks.egress.failures import (
    DialError,
    connect_failure,
    timeout_failure,
    tls_failure,
)
from winnerr_webhooks.egress.policy import AddressPolicy
from winnerr_webhooks.egress.pool import Key, Pool
from winnerr_webhooks.egress.resolver import Resolve
from winnerr_webhooks.egress.tls import client_context

MAX_IDLE: Final = 1024
"""Idle connections kept."""
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
        resolver: Resolve,
        clock: Clock,
        timeout: float,
        ssl_context: ssl.SSLContext | None = None,
        max_idle: int = MAX_IDLE,
        body_grace: float = BODY_GRACE,
        connector: Connector = connect,
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._tls = ssl_context or client_context()
        self._dialer = Dialer(policy=policy, resolver=resolver, clock=clock, connector=connector)
        self._pool = Pool(max_idle=max_idle, clock=clock)
        self._deadlines = Deadlines(timeout)
        self._grace = Deadlines(body_grace)
        self._outbox: list[Connection] = []
        """Reused connections whose requests go out together, at the end of this turn of the loop.

        Sent back to back they wake a receiver, or the network's driver, once and not each.
        """
        self._open: set[Connection] = set()
        self._all_lost: asyncio.Event | None = None

    async def post(
        self, destination: Destination, organization: str, head: bytes, body: bytes
    ) -> Exchange:
        """Send a request once; whatever the network or the receiver does is in the answer.

        `head` is the request line and all headers with the blank line at their end. A reused
        connection that turns out to be dead is replaced within the same deadline, and the
        request sent again. Raises only `CancelledError`, with the connection closed.
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
        loop = asyncio.get_running_loop()
        sock = await self._dialer.dial(destination, trace)
        if destination.scheme == "http":
            try:
                await loop.create_connection(lambda: connection, sock=sock)
            except OSError as error:
                raise DialError(connect_failure(error)) from None
        else:
            trace.phase = "tls"
            before = self._clock.monotonic()
            try:
                await loop.create_connection(
                    lambda: connection,
                    sock=sock,
                    ssl=self._tls,
                    server_hostname=destination.host,
                    ssl_handshake_timeout=self._timeout + 1,  # never reached: ours comes first
                )
            except OSError as error:
                raise DialError(tls_failure(error)) from None
            trace.timings.tls_ms = (self._clock.monotonic() - before) * 1000
        if not connection.closed:
            self._open.add(connection)

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
        if self._all_lost is not None and not self._open:
            self._all_lost.set()


def _printable(reason: bytes) -> str:
    """The reason phrase; the parser lets control characters through (RFC 9112, 4, does not)."""
    text = reason.decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
