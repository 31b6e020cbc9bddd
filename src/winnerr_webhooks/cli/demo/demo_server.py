"""The demo's server: runs it as a process, and restarts it when it is killed."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from pathlib import Path

from winnerr_webhooks.domain.errors import Unavailable

_READY_SECONDS = 30
_READY = b" listens on "


class DemoServer:
    """Runs `serve` with the environment `environ`; its stderr goes to the file `log`.

    `ready` is set while it answers. When the process ends unexpectedly, `on_killed` is called with
    its exit code, and the process is restarted.
    """

    def __init__(
        self, environ: Mapping[str, str], log: Path, on_killed: Callable[[int], None]
    ) -> None:
        self.ready = asyncio.Event()
        self._environ = environ
        self._log = log
        self._on_killed = on_killed
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The id of the current process."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start it and wait until it answers. Raises `Unavailable` if it does not."""
        await self._spawn()
        self._watch = asyncio.create_task(self._start_again())

    async def wait(self) -> None:
        """Wait until it cannot be restarted any more, and raise the reason."""
        if self._watch:
            await asyncio.shield(self._watch)

    async def stop(self) -> None:
        """Stop it in order, so that it finishes what is in flight."""
        self.ready.clear()
        if self._watch:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError, Unavailable):
                await self._watch
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _start_again(self) -> None:
        while self._process:
            code = await self._process.wait()
            self.ready.clear()
            self._on_killed(code)
            await self._spawn()

    async def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "winnerr_webhooks.cli.demo.server_process",
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env=self._environ,
                start_new_session=True,  # Ctrl-C reaches only the demo, which stops the server
            )
        self._reader = reader = asyncio.create_task(self._read(process))
        ready = asyncio.create_task(self.ready.wait())
        await asyncio.wait(
            (ready, reader), timeout=_READY_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        ready.cancel()
        if not self.ready.is_set():
            if not reader.done():  # it still runs
                process.kill()
            await process.wait()
            raise Unavailable(f"The demo's server did not start: {self._last_words()}")

    async def _read(self, process: Process) -> None:
        """Wait for the line that says it listens, and read on so that the pipe never fills up."""
        assert process.stdout  # noqa: S101  asked for with PIPE
        async for line in process.stdout:
            if _READY in line:
                self.ready.set()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"see {self._log}"
