"""A process of the bench's own: started, watched, and in any case ended."""

import http.client
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from bench import machine

PATIENCE = 60.0
living: "list[Child]" = []
"""All that were started and not ended yet: whatever happens, `end_all` finds them here."""


class BenchError(Exception):
    """A bench cannot go on; its text says why."""


def until(true: Callable[[], object], what: str, *, seconds: float = PATIENCE) -> None:
    """Wait for a condition, looking every 20 ms."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise BenchError(f"gave up waiting for {what}")
        time.sleep(0.02)


def get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


@contextmanager
def _signals_later() -> Iterator[None]:
    """Let signals that end the bench wait: amid a start they would leave a process nobody knows."""
    came: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


class Child:
    """A process of the bench's own, and its end."""

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        *,
        stop_with: int = signal.SIGTERM,
        **options: object,
    ) -> None:
        self._stop_with = stop_with
        self._errors = folder / f"{len(list(folder.glob('*.errors')))}.errors"
        with self._errors.open("wb") as errors, _signals_later():
            # A session of its own: Ctrl-C is for the bench, which then ends its children in order.
            self._process = subprocess.Popen(
                command,
                stderr=errors,
                start_new_session=True,
                **{"stdout": subprocess.DEVNULL} | options,
            )
            living.append(self)
        self.pid = self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def cpu(self) -> float:
        return machine.cpu_seconds(self.pid)

    def errors(self) -> str:
        """The last it said on stderr."""
        return self._errors.read_text(errors="replace")[-2000:].strip()

    def wait_for(self, port: int, path: str) -> None:
        """Wait until it answers there."""

        def answers() -> bool:
            if self.ended:
                raise BenchError(f"it ended at once:\n{self.errors()}")
            try:
                return bool(get(port, path))
            except OSError:
                return False

        until(answers, f"{path} on port {port}")

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if not self.ended:
            self._process.send_signal(number)

    def stop(self, patience: float = 30.0) -> int:
        """Ask it to end, kill it if it has not ended in time, and return its exit code."""
        self.signal(self._stop_with)
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait(10)
        if self in living:
            living.remove(self)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def end_all() -> None:
    """End what is left, the last started first."""
    for child in reversed(living.copy()):
        child.stop()
