"""What the server puts around a connection's transport, to write less and to read no more."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl


class OneWrite:
    """A transport that joins two writes of one turn of the loop; else it is the one it wraps.

    uvicorn writes an answer's head at `http.response.start` and its body at
    `http.response.body`: two system calls, two packets, and a client woken twice for one answer.
    """

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

    def write_now(self, data: bytes) -> None:
        """Send a whole answer."""
        self._flush()
        self._transport.write(data)

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


class Flow(FlowControl):
    """uvicorn's flow control, in which the protocol decides whether reading may go on.

    uvicorn goes on after each answer, and whenever an application waits for a body, whatever
    else has come already.
    """

    def __init__(self, transport: Any, read_on: Callable[[], None]) -> None:
        super().__init__(transport)
        self._read_on: Callable[[], None] | None = read_on

    def resume_reading(self) -> None:
        """Ask the protocol to go on."""
        if self.read_paused and self._read_on is not None:
            self._read_on()

    def go_on(self) -> None:
        """Read on: the protocol says so."""
        super().resume_reading()

    def end(self) -> None:
        """The connection is lost: nothing will be read."""
        self._read_on = None


class Deaf(asyncio.Protocol):
    """What a connection's bytes go to when no more is believed of them: nothing hears them.

    How the connection ends still goes to its protocol.
    """

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol

    def pause_writing(self) -> None:
        """Pass it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._protocol.connection_lost(exc)
