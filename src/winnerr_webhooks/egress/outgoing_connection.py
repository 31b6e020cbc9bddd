"""One connection to a receiver: a request out, the answer in, and never more than it must read.

Parsing is llhttp's, in its strict mode; the limits are ours, for it has none. They are held
while bytes arrive: what lies past a limit is not parsed, and the connection is closed. A status
line is the answer, whatever follows it (CONTRACT, Said more exactly): a head that the strict
parser refuses is read again by `lenient_head`, and the connection is closed after it.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

import httptools

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import Failure
from winnerr_webhooks.egress.deadlines import Deadlines
from winnerr_webhooks.egress.failures import (
    parser_failure,
    protocol_failure,
    reset_failure,
    timeout_failure,
    tls_failure,
)
from winnerr_webhooks.egress.lenient_head import canonical, read_head
from winnerr_webhooks.egress.response_framing import ends_with_body, ends_with_chunks, has_length
from winnerr_webhooks.egress.response_head_cache import CachedHead, known_head

MAX_HEAD: Final = 32 * 1024
"""Bytes of the answer's status line and headers, those of 1xx answers before it included."""
MAX_LINES: Final = 100
"""Header lines, those of 1xx answers and their status lines included."""
MAX_BODY: Final = 16 * 1024
"""Bytes of the body that are kept; one more and we hang up."""
MAX_BODY_WIRE: Final = 128 * 1024
"""Bytes read after the headers, chunk sizes, extensions and trailers included."""

_H: Final = ord("H")


