"""The supervisor: starts the processes that serve together, and starts again what dies.

It opens the listening socket once and hands it down, so that a process that ends takes nothing
with it but its own connections. It does no work of the road itself. The first process starts
alone: it upgrades the database, and what is wrong with the settings is said once. The rest follow.
"""

import asyncio
import contextlib
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog

from winnerr_webhooks.budgets import stop_seconds
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.processes.listening_socket import listen, url_of
from winnerr_webhooks.processes.worker_context import WorkerContext, socket_of

FIRST_WAIT: Final = 0.2
"""Seconds until a process that ended is started again; doubled each time it does not last."""
LONGEST_WAIT: Final = 10.0
STEADY: Final = 5.0
"""Seconds a process has to last for the next wait to be the first again."""
KILL_AFTER: Final = 5.0
"""Seconds beyond its documented time until a process that was asked to end is killed."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_LONGEST_SOCKET: Final = 107
"""Bytes of a Unix socket's path that fit into `sockaddr_un` (unix(7))."""

log = structlog.get_logger(__name__)


class Child:
    """One running process, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self._process = process
        self._channel = channel

    @classmethod
    async def start(
        cls, command: Sequence[str], number: int, listener: socket.socket, folder: Path
    ) -> "Child":
        """Start `command`, with its worker as the last argument."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        worker = WorkerContext(
            number=number,
            listener=listener.fileno(),
            channel=theirs.fileno(),
            folder=str(folder),
        )
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *command,
                worker.encode(),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(worker.listener, worker.channel),
                start_new_session=True,  # Ctrl-C is for the supervisor; it asks them to end
            )
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def is_ready(self) -> bool:
        """Wait until it is at work; False: it ended before."""
        try:
            return bool(await asyncio.get_running_loop().sock_recv(self._channel, 1))
        except ConnectionError:
            return False

    async def ended(self) -> int:
        """Wait for its end; the exit code, negative for the signal that killed it."""
        code = await self._process.wait()
        self._channel.close()
        return code

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


class Supervisor:
    """Keeps as many processes of `command` running as the settings say, until it is told to end."""

    def __init__(
        self,
        config: Config,
        command: Sequence[str],
        *,
        on_started: Callable[[str], None],
        clock: Clock,
        jitter: Jitter,
    ) -> None:
        """`on_started` gets the URL, once, when all processes are at work."""
        self._config = config
        self._command = command
        self._on_started = on_started
        self._clock = clock
        self._jitter = jitter
        self._children: dict[int, Child] = {}
        self._to_start = set(range(1, config.processes + 1))
        """Numbers that have never been ready."""
        self._first_ready = asyncio.Event()
        self._stop = asyncio.Event()
        self._code = 0

    async def run(self) -> int:
        """Run until SIGTERM, SIGINT, or a process that cannot start; the exit code.

        A second signal kills the processes at once. `ConfigurationError` when it cannot listen.
        """
        loop = asyncio.get_running_loop()
        for signal_ in _SIGNALS:
            loop.add_signal_handler(signal_, self._signalled, signal_)
        with listen(self._config) as listener, _folder(self._config.processes) as folder:
            numbers = range(1, self._config.processes + 1)
            async with asyncio.TaskGroup() as group:
                for number in numbers:
                    group.create_task(self._keep(number, listener, folder))
        return self._code

    async def _keep(self, number: int, listener: socket.socket, folder: Path) -> None:
        """Keep the process of this number running until all are to stop."""
        if number > 1:
            await self._first_ready.wait()
        wait = FIRST_WAIT
        while not self._stop.is_set():
            started = self._clock.monotonic()
            try:
                code = await self._run(number, listener, folder)
            except OSError as error:  # no memory, too many processes: it may be better in a while
                how = f"not started: {error.strerror}"
            else:
                how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended: {code}"
                if number in self._to_start and code > 0:  # it has said on stderr what is wrong
                    self._end(code)
            if self._stop.is_set():
                break
            lasted = self._clock.monotonic() - started
            wait = FIRST_WAIT if lasted > STEADY else min(2 * wait, LONGEST_WAIT)
            log.warning("a process is gone and starts again", process=number, how=how)
            await self._stopped_within(self._jitter.around(wait))

    async def _run(self, number: int, listener: socket.socket, folder: Path) -> int:
        """Run one process to its end; the exit code."""
        child = await Child.start(self._command, number, listener, folder)
        self._children[number] = child
        if self._stop.is_set():  # told to while it was being started
            child.send(signal.SIGTERM)
        if await child.is_ready():
            self._ready(number, child.pid, listener)
        code = await child.ended()
        del self._children[number]
        return code

    def _ready(self, number: int, pid: int, listener: socket.socket) -> None:
        log.info("a process is at work", process=number, pid=pid)
        if number not in self._to_start:
            return
        self._to_start.remove(number)
        self._first_ready.set()
        if not self._to_start and not self._stop.is_set():
            self._on_started(url_of(self._config, listener))

    def _signalled(self, number: signal.Signals) -> None:
        if not self._stop.is_set():
            self._end(0)
            return
        self._code = 128 + number
        self._kill()

    def _end(self, code: int) -> None:
        """Let every process end in order; those that do not are killed after a while."""
        self._code = code
        self._stop.set()
        self._first_ready.set()
        for child in self._children.values():
            child.send(signal.SIGTERM)
        asyncio.get_running_loop().call_later(
            self._config.drain_seconds + stop_seconds(self._config) + KILL_AFTER, self._give_up
        )

    def _give_up(self) -> None:
        if self._children:
            log.error("processes did not end and are killed", processes=sorted(self._children))
            self._code = self._code or 1
            self._kill()

    def _kill(self) -> None:
        for child in self._children.values():
            child.send(signal.SIGKILL)

    async def _stopped_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


@contextlib.contextmanager
def _folder(processes: int) -> Iterator[Path]:
    """A new folder for the processes' sockets, open to this user only."""
    with tempfile.TemporaryDirectory(
        prefix="winnerr-webhooks-", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        if len(bytes(socket_of(folder, processes))) > _LONGEST_SOCKET:
            raise ConfigurationError(
                f"TMPDIR: {folder.parent} is too long for the path of a socket; name a shorter one."
            )
        yield folder
