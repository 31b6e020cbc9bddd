"""The supervisor: starts the worker processes, and restarts those that end.

It opens the listening socket and passes it to the workers, so that a worker that dies loses only
its own connections. The supervisor handles no requests itself. The first worker starts alone, so
that the database is upgraded once and a wrong setting is reported once. Then the others start.
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
from winnerr_webhooks.processes.worker_context import WorkerContext, metrics_socket

FIRST_WAIT: Final = 0.2
"""Seconds before a worker that ended is restarted; doubled each time it ends early."""
LONGEST_WAIT: Final = 10.0
STEADY: Final = 5.0
"""How long a worker has to run for the wait to return to FIRST_WAIT, in seconds."""
KILL_AFTER: Final = 5.0
"""Seconds after the documented shutdown time when workers that have not ended are killed."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_MAX_SOCKET_PATH: Final = 107
"""The longest path of a Unix socket in bytes, as fits into `sockaddr_un` (unix(7))."""

log = structlog.get_logger(__name__)


class WorkerProcess:
    """A running worker process."""

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self._process = process
        self._channel = channel

    @classmethod
    async def start(
        cls, command: Sequence[str], number: int, listener: socket.socket, folder: Path
    ) -> "WorkerProcess":
        """Start `command` with a `WorkerContext` as its last argument."""
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
                start_new_session=True,  # Ctrl-C reaches only the supervisor, which stops workers
            )
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def is_ready(self) -> bool:
        """Wait until the worker is ready; False if it ended before."""
        try:
            return bool(await asyncio.get_running_loop().sock_recv(self._channel, 1))
        except ConnectionError:
            return False

    async def ended(self) -> int:
        """Wait until it has ended; return the exit code, or a negative number for a signal."""
        code = await self._process.wait()
        self._channel.close()
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the process is still running."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


class Supervisor:
    """Keeps PROCESSES workers of `command` running until it gets a signal to stop."""

    def __init__(
        self,
        config: Config,
        command: Sequence[str],
        *,
        on_started: Callable[[str], None],
        clock: Clock,
        jitter: Jitter,
    ) -> None:
        """`on_started` is called once with the URL, when all workers are ready."""
        self._config = config
        self._command = command
        self._on_started = on_started
        self._clock = clock
        self._jitter = jitter
        self._workers: dict[int, WorkerProcess] = {}
        self._not_yet_ready = set(range(1, config.processes + 1))
        """The numbers of workers that have never been ready."""
        self._ready: set[int] = set()
        """The numbers of workers that are ready now."""
        self._reload_when_ready: set[int] = set()
        self._first_ready = asyncio.Event()
        self._stop = asyncio.Event()
        self._code = 0

    async def run(self) -> int:
        """Run until SIGTERM, SIGINT or a worker that cannot start; return the exit code.

        A second signal kills the workers at once. SIGHUP goes to every worker, if there is a file
        to read again. Raises the errors of `listen`.
        """
        loop = asyncio.get_running_loop()
        for signal_ in _SIGNALS:
            loop.add_signal_handler(signal_, self._signal_received, signal_)
        if self._config.event_catalog:
            loop.add_signal_handler(signal.SIGHUP, self._reload)
        with listen(self._config) as listener, _folder(self._config.processes) as folder:
            numbers = range(1, self._config.processes + 1)
            async with asyncio.TaskGroup() as group:
                for number in numbers:
                    group.create_task(self._keep(number, listener, folder))
        return self._code

    async def _keep(self, number: int, listener: socket.socket, folder: Path) -> None:
        """Keep the worker with this number running until the supervisor stops."""
        if number > 1:
            await self._first_ready.wait()
        wait = FIRST_WAIT
        while not self._stop.is_set():
            started = self._clock.monotonic()
            try:
                code = await self._run(number, listener, folder)
            except OSError as error:  # no memory or too many processes, which may pass
                how = f"not started: {error.strerror}"
            else:
                how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended: {code}"
                if number in self._not_yet_ready and code > 0:  # it has printed the reason
                    self._end(code)
            if self._stop.is_set():
                break
            lasted = self._clock.monotonic() - started
            wait = FIRST_WAIT if lasted > STEADY else min(2 * wait, LONGEST_WAIT)
            log.warning("worker process ended and is restarted", process=number, how=how)
            await self._stopped_within(self._jitter.around(wait))

    async def _run(self, number: int, listener: socket.socket, folder: Path) -> int:
        """Run one worker until it ends; return the exit code."""
        worker = await WorkerProcess.start(self._command, number, listener, folder)
        self._workers[number] = worker
        if self._stop.is_set():  # set while the worker was being started
            worker.send(signal.SIGTERM)
        if await worker.is_ready():
            self._worker_ready(number, worker.pid, listener)
        code = await worker.ended()
        self._ready.discard(number)
        del self._workers[number]
        return code

    def _worker_ready(self, number: int, pid: int, listener: socket.socket) -> None:
        log.info("worker process is ready", process=number, pid=pid)
        self._ready.add(number)
        if number in self._reload_when_ready:
            self._reload_when_ready.remove(number)
            self._workers[number].send(signal.SIGHUP)
        if number not in self._not_yet_ready:
            return
        self._not_yet_ready.remove(number)
        self._first_ready.set()
        if not self._not_yet_ready and not self._stop.is_set():
            self._on_started(url_of(self._config, listener))

    def _reload(self) -> None:
        """Pass SIGHUP on. It would end a worker that has only begun to start."""
        self._reload_when_ready |= self._workers.keys() - self._ready
        for number in self._ready:
            self._workers[number].send(signal.SIGHUP)

    def _signal_received(self, number: signal.Signals) -> None:
        if not self._stop.is_set():
            self._end(0)
            return
        self._code = 128 + number
        self._kill()

    def _end(self, code: int) -> None:
        """Stop all workers in order; those that do not end in time are killed."""
        self._code = code
        self._stop.set()
        self._first_ready.set()
        for worker in self._workers.values():
            worker.send(signal.SIGTERM)
        asyncio.get_running_loop().call_later(
            self._config.drain_seconds + stop_seconds(self._config) + KILL_AFTER,
            self._kill_remaining,
        )

    def _kill_remaining(self) -> None:
        if self._workers:
            log.error(
                "worker processes did not end and are killed", processes=sorted(self._workers)
            )
            self._code = self._code or 1
            self._kill()

    def _kill(self) -> None:
        for worker in self._workers.values():
            worker.send(signal.SIGKILL)

    async def _stopped_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


@contextlib.contextmanager
def _folder(processes: int) -> Iterator[Path]:
    """Create a folder for the workers' sockets that only this user can open."""
    with tempfile.TemporaryDirectory(
        prefix="winnerr-webhooks-", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        if len(bytes(metrics_socket(folder, processes))) > _MAX_SOCKET_PATH:
            raise ConfigurationError(
                f"TMPDIR: {folder.parent} is too long for the path of a socket; use a shorter one."
            )
        yield folder