class _Stop(Exception):  # noqa: N818  control flow through the parser, not an error
    """Raised in a callback: the parser must not go on."""


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time.

    After the future of `request` is done, the public fields say what came of it.
    """

    __slots__ = (
        "_body", "_chunked", "_clock", "_complete", "_failure", "_grace", "_head", "_heads",
        "_is_lenient", "_keep_alive", "_kept", "_known", "_lines", "_on_lost", "_parser", "_raw",
        "_taken", "_timeout", "_transport", "_unsent", "_waiter", "_wire", "closed", "ended_at",
        "failure", "first_byte_at", "idle_seconds", "idle_since", "idle_told", "key", "loop",
        "made_at", "reason", "requests", "reusable", "sent_at", "status", "truncated",
    )  # fmt: skip

    def __init__(
        self,
        key: tuple[str, str, str, int],
        *,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        timeout: float,
        grace: Deadlines,
        on_lost: Callable[["Connection"], None],
    ) -> None:
        self.key = key
        self._clock = clock
        self.loop = loop
        self._timeout = timeout
        self._grace = grace
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._unsent = b""
        self._waiter: asyncio.Future[None] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._known: CachedHead | None = None
        self.closed = False
        self.requests = 0
        self.made_at = clock.monotonic()
        self.idle_seconds = 0.0
        """How long the pool keeps it idle; this and the next two are the pool's to set."""
        self.idle_since = 0.0
        self.idle_told = False
        """The receiver said how long."""

    # What the client calls.

    def request(self, data: bytes) -> asyncio.Future[None]:
        """Have a whole request sent: by the next `send`, or as soon as the connection is made."""
        self.status: int | None = None
        self.reason = b""
        self.truncated = False
        self.failure: Failure | None = None
        self.reusable = False
        self.sent_at = 0.0
        self.first_byte_at = 0.0
        self.ended_at = 0.0
        self._failure: Failure | None = None
        self._head: list[bytes] = []
        self._body: list[bytes] = []
        self._kept = self._lines = self._wire = 0
        self._complete = self._chunked = self._keep_alive = self._is_lenient = False
        self._raw = b""
        self.requests += 1
        self._waiter = waiter = self.loop.create_future()
        self._unsent = data
        return waiter

    def send(self) -> None:
        """Send the request now."""
        transport, data, self._unsent = self._transport, self._unsent, b""
        if transport is not None and not self.closed:  # else it was given up meanwhile
            transport.write(data)
            self.sent_at = self._clock.monotonic()

    @property
    def head(self) -> bytes:
        """The answer's header lines, each `name: value` and CRLF."""
        return b"".join(self._head)

    @property
    def body(self) -> bytes:
        """What was kept of the answer's body."""
        return b"".join(self._body)

    @property
    def stale(self) -> bool:
        """The receiver had ended this reused connection: not a byte of an answer came."""
        failure = self.failure
        return (
            failure is not None
            and failure.kind == "reset"
            and self.requests > 1
            and not self.first_byte_at
        )

    def expire(self) -> None:
        """The time is over: of the attempt, or of the body."""
        if self._waiter is None:
            return
        transport = self._transport
        if self._take_status():
            phase = "body"
        elif transport is None or transport.is_closing() or not transport.get_write_buffer_size():
            phase = "wait"
        else:
            phase = "send"
        self._fail(timeout_failure(phase, self._timeout))

    def forget(self) -> None:
        """Let go of the answer: idle connections are many, and answers up to 48 KiB."""
        self._head = []
        self._body = []
        self._raw = b""

    def abort(self) -> None:
        """Hang up at once, without another word to the receiver."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request that waited for this, before anything can be received."""
        self._transport = cast("asyncio.Transport", transport)
        if self.closed:  # given up meanwhile
            self._transport.abort()
            return
        self.send()

    def data_received(self, data: bytes) -> None:
        """Take the answer's next bytes."""
        if not self._is_asked:  # a surplus byte: nothing was asked, so nothing is believed
            self.abort()
            return
        if not self.first_byte_at:
            self.first_byte_at = self._clock.monotonic()
            known = self._known
            if known is not None and known.is_of(data):
                self._succeed_as_known(known, data)
                return
            if data[0] != _H:  # llhttp would also take RTSP and ICE, and leading blank lines
                self._fail(protocol_failure("bad_status_line"))
                return
        if self.status is None and self._wire + len(data) > MAX_HEAD:
            self._receive_in_two(data)
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Hand bytes to the parser, and see how far they bring the answer."""
        self._wire += len(data)
        self._heads = self._taken = 0
        if self._is_lenient and self.status is None:
            before = len(self._raw)
            self._raw += data
            if not (data := canonical(self._raw, before)):
                return
        try:
            self._parser.feed_data(data)
        except (_Stop, httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._stopped(error, data)
            return
        if self._complete:
            reusable = self._keep_alive and not self._is_lenient and self._ends_with(data)
            if reusable and self._wire == len(data) and self._heads == 1 and not self._chunked:
                end = len(data) - self._taken
                self._known = known_head(
                    data[:end], self._taken, self.status, self.reason, self.head
                )
            self._succeed(reusable=reusable)
        elif self.status is None:
            self._raw += data
        elif self._wire > MAX_HEAD + MAX_BODY_WIRE:
            self.truncated = True
            self._succeed(reusable=False)
        else:
            self._raw = b""
            self._grace.add(self, self.loop)

    def eof_received(self) -> None:
        """Take the end of what the receiver sends; returning None closes the connection."""
        self.closed = True
        if self._waiter is None:
            self.abort()  # closing in order would wait for a receiver that need not play along
            return
        if self.status is not None and not self._chunked and not has_length(self._head):
            self._succeed(reusable=False)  # close-delimited, RFC 9112 6.3, 8
        else:
            self._fail(reset_failure("body" if self._take_status() else "wait", None))

    def connection_lost(self, error: Exception | None) -> None:
        """Take note that it is gone."""
        self.closed = True
        if self._waiter is not None:
            phase = "body" if self._take_status() else "wait"
            # TLS 1.3 refuses a client after the handshake; later it is the connection's end.
            if isinstance(error, ssl.SSLError) and self.requests == 1:
                self._fail(tls_failure(error, phase))
            else:
                self._fail(reset_failure(phase, error))
        self._on_lost(self)

    # What the parser calls. It also announces 1xx answers, which are skipped.

    def on_message_begin(self) -> None:
        """Refuse a second answer."""
        if self._complete:
            raise _Stop

    def on_status(self, reason: bytes) -> None:
        """Take the reason phrase, or a part of it."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header line; trailers are not headers (RFC 9110, 6.5) and are left out."""
        if self.status is None:
            self._head.append(b"%b: %b\r\n" % (name, value.rstrip()))
            self._count_line()

    def on_headers_complete(self) -> None:
        """The verdict falls here: what comes after cannot change the status."""
        parser = self._parser
        status = parser.get_status_code()
        self._heads += 1
        if status >= 200:  # noqa: PLR2004  RFC 9110, 15
            if parser.get_http_version() not in {"1.1", "1.0"}:
                self._refuse("bad_status_line")
            self.status = status
            self._keep_alive = parser.should_keep_alive()
        elif status == 101:  # noqa: PLR2004  RFC 9110, 15.2.2
            self._refuse("unexpected_upgrade")
        elif status >= 100:  # noqa: PLR2004
            self._head.clear()
            self.reason = b""
            self._count_line()
        else:
            self._refuse("bad_status_line")

    def on_chunk_header(self) -> None:
        """Note that the body ends with a last chunk."""
        self._check_no_interim_body()
        self._chunked = True

    def on_body(self, data: bytes) -> None:
        """Keep what there is room for."""
        self._check_no_interim_body()
        self._taken += len(data)
        room = MAX_BODY - self._kept
        if len(data) > room:
            self._body.append(data[:room])
            self.truncated = True
            raise _Stop
        self._body.append(data)
        self._kept += len(data)

    def _check_no_interim_body(self) -> None:
        if self.status is None:  # an interim answer ends with its headers (RFC 9110, 15.2)
            self._refuse("bad_status_line")

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        self._complete = self.status is not None

    # How it ends.

    @property
    def _is_asked(self) -> bool:
        return self._waiter is not None and self.sent_at != 0.0

    def _receive_in_two(self, data: bytes) -> None:
        """Hand the parser only what may still be headers, then the rest if it is body."""
        room = MAX_HEAD - self._wire
        if room:
            self.data_received(data[:room])
        if self._waiter is not None and self.status is None:
            self._fail(protocol_failure("headers_too_large"))
        elif not self.closed:
            self.data_received(data[room:])

    def _count_line(self) -> None:
        self._lines += 1
        if self._lines > MAX_LINES:
            self._refuse("too_many_headers")

    def _refuse(self, code: str) -> None:
        self._failure = protocol_failure(code)
        raise _Stop

    def _stopped(self, error: Exception, data: bytes) -> None:
        """Judge why the parser stopped: we stopped it, or the bytes did."""
        if self.status is None and not self._is_lenient:
            self._raw += data
        if self._failure is not None:
            self._fail(self._failure)
        elif self._complete or self.truncated:
            self._succeed(reusable=False)
        elif self.status is None and not self._is_lenient and read_head(self._raw) is not None:
            self._begin_again()
        else:
            in_status_line = not (self._heads or self._lines or self.reason)
            in_body = self.status is not None
            self._fail(parser_failure(error, in_body=in_body, in_status_line=in_status_line))

    def _ends_with(self, data: bytes) -> bool:
        if self._chunked:
            return ends_with_chunks(data)
        return ends_with_body(self._raw[-3:], data, self._heads, self._taken)

    def _begin_again(self) -> None:
        """Have the head parsed from its beginning, as `lenient_head` reads it."""
        self._is_lenient = True
        self._parser = httptools.HttpResponseParser(self)
        self._head, self.reason, self._lines = [], b"", 0
        raw, self._raw = self._raw, b""
        self._wire -= len(raw)
        self._parse(raw)

    def _take_status(self) -> bool:
        """Take the status from what came, if the parser did not; whether there is one."""
        if self.status is None and (head := read_head(self._raw)) is not None:
            self.status = head.status
            self.reason = head.reason
            self._head = head.lines[:MAX_LINES]
            self._body = [self._raw[head.end :][:MAX_BODY]] if head.end else []
        return self.status is not None

    def _succeed_as_known(self, known: CachedHead, data: bytes) -> None:
        """Take an answer whose head was parsed before; the parser stands before a next one."""
        self.status = known.status
        self.reason = known.reason
        self._head = [known.lines]
        self._body = [data[len(known.raw) :]]
        self._succeed(reusable=True)

    def _succeed(self, *, reusable: bool) -> None:
        transport = cast("asyncio.Transport", self._transport)
        # An answer may come before the request is read; what is left of it is then not sent.
        self.reusable = reusable and not self.closed and not transport.get_write_buffer_size()
        self._end()

    def _fail(self, failure: Failure) -> None:
        self.failure = failure
        self.truncated = self._take_status()
        self._end()

    def _end(self) -> None:
        self.ended_at = self._clock.monotonic()
        self._grace.discard(self)
        if not self.reusable:
            self.abort()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
