"""One connection to a receiver: sends a request and passes the response to a `ResponseReader`.

A connection whose response ended cleanly can carry the next request; any other is closed.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import Failure
from winnerr_webhooks.egress.deadlines import Deadlines
from winnerr_webhooks.egress.failures import (
    protocol_failure,
    reset_failure,
    timeout_failure,
    tls_failure,
)
from winnerr_webhooks.egress.response_reader import ResponseReader

_H: Final = ord("H")


class OutgoingConnection(asyncio.Protocol):
    """A connection that carries one request at a time.

    When the future that `request` returned is done, `response` and the public fields hold the
    result. Times are those of the monotonic clock.
    """

    __slots__ = (
        "_clock", "_grace", "_in_grace", "_on_lost", "_timeout", "_transport", "_unsent", "_waiter",
        "closed", "ended_at", "first_byte_at", "idle_announced", "idle_seconds", "idle_since",
        "key", "loop", "made_at", "requests", "response", "reusable", "sent_at",
    )  # fmt: skip

    def __init__(
        self,
        key: tuple[str, str, str, int],
        *,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        grace: Deadlines,
        on_lost: Callable[["OutgoingConnection"], None],
    ) -> None:
        """`grace` limits the time of the body in seconds."""
        self.key = key
        self.loop = loop
        self.response = ResponseReader()
        self._clock = clock
        self._timeout = 0.0
        self._grace = grace
        self._in_grace = False
        """Whether the time of the body is running."""
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._unsent = b""
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False
        self.requests = 0
        """How many requests it has carried, with the current one."""
        self.made_at = clock.monotonic()
        self.idle_seconds = 0.0
        """How long the pool keeps it idle. The pool sets this and the next two fields."""
        self.idle_since = 0.0
        self.idle_announced = False
        """Whether `idle_seconds` comes from the receiver's Keep-Alive header."""

    # The client calls these methods.

    def request(self, data: bytes, timeout: float) -> asyncio.Future[None]:
        """Prepare a whole request: `send` sends it, or `connection_made` on a new connection.

        `timeout` is the request's time limit in seconds, as its failure names it.
        """
        self._timeout = timeout
        self.response.begin()
        self.reusable = False
        self.sent_at = 0.0
        self.first_byte_at = 0.0
        self.ended_at = 0.0
        self.requests += 1
        self._waiter = waiter = self.loop.create_future()
        self._unsent = data
        return waiter

    def send(self) -> None:
        """Send the request now."""
        transport, data, self._unsent = self._transport, self._unsent, b""
        if transport is not None and not self.closed:  # it may have been aborted in between
            transport.write(data)
            self.sent_at = self._clock.monotonic()

    @property
    def stale(self) -> bool:
        """Whether the receiver had closed this reused connection: no byte of a response came."""
        failure = self.response.failure
        return (
            failure is not None
            and failure.kind == "reset"
            and self.requests > 1
            and not self.first_byte_at
        )

    def expire(self) -> None:
        """End the attempt: its deadline, or that of the body, has passed."""
        if self._waiter is None:
            return
        transport = self._transport
        if self.response.find_status():
            phase = "body"
        elif transport is None or transport.is_closing() or not transport.get_write_buffer_size():
            phase = "wait"
        else:
            phase = "send"
        self._fail(timeout_failure(phase, self._timeout))

    def abort(self) -> None:
        """Close the connection at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # The transport calls these methods.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the prepared request before anything can be received."""
        self._transport = cast("asyncio.Transport", transport)
        if self.closed:  # aborted while it was being connected
            self._transport.abort()
            return
        self.send()

    def data_received(self, data: bytes) -> None:
        """Read the next bytes of the response."""
        if self._waiter is None or not self.sent_at:  # no request is waiting for these bytes
            self.abort()
            return
        response = self.response
        if not self.first_byte_at:
            self.first_byte_at = self._clock.monotonic()
            if response.read_cached(data):
                self._end(reusable=True)
                return
            if data[0] != _H:  # llhttp would also accept RTSP, ICE and leading blank lines
                self._fail(protocol_failure("bad_status_line"))
                return
        if response.feed(data):
            self._end(reusable=response.is_clean)
        elif response.status is not None:
            self._grace.add(self, self.loop)
            self._in_grace = True

    def eof_received(self) -> None:
        """Handle the end of what the receiver sends; returning None closes the connection."""
        self.closed = True
        if self._waiter is None:
            self.abort()  # an orderly close would wait for the receiver's cooperation
        elif self.response.ends_with_connection:
            self._end(reusable=False)
        else:
            self._fail(reset_failure("body" if self.response.find_status() else "wait", None))

    def connection_lost(self, error: Exception | None) -> None:
        """Handle the loss of the connection."""
        self.closed = True
        if self._waiter is not None:
            phase = "body" if self.response.find_status() else "wait"
            # With TLS 1.3 a receiver refuses a client after the handshake, so on a first request
            # this is a TLS failure. On a later one it is only the connection's end.
            if isinstance(error, ssl.SSLError) and self.requests == 1:
                self._fail(tls_failure(error, phase))
            else:
                self._fail(reset_failure(phase, error))
        self._on_lost(self)

    def _fail(self, failure: Failure) -> None:
        self.response.fail(failure)
        self._end(reusable=False)

    def _end(self, *, reusable: bool) -> None:
        """Finish the request; the connection stays open only if it can carry another one."""
        transport = cast("asyncio.Transport", self._transport)
        # A response may come before the whole request was sent. The rest is then not sent.
        self.reusable = reusable and not self.closed and not transport.get_write_buffer_size()
        self.ended_at = self._clock.monotonic()
        if self._in_grace:
            self._in_grace = False
            self._grace.discard(self)
        if not self.reusable:
            self.abort()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
