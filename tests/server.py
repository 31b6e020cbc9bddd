"""`winnerr-webhooks serve` for tests: the real program as a process of its own."""

import asyncio
import copy
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
from tests import program
from tests.postgres import free_port
from tests.receiver import PATIENCE

from winnerr_webhooks import config, storage_opener
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import PREFIX
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.management.api_keys import ApiKeys

PAUSE = 0.05
"""Seconds between two looks at what a server does meanwhile: they leave the machine to it."""
_numbers = count(2)
"""Of organizations; org_1 is the one a server shows at first."""


class Server:
    """One server process, and its API as one organization sees it.

    `settings` are environment variables without their prefix. Until `start` it does not run.
    """

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.key = ""
        self.organization = "org_1"
        self.log: list[str] = []
        self.program = [sys.executable, "-m", "winnerr_webhooks"]
        self.patience = PATIENCE
        self.settings = {
            "DATABASE_URL": f"sqlite:///{folder / 'test.db'}",
            "PORT": str(self.port),
            "ALLOW_HTTP": "true",
            "ALLOW_NETWORKS": "127.0.0.0/8",
            "RETRY_SCHEDULE": "0.2,0.4,0.8",
            "DELIVERY_TIMEOUT": "2",
        } | settings
        self.process: program.Process | None = None
        self._output: asyncio.Task[None] | None = None
        self.session = aiohttp.ClientSession(
            f"http://127.0.0.1:{self.port}",
            connector=aiohttp.TCPConnector(limit=200),
            timeout=aiohttp.ClientTimeout(total=PATIENCE),
        )

    # --- the process ------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        return kept | {PREFIX + name: value for name, value in self.settings.items()}

    async def command(self, *words: str, stdin: bytes | None = None) -> tuple[int, str, str]:
        """Run another command beside the server: its exit code, stdout and stderr."""
        process = await program.start(
            *self.program,
            *words,
            env=self.environment,
            cwd=self.folder,
            stdin=program.PIPE if stdin is not None else program.DEVNULL,
            stdout=program.PIPE,
            stderr=program.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(stdin), self.patience)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def start(self) -> "Server":
        """Start the process; return once it listens and there is an API key."""
        self.process = await program.start(
            *self.program,
            "serve",
            env=self.environment,
            cwd=self.folder,
            stdin=program.DEVNULL,
            stdout=program.PIPE,
            stderr=program.STDOUT,
        )
        listening = asyncio.get_running_loop().create_future()
        self._output = asyncio.create_task(self._read(self.process, listening))
        await asyncio.wait_for(listening, self.patience)
        if not self.key:
            self.key = await self.new_key()
        return self

    async def _read(self, process: program.Process, listening: "asyncio.Future[None]") -> None:
        assert process.stdout is not None
        async for raw in process.stdout:
            line = raw.decode()
            self.log.append(line)
            if re.search(r"http://127\.0\.0\.1:\d+", line) and not listening.done():
                listening.set_result(None)
        if not listening.done():
            listening.set_exception(RuntimeError("serve ended: " + "".join(self.log)))

    async def new_key(self, organization: str | None = None) -> str:
        """Make an API key as `keys create` does, without the second a process takes to start."""
        settings = config.load(self.environment)
        storage = await storage_opener.open_storage(settings, exclusive=False)
        try:
            clock = SystemClock()
            return (await ApiKeys(storage, clock, Ids(clock)).create("test", organization)).secret
        finally:
            await storage.close()

    async def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """Send SIGTERM, and wait for the end; return the exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        assert self._output is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        code = await asyncio.wait_for(self.process.wait(), self.patience)
        await self._output
        self.process = None
        return code

    async def close(self) -> None:
        await self.session.close()
        if self.process is not None:
            await self.kill()
        print("".join(self.log))  # pytest shows it when the test has failed

    # --- the API ------------------------------------------------------------------------------

    def of(self, organization: str | None = None) -> "Server":
        """The same server as another organization sees it: the named one, or a new one."""
        view = copy.copy(self)
        view.organization = organization or f"org_{next(_numbers)}"
        return view

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **options: Any
    ) -> tuple[int, Any]:
        """Call the API: the status, and the JSON answer (None without one).

        A path that starts with `~` is one of the organization's.
        """
        headers = {"Authorization": f"Bearer {key or self.key}", **options.pop("headers", {})}
        if isinstance(body, bytes):
            options["data"] = body
            headers.setdefault("Content-Type", "application/json")
        elif body is not None:
            options["json"] = body
        own = f"/api/v1/organizations/{self.organization}"
        url = own + path[1:] if path.startswith("~") else path
        async with self.session.request(method, url, headers=headers, **options) as response:
            raw = await response.read()
            return response.status, json.loads(raw) if raw[:1] in (b"{", b"[") else raw or None

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Call the API, and return the answer of a call that must succeed."""
        status, answer = await self.call(method, path, body, **options)
        assert status < 300, (status, answer)
        return answer

    async def webhook(self, url: str, **fields: Any) -> Any:
        return await self.ok("POST", "~/webhooks", {"url": url, "events": ["*"]} | fields)

    async def emit(self, event: str = "contact.created", **fields: Any) -> Any:
        body = {"event": event, "organizationId": self.organization, "data": {"id": "contact_xyz"}}
        return await self.ok("POST", "/api/v1/events", body | fields)

    async def until(self, path: str, true: Callable[[Any], bool]) -> Any:
        """Ask until `true` holds for the answer, and return it."""
        answer, pause = None, 0.01
        try:
            async with asyncio.timeout(PATIENCE):
                while not true(answer := await self.ok("GET", path)):
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, PAUSE)
        except TimeoutError as error:
            error.add_note(f"{path} answered at last: {answer}")
            error.add_note("the server printed: " + "".join(self.log[-20:]))
            raise
        return answer

    async def delivery(self, delivery_id: str, status: str) -> Any:
        """Wait until the delivery has this status, and return it."""
        return await self.until(f"~/deliveries/{delivery_id}", lambda d: d["status"] == status)
