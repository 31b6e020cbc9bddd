"""`winnerr-webhooks listen` for tests: the real command as a process, and what it prints."""

import asyncio
import hashlib
import hmac
import json
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
from tests import program
from tests.receiver import PATIENCE
from tests.server import PAUSE, Server


class Listening:
    """One `listen --json` beside a server."""

    def __init__(self, server: Server, forward_to: str, *words: str, **settings: str) -> None:
        self.server = server
        self.forward_to = forward_to
        self.words = words
        self.settings = settings
        self.lines: list[dict[str, Any]] = []
        self.errors = b""
        self._printed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> "Listening":
        """Start it; return when deliveries come."""
        server = self.server
        environment = {
            "WINNERR_WEBHOOKS_API_KEY": server.key,
            "WINNERR_WEBHOOKS_PUBLIC_URL": f"http://127.0.0.1:{server.port}",
        } | {f"WINNERR_WEBHOOKS_{name}": value for name, value in self.settings.items()}
        self.process = await program.start(
            *server.program,
            *("listen", "--json", "--forward-to", self.forward_to),
            *("--organization", server.organization, *self.words),
            env=server.environment | environment,
            cwd=server.folder,
            stdin=program.DEVNULL,
            stdout=program.PIPE,
            stderr=program.PIPE,
        )
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._read_errors())]
        await self.until("ready")
        return self

    @property
    def secret(self) -> str:
        return next(line["secret"] for line in self.lines if line["type"] == "ready")

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["type"] == "delivery"]

    async def until(
        self, kind: str, count: int = 1, where: Callable[[Any], bool] = lambda _line: True
    ) -> list[dict[str, Any]]:
        """Wait for that many lines of a type; return them."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines if line["type"] == kind and where(line)]

        def enough() -> bool:
            assert self.process.returncode is None or len(found()) >= count, self.errors
            return len(found()) >= count

        try:
            async with self._printed, asyncio.timeout(PATIENCE):
                await self._printed.wait_for(enough)
        except TimeoutError as error:
            error.add_note(f"listen printed {self.lines} {self.errors!r}")
            raise
        return found()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> tuple[int, str]:
        """Wait for its end: the exit code, and what it said."""
        code = await asyncio.wait_for(self.process.wait(), PATIENCE)
        await asyncio.gather(*self._tasks)
        return code, self.errors.decode()

    async def close(self) -> None:
        if self.process.returncode is None:
            self.send(signal.SIGKILL)
        await self.ended()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for raw in self.process.stdout:
            async with self._printed:
                self.lines.append(json.loads(raw))
                self._printed.notify_all()
        await self.process.wait()
        async with self._printed:
            self._printed.notify_all()

    async def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = await self.process.stderr.read()


async def connected(server, count: int) -> None:
    """Wait until so many listeners are connected to the server."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(aiohttp.ClientConnectionError):
                async with server.session.get("/metrics") as response:
                    text = await response.text()
                if f"winnerr_webhooks_listeners {count:.1f}" in text:
                    return
            await asyncio.sleep(PAUSE)


def signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
