"""A supervisor in a real process, with real workers."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

PATIENCE = 60.0

CHILD = '''
"""A worker that answers on the shared port with its number and pid, and ends as its script says."""
import json, os, signal, socket, sys, time
from pathlib import Path
from winnerr_webhooks.processes.worker_context import WorkerContext

worker = WorkerContext.decode(sys.argv[-1])
notes = Path(sys.argv[1])
script = json.loads(sys.argv[2]).get(str(worker.number), {})
worker.end_with_supervisor()
starts = notes / f"starts-{worker.number}"
with starts.open("a") as file:
    file.write(f"{os.getpid()}\\n")
(notes / "folder").write_text(worker.folder)
if script.get("fails"):
    print("one clear line", file=sys.stderr)
    sys.exit(script["fails"])
if script.get("dies_at_start") and len(starts.read_text().split()) <= script["dies_at_start"]:
    os.kill(os.getpid(), signal.SIGKILL)

def end(number, frame):
    with (notes / "ended").open("a") as file:
        file.write(f"{worker.number} {signal.Signals(number).name}\\n")
    if not script.get("stays"):
        os._exit(0)

signal.signal(signal.SIGTERM, end)
if script.get("never_ready"):
    while True:
        signal.pause()
listener = socket.socket(fileno=worker.listener)
listener.settimeout(0.01)
worker.ready()
while True:
    try:
        connection, _ = listener.accept()
    except TimeoutError:
        continue
    connection.setblocking(True)
    connection.sendall(f"{worker.number} {os.getpid()}".encode())
    connection.close()
'''

SUPERVISOR = """
import asyncio, json, sys
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import CannotStart, ConfigurationError
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.processes import supervisor
from winnerr_webhooks.log_setup import set_up_logs

set_up_logs()
child, notes, script, processes, port, given = sys.argv[1:]
for name, value in json.loads(given).items():
    setattr(supervisor, name, value)
try:
    sys.exit(asyncio.run(supervisor.Supervisor(
        Config(port=int(port), processes=int(processes)),
        (sys.executable, child, notes, script),
        on_started=lambda url: print(f"listens on {url}", flush=True),
        clock=SystemClock(),
        jitter=Jitter(),
    ).run()))
except (CannotStart, ConfigurationError) as error:
    sys.exit(f"refused: {error}")
"""


class Supervised:
    """A supervisor process; `script` says how the worker of each number behaves."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder
        self.process: asyncio.subprocess.Process | None = None
        self.port = 0

    async def start(
        self, processes: int, *, port: int = 0, constants: dict[str, float] | None = None, **script
    ) -> "Supervised":
        child = self.notes / "child.py"
        child.write_text(CHILD)
        behaviour = {name.removeprefix("child_"): value for name, value in script.items()}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SUPERVISOR, child, self.notes, json.dumps(behaviour),
            str(processes), str(port), json.dumps(constants or {}),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return self

    async def listening(self) -> "Supervised":
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
        assert line.startswith(b"listens on http://127.0.0.1:"), line
        self.port = int(line.rpartition(b":")[2])
        return self

    async def ask(self) -> tuple[int, int]:
        """Connect once; return number and pid of the worker that answers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            number, pid = (await asyncio.wait_for(reader.read(), PATIENCE)).split()
        finally:
            writer.close()
        return int(number), int(pid)

    async def pids(self, count: int) -> dict[int, int]:
        """Connect until this many different workers have answered; return number -> pid."""
        found: dict[int, int] = {}
        async with asyncio.timeout(PATIENCE):
            while len(found) < count:
                number, pid = await self.ask()
                found[number] = pid
                await asyncio.sleep(0.001)  # leaves the machine to those that have not answered
        return found

    async def until(self, true: Callable[[], bool | Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                seen = true()
                if seen if isinstance(seen, bool) else await seen:
                    return
                await asyncio.sleep(0.01)  # leaves the machine to the processes that start

    def starts(self, number: int) -> list[int]:
        """Return the pids of all starts of this number."""
        file = self.notes / f"starts-{number}"
        return [int(pid) for pid in file.read_text().split()] if file.exists() else []

    def all_starts(self) -> list[int]:
        return [int(pid) for f in self.notes.glob("starts-*") for pid in f.read_text().split()]

    def ended(self) -> list[str]:
        file = self.notes / "ended"
        return sorted(file.read_text().splitlines()) if file.exists() else []

    @property
    def folder(self) -> Path:
        return Path((self.notes / "folder").read_text())

    async def end(self, number: signal.Signals | None = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal, if any, and wait; return exit code, the rest of stdout, and stderr."""
        if number is not None:
            self.process.send_signal(number)
        out, err = await asyncio.wait_for(self.process.communicate(), PATIENCE)
        return self.process.returncode, out.decode(), err.decode()


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    return alive


@pytest.fixture
async def supervised(tmp_path: Path) -> AsyncIterator[Supervised]:
    one = Supervised(tmp_path)
    yield one
    if one.process is None:
        return
    if one.process.returncode is None:
        one.process.kill()
    for pid in one.all_starts():
        if alive(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    await one.process.communicate()  # its pipes end when the last of its workers has ended
