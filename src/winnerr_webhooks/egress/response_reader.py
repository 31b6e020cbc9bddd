"""Reads the responses of one connection, and never more of a response than it must.

llhttp parses, in its strict mode. It has no limits of its own, so the limits are enforced here
while bytes arrive: bytes beyond a limit are not parsed. A status line within the timeout is a
response, whatever follows it. So a head that the strict parser
rejects is read again with `lenient_head`.
"""

from typing import Final

import httptools

from winnerr_webhooks.domain.attempt import Failure
from winnerr_webhooks.egress.failures import parser_failure, protocol_failure
from winnerr_webhooks.egress.lenient_head import canonical, read_head
from winnerr_webhooks.egress.response_framing import ends_with_body, ends_with_chunks, has_length
from winnerr_webhooks.egress.response_head_cache import CachedHead, cache_head

MAX_HEAD: Final = 32 * 1024
"""The limit of status line and headers in bytes, with those of 1xx responses before it."""
MAX_LINES: Final = 100
"""The limit of header lines, with those of 1xx responses and their status lines."""
MAX_BODY: Final = 16 * 1024
"""How many bytes of a body are kept; a longer body is cut there."""
MAX_BODY_WIRE: Final = 128 * 1024
"""How many bytes are read after the headers, with chunk sizes, extensions and trailers."""


class _Stop(Exception):  # noqa: N818  control flow through the parser, not an error
    """Raised in a parser callback to stop the parser."""


