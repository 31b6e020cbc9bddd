"""For tests of a lost database: a network that can fail, and how long an answer may take."""

import asyncio
import contextlib
from typing import Final

IN_TIME: Final = 3.0
"""Seconds. The service promises 2, and its timers end there. The rest allows for a busy test
machine, on which a process may get no CPU when its timer ends."""


class Proxy:
    """A TCP proxy that passes bytes on, and can be told to hold them back or to hang up."""

    def __init__(self, port: int) -> None:
        self.to_port = port
        self.passes = {"up": asyncio.Event(), "down": asyncio.Event()}
        self.thaw()
        self._streams: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def freeze(self, *directions: str) -> None:
        """Hold bytes back, in the named directions or in both."""
        for direction in directions or ("up", "down"):
            self.passes[direction].clear()

    def thaw(self) -> None:
        for direction in self.passes.values():
            direction.set()

    def hang_up(self) -> None:
        for stream in self._streams:
            stream.transport.abort()

    async def _serve(self, reader, writer) -> None:
        try:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:  # nothing listens there, so the client gets an error, too
            writer.transport.abort()
            return
        self._streams |= {writer, other_writer}
        for direction, source, sink in (
            ("up", reader, other_writer),
            ("down", other_reader, writer),
        ):
            task = asyncio.create_task(self._pass(direction, source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, direction: str, source, sink) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(1 << 16):
                await self.passes[direction].wait()
                sink.write(data)
                await sink.drain()
        sink.close()

    async def stop(self) -> None:
        self._server.close()
        self.thaw()
        self.hang_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
