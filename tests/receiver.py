"""A webhook receiver for tests: a real HTTP/1.1 server on loopback that answers as scripted."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.postgres import free_port

PATIENCE = 60.0
"""Seconds a test waits before it fails."""


@dataclass
class Request:
    """One request as the receiver got it, byte for byte."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def __getitem__(self, header: str) -> str:
        return self.headers[header.lower()]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """How the receiver answers one request; with `hang` it never does."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    hang: bool = False


class Receiver:
    """Keeps every request, and answers each with what `answer` returns for it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Answer | Awaitable[Answer]] = lambda _request: Answer()
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def start(self) -> "Receiver":
        port = self.port or free_port()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in set(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def wait_for(
        self, count: int, where: Callable[[Request], bool] = lambda _request: True
    ) -> list[Request]:
        """Wait until `count` requests match `where`; return the matching ones."""
        async with self._arrived, asyncio.timeout(PATIENCE):
            await self._arrived.wait_for(lambda: sum(map(where, self.requests)) >= count)
        return [request for request in self.requests if where(request)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                request = await _read(reader)
                async with self._arrived:
                    self.requests.append(request)
                    self._arrived.notify_all()
                answer = self.answer(request)
                if not isinstance(answer, Answer):
                    answer = await answer
                if answer.hang:
                    await asyncio.Event().wait()
                lines = [f"HTTP/1.1 {answer.status} Scripted"]
                lines += [f"{name}: {value}" for name, value in answer.headers.items()]
                lines.append(f"Content-Length: {len(answer.body)}")
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            self._connections.discard(task)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head[:-4].split("\r\n")
    method, path, _ = line.split(" ", 2)
    headers = {}
    for entry in rest:
        name, _, value = entry.partition(": ")
        headers[name.lower()] = value
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(asyncio.get_running_loop().time(), method, path, headers, body)
