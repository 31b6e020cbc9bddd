"""uvicorn as we run it: an answer leaves in one write, and signals are left to us."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Server(uvicorn.Server):
    """uvicorn, without its signal handlers: with them it ends with code 143 on SIGTERM."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol over a transport that keeps an answer's head for its body.

    uvicorn writes the head at `http.response.start` and the body at `http.response.body`: two
    system calls, two packets, and a client woken twice for one answer.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin on a connection."""
        super().connection_made(_OneWrite(transport, self.loop))  # type: ignore[arg-type]  # looks like one


class _OneWrite:
    """A transport that joins two writes of one turn of the loop; else it is the one it wraps."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, together with the next bytes if they come before this turn ends."""
        if self._held:
            data, self._held = self._held + data, b""
            self._transport.write(data)
        elif data:
            self._held = data
            self._loop.call_soon(self._flush)

    def is_closing(self) -> bool:
        """Whether the connection is closing or closed."""
        return bool(self._transport.is_closing())

    def close(self) -> None:
        """Send what was held, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            data, self._held = self._held, b""
            self._transport.write(data)
