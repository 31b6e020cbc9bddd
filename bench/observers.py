"""What watches a service from beside it: a page that is open, and a count of disk syncs."""

import http.client
import os
import secrets
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Self

from bench.child import BenchError, Child, until
from bench.processes import Service


class OpenPage:
    """A signed-in browser's live stream of the log page."""

    def __init__(self, service: Service, organization: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        cookie = service.session(organization)
        self._connection.request(
            "GET", "/settings/webhooks/logs/stream", headers={"Cookie": cookie}
        )
        self._response = self._connection.getresponse()
        if self._response.status != 200:
            raise BenchError(f"no stream of the log: {self._response.status}")

    def read_for(self, seconds: float) -> None:
        """Read what comes, for so long."""
        stream = self._connection.sock
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            readable, _, _ = select.select([stream], [], [], left)
            if readable and not self._response.read1():
                raise BenchError("the stream of the log ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class SyncCounter:
    """Counts the calls of `fsync` and `fdatasync` of a service and its database, by `strace`."""

    @staticmethod
    def available() -> bool:
        """Whether `strace` is installed and may attach to a child of ours."""
        if shutil.which("strace") is None:
            return False
        command = ["strace", "-qq", "-o", os.devnull, "true"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def __init__(self, service: Service, folder: Path) -> None:
        self._file = folder / f"{secrets.token_hex(4)}.strace"
        targets = [option for pid in service.pids() for option in ("-p", str(pid))]
        self._strace = Child(
            ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", self._file, *targets],
            folder, stop_with=signal.SIGINT,
        )  # fmt: skip
        self.syncs = 0

    def __enter__(self) -> Self:
        until(lambda: self._strace.ended or "attached" in self._strace.errors(), "strace")
        return self

    def __exit__(self, *_: object) -> None:
        self._strace.stop()
        # An unfinished call has a second line when it resumes.
        lines = self._file.read_text().splitlines()
        self.syncs = sum("sync(" in line and "resumed" not in line for line in lines)
