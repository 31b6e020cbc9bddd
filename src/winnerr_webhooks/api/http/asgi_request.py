"""One request that is answered by an ASGI application (ASGI 3, HTTP specification 2.3)."""

import asyncio
import re
import traceback
import urllib.parse
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import httptools
import structlog

from winnerr_webhooks.api.http.request import Connection
from winnerr_webhooks.api.http.request_head import RequestHead
from winnerr_webhooks.api.problems import internal_error, response
from winnerr_webhooks.domain.errors import Malformed

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_FORBIDDEN_IN_NAME: Final = re.compile(rb'[\x00-\x20\x7f-\xff()<>@,;:\\"/\[\]?={}]')
_FORBIDDEN_IN_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BODILESS: Final = frozenset((204, 304))

log = structlog.get_logger(__name__)


def scope_of(head: RequestHead, *, client: Any, server: Any) -> Scope:
    """The connection scope of a request; `Malformed` when its target is not a URL."""
    try:
        url = httptools.parse_url(head.target)
    except httptools.HttpParserInvalidURLError:
        raise Malformed("The request target is not a path or a URL.") from None
    path = url.path or b"/"
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": head.version,
        "method": head.method.decode(),
        "scheme": "http",
        "path": urllib.parse.unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": url.query or b"",
        "root_path": "",
        "headers": head.headers,
        "client": client,
        "server": server,
        "state": {},
    }


class AsgiRequest:
    """Calls the application, gives it the body as it asks for it, and sends what it answers.

    The body is read from the connection only while the application waits for it, so of a body
    that nobody has asked for no more is held than one read. The start of the answer is sent with
    the first part of its body: that is one packet for most answers.
    """

    def __init__(self, connection: Connection, head: RequestHead, scope: Scope) -> None:
        self.scope = scope
        self.keep_alive = head.keep_alive
        self.response_started = False
        self._connection = connection
        self.has_head_only = head.method == b"HEAD"
        self._may_chunk = head.version == "1.1"
        self._must_continue = head.expects_continue
        self._is_over = False
        """The answer is complete, or nobody can receive it."""
        # The request's body.
        self._body = b""
        self._is_whole = False
        self._is_taken = False
        self.awaits_body = False
        """Whether the application waits for more of the body."""
        self._news = asyncio.Event()
        """More of the body has come, or the request is over."""
        # The answer.
        self._start = b""
        """Status line and header lines that wait for the first part of the body."""
        self._has_start = False
        self._is_chunked = False
        self._left: int | None = None
        """Bytes that the answer's Content-Length still allows; None: the answer has none."""

    @property
    def has_caller(self) -> bool:
        """Whether the application has found a working key or session."""
        return self.scope.get("auth") is not None

    @property
    def has_room(self) -> bool:
        """Whether more of the body may be kept: not while the application has yet to take some."""
        return not self._body

    def receive_body(self, data: bytes, *, is_last: bool) -> None:
        """Keep the next bytes of the body for the application."""
        self._body += data
        self._is_whole = is_last
        self.awaits_body = False
        self._news.set()

    def disconnect(self) -> None:
        """Let the application know, by `http.disconnect`, that nobody waits for an answer."""
        self._end()

    async def run(self, app: AsgiApp) -> None:
        """Call the application, and answer 500 when it fails."""
        try:
            await app(self.scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            # Not as exc_info: a renderer that shows local variables would show keys and secrets.
            self._fail("".join(traceback.format_exception(error)))
        else:
            if not self._is_over:
                self._fail("It returned without a complete response.")

    def _end(self) -> None:
        self._is_over = True
        self._body = b""
        self._start = b""
        self._news.set()

    def _fail(self, reason: str) -> None:
        log.error("the ASGI application failed", path=self.scope["path"], reason=reason)
        if self._is_over:
            return
        if self.response_started:
            self._end()
            self._connection.close()
            return
        self.keep_alive = False
        lines = self._connection.date_line + b"connection: close\r\n"
        self._finish(response(internal_error(), lines, head_only=self.has_head_only))

    async def _receive(self) -> dict[str, Any]:
        """Give the application the next part of the body, then `http.disconnect` (`receive`)."""
        is_due = not (self.response_started or self._is_over or self._body or self._is_whole)
        if self._must_continue and is_due:
            self._connection.write(CONTINUE)
        self._must_continue = False
        while not (self._is_over or self._body or (self._is_whole and not self._is_taken)):
            self._news.clear()
            if not self._is_whole:
                self.awaits_body = True
                self._connection.read_on()
            await self._news.wait()
        if self._is_over:
            return {"type": "http.disconnect"}
        body, self._body = self._body, b""
        self._is_taken = self._is_whole
        return {"type": "http.request", "body": body, "more_body": not self._is_whole}

    async def _send(self, message: Any) -> None:
        """Send a part of the answer (`send`); once the request is over, it is dropped."""
        await self._connection.wait_until_writable()
        if self._is_over:
            return
        kind = message["type"]
        if kind != ("http.response.body" if self._has_start else "http.response.start"):
            raise RuntimeError(f"The application sent {kind} out of turn.")
        if not self._has_start:
            self._prepare(message["status"], message.get("headers", ()))
            return
        data = self._framed(message.get("body", b""), is_last=not message.get("more_body"))
        if not message.get("more_body"):
            self._finish(data)
        elif data:
            self.response_started = True
            self._connection.write(data)

    def _prepare(self, status: int, headers: Any) -> None:
        lines = [b"HTTP/1.1 %d %b\r\n" % (status, _phrase(status)), self._connection.date_line]
        for name, value in headers:
            if _FORBIDDEN_IN_NAME.search(name) or _FORBIDDEN_IN_VALUE.search(value):
                raise RuntimeError("The application sent a header that HTTP does not allow.")
            lowered = name.lower()
            if lowered == b"content-length":
                self._left = int(value)
            elif lowered == b"connection" and value.lower() == b"close":
                self.keep_alive = False
            if lowered not in (b"connection", b"transfer-encoding"):  # the server's to decide
                lines.append(b"%b: %b\r\n" % (lowered, value))
        if self.has_head_only or status in _BODILESS:
            self.has_head_only = True
        elif self._left is None:
            self._is_chunked = self._may_chunk
            if self._is_chunked:
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                self.keep_alive = False  # the end of the connection is the end of the body
        self._has_start = True
        self._start = b"".join(lines)

    def _framed(self, body: bytes, *, is_last: bool) -> bytes:
        """A part of the body as it is sent, with the start of the answer before the first one."""
        if self.has_head_only:
            body = b""
        elif self._is_chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if is_last:
                body += b"0\r\n\r\n"
        elif self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (is_last and self._left):
                raise RuntimeError("The application's body is not as long as its Content-Length.")
        if self.response_started:
            return body
        close = b"" if self.keep_alive else b"connection: close\r\n"
        return b"%b%b\r\n%b" % (self._start, close, body)

    def _finish(self, data: bytes) -> None:
        self.response_started = True
        self._end()
        self._connection.finish(data)


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""