class ResponseReader:
    """Reads one response at a time. `begin` starts the next one.

    When `feed` has returned True, or after `fail`, the public fields hold the result.
    """

    __slots__ = (
        "_body", "_body_in_data", "_cached", "_chunked", "_complete", "_head", "_heads_in_data",
        "_is_lenient", "_keep_alive", "_kept", "_limit_failure", "_lines", "_parser", "_raw",
        "_received", "failure", "is_clean", "reason", "status", "truncated",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._cached: CachedHead | None = None

    def begin(self) -> None:
        """Get ready for the next response."""
        self.status: int | None = None
        self.reason = b""
        self.truncated = False
        """Whether the body is longer than what was kept, or broke off."""
        self.failure: Failure | None = None
        self.is_clean = False
        """Whether the response ended exactly with the last byte, and the receiver keeps the
        connection open."""
        self._limit_failure: Failure | None = None
        self._head: list[bytes] = []
        self._body: list[bytes] = []
        self._kept = self._lines = self._received = 0
        self._complete = self._chunked = self._keep_alive = self._is_lenient = False
        self._raw = b""
        """The bytes so far, until the head has ended."""

    @property
    def head(self) -> bytes:
        """The header lines, each `name: value` and CRLF."""
        return b"".join(self._head)

    @property
    def body(self) -> bytes:
        """The part of the body that is kept."""
        return b"".join(self._body)

    @property
    def ends_with_connection(self) -> bool:
        """Whether the end of the connection ends this response (RFC 9112, 6.3, rule 8)."""
        return self.status is not None and not self._chunked and not has_length(self._head)

    def read_cached(self, data: bytes) -> bool:
        """Whether `data` is a whole response with the head of the last one; then it is read."""
        cached = self._cached
        if cached is None or not cached.matches(data):
            return False
        self.status = cached.status
        self.reason = cached.reason
        self._head = [cached.lines]
        self._body = [data[len(cached.raw) :]]
        return True

    def feed(self, data: bytes) -> bool:
        """Read more bytes. Returns True when the response is complete, cut at a limit or failed."""
        room = MAX_HEAD - self._received
        if self.status is None and len(data) > room:
            return self._feed_in_two(data, room)
        return self._parse(data)

    def fail(self, failure: Failure) -> bool:
        """End the response with a failure; a status line that has arrived still counts."""
        self.failure = failure
        self.truncated = self.find_status()
        return True

    def find_status(self) -> bool:
        """Whether the status line has arrived, even if the parser has not accepted the head."""
        if self.status is None and (head := read_head(self._raw)) is not None:
            self.status = head.status
            self.reason = head.reason
            self._head = head.lines[:MAX_LINES]
            self._body = [self._raw[head.end :][:MAX_BODY]] if head.end else []
        return self.status is not None

    def release(self) -> None:
        """Free the memory of the response; there may be many idle connections."""
        self._head = []
        self._body = []
        self._raw = b""

    def _feed_in_two(self, data: bytes, room: int) -> bool:
        """Parse only what may still be headers first, and the rest if it is body."""
        if room and self._parse(data[:room]):
            self.is_clean = False  # more bytes follow
            return True
        if self.status is None:
            return self.fail(protocol_failure("headers_too_large"))
        return self._parse(data[room:])

    def _parse(self, data: bytes) -> bool:
        self._received += len(data)
        self._heads_in_data = self._body_in_data = 0
        if self._is_lenient and self.status is None:
            before = len(self._raw)
            self._raw += data
            if not (data := canonical(self._raw, before)):
                return False
        try:
            self._parser.feed_data(data)
        except (_Stop, httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            return self._parser_stopped(error, data)
        if self._complete:
            self.is_clean = self._keep_alive and not self._is_lenient and self._ends_with(data)
            if self.is_clean and self._received == len(data):
                self._cache_head(data)
            return True
        if self.status is None:
            self._raw += data
        elif self._received > MAX_HEAD + MAX_BODY_WIRE:
            self.truncated = True
            return True
        else:
            self._raw = b""
        return False

    def _parser_stopped(self, error: Exception, data: bytes) -> bool:
        """Find out why the parser stopped: a callback of ours, or the bytes."""
        if self.status is None and not self._is_lenient:
            self._raw += data
        if self._limit_failure is not None:
            return self.fail(self._limit_failure)
        if self._complete or self.truncated:
            return True
        if self.status is None and not self._is_lenient and read_head(self._raw) is not None:
            return self._parse_leniently()
        in_status_line = not (self._heads_in_data or self._lines or self.reason)
        in_body = self.status is not None
        return self.fail(parser_failure(error, in_body=in_body, in_status_line=in_status_line))

    def _parse_leniently(self) -> bool:
        """Parse the head again from its first byte, as `lenient_head` reads it."""
        self._is_lenient = True
        self._parser = httptools.HttpResponseParser(self)
        self._head, self.reason, self._lines = [], b"", 0
        raw, self._raw = self._raw, b""
        self._received -= len(raw)
        return self._parse(raw)

    def _ends_with(self, data: bytes) -> bool:
        if self._chunked:
            return ends_with_chunks(data)
        return ends_with_body(self._raw[-3:], data, self._heads_in_data, self._body_in_data)

    def _cache_head(self, data: bytes) -> None:
        """Remember the head of a response that came in one piece."""
        if self._heads_in_data == 1 and not self._chunked and self.status is not None:
            length = self._body_in_data
            raw = data[: len(data) - length]
            self._cached = cache_head(raw, length, self.status, self.reason, self.head)

    # The parser calls these methods. It also reports 1xx responses, which are skipped.

    def on_message_begin(self) -> None:
        """Refuse a second response."""
        if self._complete:
            raise _Stop

    def on_status(self, reason: bytes) -> None:
        """Add a part of the reason phrase."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header line. Trailers are not headers (RFC 9110, 6.5) and are ignored."""
        if self.status is None:
            self._head.append(b"%b: %b\r\n" % (name, value.rstrip()))
            self._count_line()

    def on_headers_complete(self) -> None:
        """Take the status: nothing that comes later can change it."""
        parser = self._parser
        status = parser.get_status_code()
        self._heads_in_data += 1
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
        """Note that the body is chunked."""
        self._check_no_interim_body()
        self._chunked = True

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body, up to the limit."""
        self._check_no_interim_body()
        self._body_in_data += len(data)
        room = MAX_BODY - self._kept
        if len(data) > room:
            self._body.append(data[:room])
            self.truncated = True
            raise _Stop
        self._body.append(data)
        self._kept += len(data)

    def on_message_complete(self) -> None:
        """Note the end of the response."""
        self._complete = self.status is not None

    def _check_no_interim_body(self) -> None:
        if self.status is None:  # a 1xx response ends with its headers (RFC 9110, 15.2)
            self._refuse("bad_status_line")

    def _count_line(self) -> None:
        self._lines += 1
        if self._lines > MAX_LINES:
            self._refuse("too_many_headers")

    def _refuse(self, code: str) -> None:
        self._limit_failure = protocol_failure(code)
        raise _Stop
