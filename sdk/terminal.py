"""A terminal of a reader: a shell that keeps its variables and its folder from block to block."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Final, TypeVar, cast

STEP_SECONDS: Final = 600
"""How long one block may take; the longest install packages."""
START_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.02
T = TypeVar("T")


class Failed(Exception):  # noqa: N818  it reads as it is: except Failed
    """A step did not do what the page says."""


class Terminal:
    """A bash in a folder. A command that fails ends it.

    What the commands write, and those of other terminals with the same `output`, goes to that file.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], output: Path) -> None:
        self._folder = folder
        self._output = output
        with output.open("ab") as written:
            self._shell = subprocess.Popen(
                ["bash", "-eu"],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=written,
                stderr=written,
                start_new_session=True,
            )
        self._commands = cast("IO[bytes]", self._shell.stdin)
        self._blocks = 0

    def run(self, text: str, seconds: float = STEP_SECONDS) -> None:
        """Run commands and wait until the last one has ended; `Failed` if one fails."""
        done = self._send(text, "touch {done}")
        wait_for(done.exists, f"the end of\n{text}", self.check, seconds)

    def start(self, text: str) -> None:
        """Run commands of which the last goes on running."""
        self._send(text, "exit")

    def check(self) -> None:
        """Raise `Failed` if the terminal has ended: a command failed, or ended that should not."""
        status = self._shell.poll()
        if status is not None:
            raise Failed(f"code {status} of\n{self._last}\n{self.output()[-3000:]}")

    def output(self) -> str:
        """Return what the commands have written so far."""
        return self._output.read_text("utf-8", "replace")

    def terminate(self) -> None:
        """Ask all that runs here to end."""
        if self._shell.poll() is None:
            os.killpg(self._shell.pid, signal.SIGTERM)

    def close(self, seconds: float = 20) -> None:
        """Wait until it has ended, and kill it after that time."""
        self._commands.close()
        try:
            self._shell.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._shell.pid, signal.SIGKILL)
            self._shell.wait()

    def _send(self, text: str, then: str) -> Path:
        """Have the shell run a block, and a command after it; return the place for `{done}`."""
        self.check()
        self._last = text
        self._blocks += 1
        # The shell reads commands from stdin, so those of a block must not.
        block = self._folder / f".terminal-{self._shell.pid}-{self._blocks}"
        block.write_text(text)
        done = block.with_suffix(".done")
        line = f"source {block} </dev/null; {then.format(done=done)}\n"
        self._commands.write(line.encode())
        self._commands.flush()
        return done


def wait_for(
    look: Callable[[], T | None],
    what: str,
    check: Callable[[], None] = lambda: None,
    seconds: float = START_SECONDS,
) -> T:
    """Call `look` until it returns something true, and return that."""
    end = time.monotonic() + seconds
    while not (found := look()):
        check()
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(_POLL_SECONDS)
    return found
