"""What a worker process gets from its supervisor, and how the two communicate.

They share a socket pair. The worker writes one byte when it is ready. It reads until end of file,
which comes when the supervisor has ended, even by `kill -9`. Then the worker ends too.
"""

import os
import select
import signal
import threading
from pathlib import Path

import msgspec

_READY = b"r"


class WorkerContext(msgspec.Struct, frozen=True):
    """What a worker process gets from its supervisor, as a command line argument."""

    number: int
    """The worker's number from 1; a restarted worker keeps it."""
    listener: int
    """Descriptor of the listening socket."""
    channel: int
    """Descriptor of the worker's end of the socket pair."""
    folder: str
    """The folder of the workers' metrics sockets, which only this user can open."""

    def encode(self) -> str:
        """Return the command line argument."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str) -> "WorkerContext":
        """Parse the command line argument."""
        return msgspec.json.decode(text, type=cls)

    @property
    def socket(self) -> Path:
        """The path of this worker's metrics socket."""
        return metrics_socket(Path(self.folder), self.number)

    def end_with_supervisor(self) -> None:
        """From now on, send this process SIGTERM when its supervisor has ended."""
        os.set_inheritable(self.channel, False)
        os.set_inheritable(self.listener, False)
        threading.Thread(target=self._watch, name="end-with-supervisor", daemon=True).start()

    def ready(self) -> None:
        """Tell the supervisor that this worker is ready."""
        os.write(self.channel, _READY)

    @property
    def orphaned(self) -> bool:
        """Whether the supervisor has ended; it never writes, so only end of file can be read."""
        return bool(select.select([self.channel], [], [], 0)[0])

    def _watch(self) -> None:
        os.read(self.channel, 1)
        os.kill(os.getpid(), signal.SIGTERM)


def metrics_socket(folder: Path, number: int) -> Path:
    """Return the path of the metrics socket of the worker with this number."""
    return folder / f"{number}.sock"
