"""A caller's connection: requests in, answers out, and never more held than it must.

Parsing is llhttp's, in its strict mode, called by uvicorn's protocol; the limits are ours, for
they have none. What is past a limit is not parsed.
"""

import asyncio
import math
from typing import Any, Final

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from winnerr_webhooks.api.connections import ClosableConnection, OpenConnections
from winnerr_webhooks.api.event_call import EventCall
from winnerr_webhooks.api.events import PATH, EventIntake
from winnerr_webhooks.api.head_rules import check_head, parser_refusal
from winnerr_webhooks.api.parts import PART, holds_one, part_end, without_upgrade
from winnerr_webhooks.api.problems import refused, response
from winnerr_webhooks.api.transport import Deaf, Flow, OneWrite
from winnerr_webhooks.api.watch import TICKS, Limits, Watch
from winnerr_webhooks.domain.errors import HeadTooLarge, Malformed, Refused, TooSlow

_HOT: Final = PATH.encode()


class Protocol(ClosableConnection, HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the short way for events and limits for all.

    Pipelined requests wait unparsed, with reading paused: a parsed one costs ten times its
    bytes, and uvicorn would parse whatever comes.
    """

    intake: EventIntake | None
    limits: Limits
    open_connections: OpenConnections
    watch: Watch
    idle_ticks = math.inf

    cycle: Any
    """The last request parsed: a `RequestResponseCycle` or an `EventCall`; None before one."""
    flow: Flow
    transport: Any
    _serving: Any = None
    """The one that is being answered, when another is in the pipeline behind it."""
    _receiving = 0
    """0: between requests; in a head: the bytes of it so far; in a body: -1, less the bytes since
    the last that were body (chunk sizes, trailers)."""
    _age = 0
    """Ticks since a request began or an answer was out, whichever was later."""
    _held = b""
    _at = 0
    """Received, and from here on not parsed yet."""
    _is_parsing = False
    _last_words = b""
    """An answer after which the connection ends; it waits for those before it."""
    _is_ending = False
    _unsent = 0
    _stalled = 0
    """Bytes the caller has yet to take, and the ticks in which it took none of them."""
    _common: object = None
    _common_lines = b""
    """uvicorn's header lines of every answer (it makes others each second), and their bytes."""

    # What the transport and the watch call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin on a connection."""
        wrapped: Any = OneWrite(transport, self.loop)
        super().connection_made(wrapped)
        self.flow = Flow(wrapped, self._read_on)
        self.watch.add(self, self.loop)
        if not self.open_connections.add(self, wrapped.get_extra_info("socket").fileno()):
            wrapped.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of a connection."""
        super().connection_lost(exc)
        self.open_connections.discard(self)
        self.watch.discard(self)
        self.flow.end()
        self._held = b""
        serving = self._serving
        if serving is not None and not serving.response_complete:
            serving.disconnected = True  # uvicorn tells only the last one
            serving.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Parse what came: at once when it is little, else no further than there is room."""
        is_new = not (self._receiving or self._held)
        if is_new and self._is_known(data):
            return
        if self._held or (
            len(data) > PART
            and (self._receiving > 0 or len(data) > self.limits.head or not holds_one(data))
        ):
            self._held += data
            self._parse_held()
            return
        before = self.cycle
        self._parse(data)
        if self._receiving:
            self._count(len(data) if self._receiving < 0 else min(len(data), PART))
            self._wait_for_more()
        elif is_new and self.cycle is not before and isinstance(self.cycle, EventCall):
            self.cycle.know(data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection for answers that are due: a caller may end its own side first.

        Not for a stream that is under way: this is how the end of its reader shows.
        """
        if self._receiving:
            self._refuse(Malformed("The request broke off."))
        elif self.is_busy() and not self.cycle.response_started:
            self.cycle.keep_alive = False
        else:
            return False
        return not self._is_ending

    def tick(self) -> None:
        """Some time has passed: end what takes too long."""
        self._age += 1
        if self._age == 1:
            self.open_connections.refresh(self)
        unsent = self.transport.get_write_buffer_size()
        self._stalled = self._stalled + 1 if unsent and unsent == self._unsent else 0
        self._unsent = unsent
        if self._stalled > TICKS or (self._is_ending and self._age > 1):
            self.transport.abort()
        elif self.transport.is_closing() or self._last_words:
            return
        elif self._receiving or self.cycle is None:
            if self._age > TICKS:
                self._is_late()
        elif self.cycle.response_complete and self._age > self.idle_ticks:
            self.transport.close()

    def shutdown(self) -> None:
        """Close, or do so after the answers that are due."""
        if self._is_ending:
            self.transport.close()
        else:
            super().shutdown()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin on a request: its scope is made when it is known that it needs one."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._receiving = 1
        self._age = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; white space behind its value is none of it (RFC 9110, 5.5)."""
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Choose the way."""
        if len(self.headers) > self.limits.lines:
            raise HeadTooLarge(f"The request has more than {self.limits.lines} header lines.")
        check_head(self.headers, self.parser)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Malformed("This is no proxy: it does not CONNECT.")
            return  # the head will come again without
        if self.url == _HOT and self.intake is not None and self._is_plain():
            begun = self.intake.begin_one(self.headers)
            if begun is not None:
                self.cycle = EventCall(self, begun)
                self._receiving = -1
                return
        url, headers = self.url, self.headers
        expected, before = self.expect_100_continue, self.cycle
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers = self.scope["headers"] = headers
        super().on_headers_complete()
        self._receiving = -1
        self.headers = []  # trailers are not headers (RFC 9110, 6.5)
        if len(self.pipeline) == 1:
            self._serving = before

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body, unless it is answered already."""
        self._receiving = -1
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if self._has_much_body():
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._receiving > 0:
            return  # it asked for an upgrade
        self._receiving = 0
        cycle = self.cycle
        if cycle.response_complete:
            self._age = 0
            return
        cycle.more_body = False
        cycle.message_event.set()

    # What a call calls.

    @property
    def common_lines(self) -> bytes:
        """The header lines of every answer now."""
        headers = self.server_state.default_headers
        if headers is not self._common:
            self._common = headers
            self._common_lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._common_lines

    def on_response_complete(self) -> None:
        """An answer is out: go on with what waited for it."""
        self.server_state.total_requests += 1
        if self.is_set_aside:
            self.open_connections.rejoin(self)
        if not self._receiving:
            self._age = 0
        if self.flow.read_paused:
            self._go_on()

    # How far it is parsed.

    def _is_known(self, data: bytes) -> bool:
        """Begin on a call whose head was parsed before; the parser stands before a next one."""
        if self.intake is None or self.is_busy() or self.flow.write_paused:
            return False
        found = self.intake.begin_known(data)
        if found is None:
            return False
        begun, body = found
        self._age = 0
        self.cycle = call = EventCall(self, begun)
        call.body = body
        call.more_body = False
        call.set()
        return True

    def _is_plain(self) -> bool:
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and not self.is_busy()
            and not self.flow.write_paused
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not self.expect_100_continue
        )

    def _is_full(self) -> bool:
        """Whether what has been parsed must be dealt with before more is."""
        return self.is_busy() and (
            self._receiving >= 0 or len(self.pipeline) > 0 or self._has_much_body()
        )

    def _has_much_body(self) -> bool:
        """Whether the application has yet to take what came; an event is taken whole."""
        return len(self.cycle.body) > HIGH_WATER_LIMIT and not isinstance(self.cycle, EventCall)

    def _go_on(self) -> None:
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._serving, app = self.pipeline.pop()
            self._start_asgi_task(self._serving, app)
        elif self._last_words:
            self._say_last_words()
        else:
            self._read_on()

    def _read_on(self) -> None:
        """Parse what was held back, and read on if that leaves room."""
        if self._is_parsing or self._last_words or self.transport.is_closing():
            return
        self._parse_held()
        if not self._held and not self._is_full():
            self.flow.go_on()

    def _parse_held(self) -> None:
        self._is_parsing = True
        while self._at < len(self._held) and not self.transport.is_closing():
            if self._is_full():
                self.flow.pause_reading()
                break
            before = self._receiving
            part = self._next_part()
            self._parse(part)
            if self._receiving:
                # What began in this part began somewhere in it: it is not held against it.
                goes_on = before * self._receiving > 0
                self._count(len(part) if goes_on else min(len(part), PART))
        else:
            self._held, self._at = b"", 0
        self._is_parsing = False
        self._wait_for_more()

    def _next_part(self) -> bytes:
        start, room = self._at, None
        if self._receiving:
            room = self.limits.head + PART + 1 - max(self._receiving, 0)
        self._at = part_end(self._held, start, most=room)
        return self._held[start : self._at]

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade() + data[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                self._refuse(parser_refusal(error))
                return
            else:
                return

    def _without_upgrade(self) -> bytes:
        """The head that was parsed, but for its wish for an upgrade, and a parser for it."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        return without_upgrade(method, self.url, version, self.headers)

    def _count(self, size: int) -> None:
        """Count bytes of a request that go on beyond what has been parsed."""
        if self._receiving > 0:
            self._receiving += size
        else:
            self._receiving -= size
        if abs(self._receiving) > self.limits.head + PART:
            kib = self.limits.head // 1024
            self._refuse(HeadTooLarge(f"Request line and headers have more than {kib} KiB."))

    def _wait_for_more(self) -> None:
        if self._receiving < 0 and isinstance(self.cycle, EventCall):
            self.cycle.wait_for_more()

    # How it ends.

    def _is_late(self) -> None:
        if self.flow.read_paused:  # it is us who did not read
            self._age = 0
        elif self._receiving:
            seconds = self.limits.request_seconds
            self._refuse(TooSlow(f"The request was not whole after {seconds:g} seconds."))
        else:
            self.transport.close()

    def _refuse(self, error: Refused) -> None:
        """Answer a request that cannot be taken, after those before it, and end the connection.

        Nothing more is parsed: where a next request would begin is not known.
        """
        cycle = self.cycle if self._receiving < 0 else None
        self._receiving = 0
        self._held, self._at = b"", 0
        self.transport.set_protocol(Deaf(self))
        if cycle is not None and (cycle.response_started or cycle.response_complete):
            self.transport.close()
            return
        if cycle is not None:
            self._drop(cycle)
        self._last_words = response(
            refused(error), (*self.server_state.default_headers, (b"connection", b"close"))
        )
        if self.is_busy():
            self.flow.pause_reading()
        else:
            self._say_last_words()

    def _drop(self, cycle: Any) -> None:
        """Forget a request whose body cannot be read."""
        cycle.body = b""
        if self.pipeline:
            self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else self._serving
            return
        cycle.disconnected = cycle.response_complete = True
        cycle.message_event.set()

    def _say_last_words(self) -> None:
        """Answer, and end the sending side; the rest when the caller does, or soon.

        Closed at once, with bytes unread, the connection would be reset, and the answer lost.
        """
        if self.transport.is_closing():
            return
        self._is_ending = True
        self._age = 0
        self.transport.write_now(self._last_words)
        self.transport.write_eof()
        self.flow.go_on()
