"""`AsyncEmitter`: sends events to the API, from asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import ssl
import time
from datetime import datetime
from typing import Generator, Iterable, List, Optional, Tuple, TypeVar, Union

from winnerr_webhooks_sdk.emitter import IDLE_SECONDS
from winnerr_webhooks_sdk.exchange import (
    Accepted,
    Answer,
    Call,
    Lost,
    Reply,
    Result,
    Step,
    emit_batches,
    emit_one,
)
from winnerr_webhooks_sdk.new_event import Data, NewEvent, encode
from winnerr_webhooks_sdk.target import Target

_T = TypeVar("_T")

_FIRST_FINAL = 200
"""Statuses below are interim (RFC 9110, section 15.2)."""
_WITHOUT_BODY = (204, 304)


class AsyncEmitter:
    """Sends events to the API; one emitter serves all tasks of an event loop.

    The same as `Emitter`, with `await`. At most `connections` are open at once; more calls than
    that wait for one.

        async with AsyncEmitter("https://webhooks.example.com", key) as emitter:
            await emitter.emit("contact.created", "org_abc123", {"id": "contact_xyz"})
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 10.0,
        retry_for: float = 30.0,
        connections: int = 16,
        context: Optional[ssl.SSLContext] = None,
    ) -> None:
        self._target = Target(url, key, context)
        self._timeout = timeout
        self._retry_for = retry_for
        self._connections = connections
        self._free: Optional[asyncio.Semaphore] = None
        self._idle: List[_Connection] = []

    async def emit(
        self,
        event: str,
        organization: str,
        data: Data,
        id: Optional[str] = None,
        happened_at: Optional[datetime] = None,
    ) -> Accepted:
        """Send one event; see `Emitter.emit`."""
        submission = encode(NewEvent(event, organization, data, id, happened_at))
        return await self._run(emit_one(submission, self._retry_for))

    async def emit_many(self, events: Iterable[NewEvent]) -> List[Result]:
        """Send any number of events; see `Emitter.emit_many`."""
        submissions = [encode(event) for event in events]
        return await self._run(emit_batches(submissions, self._retry_for))

    async def close(self) -> None:
        """Close the idle connections."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def __aenter__(self) -> AsyncEmitter:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, flow: Generator[Step, Reply, _T]) -> _T:
        reply: Reply = None
        try:
            while True:
                step = flow.send(reply)
                if isinstance(step, Call):
                    reply = await self._call(step)
                else:
                    reply = None
                    await asyncio.sleep(step.seconds)
        except StopIteration as done:
            result: _T = done.value
            return result

    async def _call(self, call: Call) -> Union[Answer, Lost]:
        if self._free is None:  # made in the loop it belongs to, which Python 3.9 asks for
            self._free = asyncio.Semaphore(self._connections)
        async with self._free:
            connection = self._take_idle()
            reused = connection is not None
            try:
                if connection is None:
                    connection = await asyncio.wait_for(self._connect(), self._timeout)
                answer, keep = await asyncio.wait_for(
                    connection.exchange(self._request(call)), self._timeout
                )
            except ssl.SSLCertVerificationError as error:
                raise self._target.untrusted(error) from error
            except (
                OSError,
                EOFError,  # an answer that broke off
                ValueError,  # an answer that is not HTTP
                asyncio.LimitOverrunError,
                asyncio.TimeoutError,
                http.client.HTTPException,
            ) as error:
                if connection is not None:
                    await connection.close()
                if reused:
                    await self.close()  # the others are likely as stale
                return Lost(str(error) or type(error).__name__, reused)
            except BaseException:
                if connection is not None:
                    connection.abort()  # it is in the middle of something
                raise
            if keep:
                self._idle.append(connection)
            else:
                await connection.close()
            return answer

    async def _connect(self) -> _Connection:
        target = self._target
        reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.context)
        return _Connection(reader, writer)

    def _take_idle(self) -> Optional[_Connection]:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.abort()
        return None

    def _request(self, call: Call) -> bytes:
        lines = [f"POST {self._target.path}{call.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self._target.headers.items()]
        lines += [f"Content-Length: {len(call.body)}", "", ""]
        return "\r\n".join(lines).encode("ascii") + call.body


class _Connection:
    """One connection, used by one call at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._used_at = time.monotonic()

    def is_usable(self) -> bool:
        """Whether it is fresh and the other side has not closed it."""
        is_open = not (self._reader.at_eof() or self._writer.is_closing())
        return is_open and time.monotonic() - self._used_at < IDLE_SECONDS

    async def exchange(self, request: bytes) -> Tuple[Answer, bool]:
        """Send a request; the answer, and whether the connection can be used again."""
        self._writer.write(request)
        # The API may have answered before it had read everything, such as for a wrong key.
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        status, headers = await self._head()
        body, keep = await self._body(status, headers)
        lowered = {name.lower(): value for name, value in headers.items()}
        keep = keep and lowered.get("connection", "").lower() != "close"
        self._used_at = time.monotonic()
        return Answer(status, lowered, body), keep

    async def close(self) -> None:
        """Close it, and wait until it is closed."""
        self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), 1.0)
        except (OSError, asyncio.TimeoutError):
            self.abort()

    def abort(self) -> None:
        """Close it at once."""
        self._writer.transport.abort()

    async def _head(self) -> Tuple[int, http.client.HTTPMessage]:
        while True:
            head = await self._reader.readuntil(b"\r\n\r\n")
            line, _, rest = head.partition(b"\r\n")
            version, status, *_ = line.split(b" ", 2)
            if not version.startswith(b"HTTP/1."):
                raise http.client.BadStatusLine(line.decode("latin-1"))
            if int(status) >= _FIRST_FINAL:
                return int(status), http.client.parse_headers(io.BytesIO(rest))

    async def _body(self, status: int, headers: http.client.HTTPMessage) -> Tuple[bytes, bool]:
        """Read the body (RFC 9112, section 6.3), and say whether its end was clear."""
        if status in _WITHOUT_BODY:
            return b"", True
        if "chunked" in headers.get("Transfer-Encoding", "").lower():
            return await self._chunks(), True
        length = headers.get("Content-Length")
        if length is None:
            return await self._reader.read(), False
        return await self._reader.readexactly(int(length)), True

    async def _chunks(self) -> bytes:
        parts = []
        while True:
            size = int((await self._reader.readline()).partition(b";")[0], 16)
            if not size:
                break
            parts.append(await self._reader.readexactly(size))
            await self._reader.readline()
        while (await self._reader.readline()).strip():
            pass  # trailers
        return b"".join(parts)
