"""One caller's connection: it reads a request, waits for its answer, and reads the next one.

Nothing is read ahead of need. What follows a request stays unparsed until that one is answered,
and a body is read only while somebody wants it. Meanwhile reading is paused, and the caller's
bytes wait in the kernel. So a connection holds at most one read that no budget counts.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, cast

from winnerr_webhooks.api.http.asgi_request import AsgiApp, AsgiRequest, scope_of
from winnerr_webhooks.api.http.body_framing import (
    Body,
    ChunkedBody,
    DiscardedBytes,
    FixedLengthBody,
)
from winnerr_webhooks.api.http.connection_timeouts import TICKS, ConnectionTimeouts
from winnerr_webhooks.api.http.date_header import DateHeader
from winnerr_webhooks.api.http.fast_path import FastPath
from winnerr_webhooks.api.http.open_connections import OpenConnections
from winnerr_webhooks.api.http.request import Request
from winnerr_webhooks.api.http.request_head import Limits, RequestHead
from winnerr_webhooks.api.problems import refused, response
from winnerr_webhooks.domain.errors import Malformed, Refused, TooSlow

SMALL_READ: Final = 16 * 1024
"""Bytes read at once while no body is wanted: several events, or the largest usual head."""
LARGE_READ: Final = 64 * 1024
"""Bytes read at once of a body that somebody wants."""
_small, _large = (memoryview(bytearray(size)) for size in (SMALL_READ, LARGE_READ))
"""All connections read into these two: what was read is copied before the next read."""


class ServerState:
    """What all connections of a server share."""

    def __init__(
        self,
        app: AsgiApp,
        fast_path: FastPath | None,
        *,
        limits: Limits,
        idle_ticks: float,
        open_connections: OpenConnections,
        timeouts: ConnectionTimeouts,
        date: DateHeader,
    ) -> None:
        """`idle_ticks`: how long a connection may be idle between two requests."""
        self.app = app
        self.fast_path = fast_path
        self.limits = limits
        self.idle_ticks = idle_ticks
        self.open_connections = open_connections
        self.timeouts = timeouts
        self.date = date
        self.connections: set[ClientConnection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.is_stopping = False
        self.is_quiet = asyncio.Event()
        """Set when the last connection or task ends."""


class ClientConnection(asyncio.BufferedProtocol):
    """A connection that carries one request after another."""

    __slots__ = (
        "_age", "_has_key", "_is_parsing", "_most_idle", "_read_paused", "_reading", "_received",
        "_server", "_stalled", "_unsent", "_writable", "is_set_aside", "request",
        "transport", "write_paused",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self.request: Request | None = None
        """The request that has no complete answer yet."""
        self._reading: RequestHead | Body | None = None
        """What the next bytes belong to: a head, a body, or None between two requests."""
        self._received = b""
        """Bytes that are not parsed yet."""
        self._is_parsing = self._read_paused = self.write_paused = False
        self._writable: asyncio.Event | None = None
        """Set when writing may go on; made when somebody waits for that."""
        self._age = 0
        """Ticks since the request began, or since its answer if that is later."""
        self._most_idle: float = TICKS
        """Ticks it may be idle: at first those of a request, later those between two requests."""
        self._unsent = self._stalled = 0
        """Bytes that the caller has yet to take, and the ticks in which it took none of them."""
        self._has_key = False
        self.is_set_aside = False
        """Whether `OpenConnections` found it busy; it is queued again after the answer."""

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or hang up when there is no room or the server stops."""
        self.transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)
        self._server.timeouts.add(self)
        descriptor = transport.get_extra_info("socket").fileno()
        if self._server.is_stopping or not self._server.open_connections.add(self, descriptor):
            self.transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        """Let go of everything."""
        server = self._server
        server.connections.discard(self)
        server.open_connections.discard(self)
        server.timeouts.discard(self)
        self._stop_reading(None)
        if self.request is not None:
            self.request.disconnect()
            self.request = None
        self.resume_writing()
        self._check_quiet()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Read into this: into the large one a body that is waited for, or dropped to its end."""
        reading, request = self._reading, self.request
        if type(reading) is not FixedLengthBody:
            return _large if type(reading) is DiscardedBytes else _small
        is_large = reading.left >= LARGE_READ if request is None else request.awaits_body
        return _large if is_large else _small

    def buffer_updated(self, size: int) -> None:
        """Take what was read, and parse it as far as it can be dealt with now."""
        if self.request is None and self._reading is None and not self.write_paused:
            data = bytes(_small[:size])
            fast_path = self._server.fast_path
            if fast_path is not None and fast_path.begin_cached(self, data):
                return
            self._received += data
        else:
            self._received += self.get_buffer(0)[:size]
        self._parse()

    def eof_received(self) -> bool:
        """Keep the connection for an answer that is due: a caller may end its own side first.

        If the answer has begun, an end of the caller's side means that the caller has left, so the
        connection is closed.
        """
        if isinstance(self._reading, DiscardedBytes):
            return False
        if self._reading is not None:
            self._refuse(Malformed("The request broke off."))
            return False
        if self.request is None or self.request.response_started:
            return False
        self.request.keep_alive = False
        return True

    def pause_writing(self) -> None:
        """Begin no request until the caller has taken answers."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """Go on with requests and answers."""
        self.write_paused = False
        if self._writable is not None:
            self._writable.set()
            self._writable = None
        if self._received and not self._is_parsing:
            self._parse()

    # What a request calls.

    @property
    def date_line(self) -> bytes:
        """The Date header line of an answer that is sent now."""
        return self._server.date.line()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a request's work as a task of the server."""
        task = asyncio.create_task(work)
        self._server.tasks.add(task)
        task.add_done_callback(self._end_task)

    def write(self, data: bytes) -> None:
        """Send a part of an answer."""
        if not self.transport.is_closing():
            self.transport.write(data)

    async def wait_until_writable(self) -> None:
        """Return once the caller has taken most of what was sent, or is gone."""
        while self.write_paused:
            if self._writable is None:
                self._writable = asyncio.Event()
            await self._writable.wait()

    def read_on(self) -> None:
        """Read more of the body, which the request wants now."""
        if not self._is_parsing:
            self._parse()

    def finish(self, data: bytes) -> None:
        """Send the last part of an answer, and go on to the next request."""
        request, self.request = self.request, None
        assert request is not None  # noqa: S101  only a request that is under way calls this
        self._has_key = self._has_key or request.has_caller
        if self.transport.is_closing():
            return
        self.transport.write(data)
        self._most_idle = self._server.idle_ticks
        if self.is_set_aside:
            self._server.open_connections.rejoin(self)
        if not request.keep_alive:
            if self._reading is None and not self._received:
                self.transport.close()
            else:
                self._linger()
            return
        if self._reading is None:
            self._age = 0
        if self._read_paused and not self._is_parsing:
            self._parse()

    def close(self) -> None:
        """End the connection after what was sent: the answer cannot be completed."""
        self.request = None
        self.transport.close()

    # What the server, its timeouts and its open connections call.

    def tick(self) -> None:
        """Note that a tick has passed, and end what has taken too long."""
        self._age += 1
        if self._age == 1:
            self._server.open_connections.refresh(self)
        unsent = self.transport.get_write_buffer_size()
        self._stalled = self._stalled + 1 if unsent and unsent == self._unsent else 0
        self._unsent = unsent
        is_lingering = isinstance(self._reading, DiscardedBytes)
        if is_lingering and unsent:  # the caller is still taking the answer
            self._age = 0
        is_late = self._age > TICKS or self._server.is_stopping
        if self._stalled > TICKS or (is_lingering and is_late and not unsent):
            self.transport.abort()
        elif is_lingering or self.transport.is_closing():
            return
        elif self._reading is not None:
            if self._read_paused:  # it is this server that does not read
                self._age = 0
            elif self._age > TICKS:
                seconds = self._server.limits.request_seconds
                self._refuse(TooSlow(f"The request was not whole after {seconds:g} seconds."))
        elif self.request is None and self._age > self._most_idle:
            self.transport.close()

    def shut_down(self) -> None:
        """Close now, or after the answer that is due."""
        if self.request is None:
            self.transport.close()
        else:
            self.request.keep_alive = False

    def abort(self) -> None:
        """Close at once, so that the descriptor is free."""
        self.transport.abort()

    def has_shown_key(self) -> bool:
        """Whether one of its requests has shown a working key or session."""
        return self._has_key or (self.request is not None and self.request.has_caller)

    def is_answering(self) -> bool:
        """Whether a whole request is being answered."""
        return self.request is not None and self._reading is None

    def is_receiving(self) -> bool:
        """Whether a part of a request has come, and not all of it."""
        return self._reading is not None

    # How bytes become requests.

    def _parse(self) -> None:
        self._is_parsing = True
        try:
            while self._received and not self.transport.is_closing():
                reading = self._reading
                if reading is None or isinstance(reading, RequestHead):
                    if self.request is not None or self.write_paused:
                        break
                    self._read_head(reading)
                elif self.request is None or self.request.has_room:
                    self._read_body(reading)
                else:
                    break
        except Refused as error:
            self._refuse(error)
        finally:
            self._is_parsing = False
        self._pause_or_resume()

    def _read_head(self, head: RequestHead | None) -> None:
        raw = b""
        if head is None:
            raw = self._received = self._received.lstrip(b"\r\n")  # RFC 9112, section 2.2
            if not raw:
                return
            head = self._reading = RequestHead(self._server.limits)
            self._age = 0
        rest = head.feed(self._received)
        if rest is None:
            self._received = b""
            return
        self._received = rest
        fast_path, request = self._server.fast_path, None
        if fast_path is not None:
            request = fast_path.begin(self, head, raw[: len(raw) - len(rest)])
        self.request = request or self._start_asgi(head)
        if head.content_length is None:
            self._reading = ChunkedBody(self._server.limits.head)
        elif head.content_length:
            self._reading = FixedLengthBody(head.content_length)
        else:
            self._reading = None
            self.request.receive_body(b"", is_last=True)

    def _start_asgi(self, head: RequestHead) -> AsgiRequest:
        client, server = self._address("peername"), self._address("sockname")
        request = AsgiRequest(self, head, scope_of(head, client=client, server=server))
        self.start(request.run(self._server.app))
        return request

    def _address(self, name: str) -> tuple[str, int] | None:
        """Host and port; None when the caller has reset the connection meanwhile."""
        address = self.transport.get_extra_info(name)
        return None if address is None else address[:2]

    def _read_body(self, body: Body) -> None:
        data, self._received = body.decode(self._received)
        is_last = body.is_complete
        if is_last:
            self._reading = None
        if self.request is None:  # it is answered already, and needs no body
            if is_last:
                self._age = 0
        elif data or is_last:
            self.request.receive_body(data, is_last=is_last)

    def _pause_or_resume(self) -> None:
        if self.transport.is_closing():
            return
        is_full = bool(self._received) or (
            self._reading is not None and self.request is not None and not self.request.has_room
        )
        if is_full != self._read_paused:
            self._read_paused = is_full
            (self.transport.pause_reading if is_full else self.transport.resume_reading)()

    # How a connection ends.

    def _refuse(self, error: Refused) -> None:
        """Answer a request that cannot be read to its end, and end the connection.

        Where a next request would begin is not known. A request whose answer has begun, or is
        complete, gets no second one.
        """
        request, self.request = self.request, None
        is_answered, is_head = True, False
        if isinstance(self._reading, RequestHead):
            is_answered, is_head = False, self._reading.has_method(b"HEAD")
        elif request is not None:
            request.disconnect()
            is_answered, is_head = request.response_started, request.has_head_only
        if self.transport.is_closing():
            return
        if not is_answered:
            lines = self.date_line + b"connection: close\r\n"
            self.transport.write(response(refused(error), lines, head_only=is_head))
        self._linger()

    def _linger(self) -> None:
        """End the sending side, and drop what still comes, until the caller closes.

        If it were closed with bytes unread, it would be reset, and the answer could be lost
        (RFC 9112, section 9.6). Once the answer is sent, a caller has the time of a request.
        """
        self._stop_reading(DiscardedBytes())
        self._age = 0
        self.transport.write_eof()
        self._pause_or_resume()

    def _stop_reading(self, instead: DiscardedBytes | None) -> None:
        self._received = b""
        if isinstance(self._reading, RequestHead):
            self._reading.close()
        self._reading = instead

    def _end_task(self, task: asyncio.Task[None]) -> None:
        self._server.tasks.discard(task)
        self._check_quiet()

    def _check_quiet(self) -> None:
        if not self._server.connections and not self._server.tasks:
            self._server.is_quiet.set()
