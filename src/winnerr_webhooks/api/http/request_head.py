"""The head of a request: its request line and header lines, parsed and checked (RFC 9112)."""

import re
from typing import Any, Final, NamedTuple

import httptools

from winnerr_webhooks.domain.errors import (
    ContentCoding,
    HeadTooLarge,
    Malformed,
    Refused,
    TransferCoding,
)

Headers = list[tuple[bytes, bytes]]
"""Names in lower case, with their values, in the order they came."""

END_OF_HEAD: Final = b"\r\n\r\n"
_VERSIONS: Final = ("1.1", "1.0")
_CODINGS: Final = frozenset((b"content-encoding", b"transfer-encoding"))
_HOST: Final = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
"""The characters of a host and a port (RFC 3986, section 3.2)."""
_SHOWN: Final = 80
"""Characters of a header value that its refusal repeats."""


class Limits(NamedTuple):
    """What one request may cost before its sender is known."""

    head: int = 64 * 1024
    """Bytes of the head; of the trailers too."""
    lines: int = 100
    """Header lines."""
    request_seconds: float = 60.0
    """From the first byte of a request (of the first one: from connecting) to its last."""


class RequestHead:
    """A head that is parsed while it arrives, and never further than its end.

    llhttp parses in its strict mode: each line ends with CRLF, no line is folded, and a request
    has no two framings. So the head ends with the first blank line, and where that is can be found
    without the parser. The attributes are complete once `feed` has returned the rest.
    """

    __slots__ = (
        "_limits", "_parser", "_size", "_tail", "content_length", "expects_continue", "headers",
        "keep_alive", "method", "target", "version",
    )  # fmt: skip

    content_length: int | None
    """Bytes of the body; None: its framing is chunked."""
    keep_alive: bool
    """Whether the connection may carry another request after this one."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parser: Any = httptools.HttpRequestParser(self)
        self._size = 0
        self._tail = b""
        """The last three bytes so far: the blank line may arrive in two pieces."""
        self.method = b""
        self.target = b""
        self.version = ""
        self.headers: Headers = []
        self.expects_continue = False

    def feed(self, data: bytes) -> bytes | None:
        """Parse up to the blank line; return what follows it, or None while it has not come.

        Raises `HeadTooLarge`, `Malformed`, `ContentCoding` or `TransferCoding`.
        """
        found = (self._tail + data).find(END_OF_HEAD)
        size = len(data) if found < 0 else found + len(END_OF_HEAD) - len(self._tail)
        self._size += size
        if self._size > self._limits.head:
            kib = self._limits.head // 1024
            raise HeadTooLarge(f"Request line and headers have more than {kib} KiB.")
        try:
            self._parser.feed_data(data[:size])
        except httptools.HttpParserUpgrade:
            pass  # ignored (RFC 9110, section 7.8); CONNECT is refused below
        except httptools.HttpParserError as error:
            if self.version:  # the head is complete, and the rules below say more
                self._check()
            raise _parser_refusal(error) from None
        if len(self.headers) > self._limits.lines:
            raise HeadTooLarge(f"The request has more than {self._limits.lines} header lines.")
        if found < 0:
            self._tail = (self._tail + data)[1 - len(END_OF_HEAD) :]
            return None
        self.close()
        self._check()
        return data[size:]

    def has_method(self, method: bytes) -> bool:
        """Whether the request has this method, as far as its request line has come."""
        if self._parser is not None:  # the head is not complete
            return bool(self._parser.get_method() == method)
        return self.method == method

    def close(self) -> None:
        """Release the parser. It refers to this object, which would stay in memory with it."""
        self._parser = None

    def on_url(self, url: bytes) -> None:
        """Take a part of the request target; called by the parser, as the next two are."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header line, without the white space after its value (RFC 9110, section 5.5).

        Of too many, one more than the limit is kept: 64 KiB of short lines would take 1 MiB.
        """
        if len(self.headers) > self._limits.lines:
            return
        name, value = name.lower(), value.rstrip(b" \t")
        if name == b"expect" and value.lower() == b"100-continue":
            self.expects_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take what only the parser knows."""
        parser = self._parser
        self.method = parser.get_method()
        self.version = parser.get_http_version()
        self.keep_alive = self.version == "1.1" and parser.should_keep_alive()
        if self.version == "1.0":
            self.expects_continue = False  # HTTP/1.0 has no 100 (RFC 9110, section 10.1.1)

    def _check(self) -> None:
        """Refuse what this server does not do, and find how the body is framed.

        Nearly every head has no name twice and no coding: that takes a dict and three look-ups.
        """
        headers = self.headers
        if self.version not in _VERSIONS:
            raise Malformed("This server speaks HTTP/1.1 and HTTP/1.0.")
        if self.method == b"CONNECT":
            raise Malformed("This is not a proxy, so it does not take CONNECT.")
        fields = dict(headers)
        if len(fields) < len(headers) or b"host" not in fields or not _CODINGS.isdisjoint(fields):
            _check_fields(headers, self.version)
        elif _HOST.fullmatch(fields[b"host"]) is None:
            raise Malformed("The Host header has a character that no host name has.")
        if b"transfer-encoding" in fields:
            self.content_length = None
        else:
            self.content_length = content_length(headers)


def content_length(headers: Headers) -> int:
    """The Content-Length that the parser has checked, or 0 (RFC 9110, section 8.6)."""
    value = next((value for name, value in headers if name == b"content-length"), b"0")
    return int(value.lstrip(b"0") or b"0")  # any number of zeros may lead


def _parser_refusal(error: httptools.HttpParserError) -> Refused:
    if "`Transfer-Encoding`" in str(error):
        return TransferCoding("The transfer coding is not known; use chunked.")
    return Malformed(f"This is not HTTP/1.1: {error}.")


def _check_fields(headers: Headers, version: str) -> None:
    hosts = _values(headers, b"host")
    if not hosts and version == "1.1":
        raise Malformed("The request has no Host header (RFC 9112, section 3.2).")
    if len(hosts) > 1:
        raise Malformed("The request has more than one Host header (RFC 9112, section 3.2).")
    if hosts and _HOST.fullmatch(hosts[0]) is None:
        raise Malformed("The Host header has a character that no host name has.")
    transfer = b", ".join(_values(headers, b"transfer-encoding"))
    if transfer and transfer.lower() != b"chunked":
        raise TransferCoding(f"The transfer coding {_shown(transfer)} is not known; use chunked.")
    content = b", ".join(_values(headers, b"content-encoding"))
    if content and content.lower() != b"identity":
        raise ContentCoding(
            f"The body has the Content-Encoding {_shown(content)}. Send it without one."
        )


def _values(headers: Headers, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _shown(value: bytes) -> str:
    return value[:_SHOWN].decode("ascii", "replace")
