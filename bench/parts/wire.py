"""HTTP/1.1 for the parts that must outlive what they do to the service: asyncio, no library.

An answer that does not come is a result as well: its status is `timeout` when the time was over,
`closed` when the connection ended or was refused.
"""

import asyncio
import resource
from typing import NamedTuple

UNANSWERED, CLOSED = "timeout", "closed"


class Answer(NamedTuple):
    status: str
    """Three digits, `timeout` or `closed`."""
    head: bytes = b""
    body: bytes = b""


class Connection:
    """A keep-alive connection to the service, reopened after it ended."""

    def __init__(self, port):
        self._port = port
        self._streams = None

    async def ask(self, message, until):
        """Send a request, and read its answer; `until` is an instant of the loop's clock."""
        try:
            async with asyncio.timeout_at(until):
                return await self._exchange(message)
        except TimeoutError:
            self.close()
            return Answer(UNANSWERED)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            self.close()
            return Answer(CLOSED)

    async def open(self):
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        return self._streams

    async def _exchange(self, message):
        reader, writer = await self.open()
        writer.write(message)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        body = await _body(reader, head.lower())
        if b"connection: close" in head.lower():
            self.close()
        return Answer(head[9:12].decode(), head, body)

    def close(self):
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _body(reader, head):
    """The body an answer's head (in small letters) announces: by length, or in chunks."""
    _, there, rest = head.partition(b"\r\ncontent-length:")
    if there:
        return await reader.readexactly(int(rest.split(b"\r", 1)[0]))
    parts = []
    if b"\r\ntransfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
    return b"".join(parts)


def message(port, method, path, headers, body=b""):
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def raise_descriptors():
    """Let this process open as many files as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
