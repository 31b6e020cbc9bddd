"""What one of several processes is given by its supervisor, and how the two stay in touch.

They share a socket pair. The process writes one byte when it is ready. It reads until the end
of file, which comes when the supervisor ends, however it ends: then the process ends too.
"""

import os
import select
import signal
import threading
from pathlib import Path

import msgspec

_READY = b"r"


class WorkerContext(msgspec.Struct, frozen=True):
    """One process's place among those that serve together."""

    number: int
    """From 1; a process that is started again keeps the number."""
    listener: int
    """Descriptor of the listening socket."""
    channel: int
    """Descriptor of this end of the socket pair."""
    folder: str
    """Where each has a socket on which it tells its metrics; only this user can look into it."""

    def encode(self) -> str:
        """As an argument of the process to be."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str) -> "WorkerContext":
        """From that argument."""
        return msgspec.json.decode(text, type=cls)

    @property
    def socket(self) -> Path:
        """Where this process tells its metrics."""
        return socket_of(Path(self.folder), self.number)

    def end_with_supervisor(self) -> None:
        """From now on, end in order (SIGTERM to oneself) when the supervisor is gone."""
        os.set_inheritable(self.channel, False)
        os.set_inheritable(self.listener, False)
        threading.Thread(target=self._watch, name="end-with-supervisor", daemon=True).start()

    def ready(self) -> None:
        """Tell the supervisor that this process is at work."""
        os.write(self.channel, _READY)

    @property
    def orphaned(self) -> bool:
        """Whether the supervisor is gone: it never writes, so what can be read is the end."""
        return bool(select.select([self.channel], [], [], 0)[0])

    def _watch(self) -> None:
        os.read(self.channel, 1)
        os.kill(os.getpid(), signal.SIGTERM)


def socket_of(folder: Path, number: int) -> Path:
    """The socket in `folder` of the process with this number."""
    return folder / f"{number}.sock"
