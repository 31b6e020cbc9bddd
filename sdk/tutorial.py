"""Plays a section of a tutorial as its reader would: in an empty folder, block after block."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar

REPOSITORY: Final = Path(__file__).parents[1]
PATH: Final = f"{os.environ['PATH']}:/usr/sbin"
STEP_SECONDS: Final = 600
"""How long one block may take; the longest install packages."""
START_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.02
T = TypeVar("T")


class Failed(Exception):  # noqa: N818  it reads as it is: except Failed
    """A step did not do what the tutorial says."""


class Block(NamedTuple):
    """One code block: a file to save if the text before it names one, otherwise commands."""

    file: str | None
    text: str


def section(page: Path, heading: str) -> list[Block]:
    """Return the blocks below a heading, up to the next heading of its level or a higher one."""
    text = page.read_text("utf-8")
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    if found is None:
        raise Failed(f"{page} has no heading {heading!r}")
    level = len(found[1])
    rest = text[found.end() :]
    # A comment in a block looks like a heading of the first level, so that level never ends one.
    end = re.search(rf"^#{{2,{level}}} ", rest, re.MULTILINE)
    blocks = []
    for prose, language, code in re.findall(
        r"(.*?)^```(\w+)\n(.*?)^```$",
        rest[: end.start()] if end else rest,
        re.MULTILINE | re.DOTALL,
    ):
        names = re.findall(r"as\s+`([\w./]+\.\w+)`", prose)
        blocks.append(Block(None if language == "sh" else names[-1], code))
    return blocks


class Reader:
    """A reader with an empty folder, the variables of the tutorial, and terminals."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="winnerr-smoke-"))
        # Without a user's own packages and without this interpreter's environment.
        kept = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        self._environment = {**kept, "PATH": PATH, "REPO": str(REPOSITORY), **variables}
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def play(
        self, blocks: list[Block], background: Container[int] = (), edit: Mapping[str, str] = {}
    ) -> None:
        """Save the files and run the commands, in order.

        `background` has the places of the blocks that go on running, counted among all blocks.
        `edit` has texts to replace, such as a port that a file has to name.
        """
        for place, block in enumerate(blocks):
            text = block.text
            for old, new in edit.items():
                text = text.replace(old, new)
            if block.file:
                (self.folder / block.file).write_text(text)
            elif place in background:
                self._start(text)
            else:
                self._run(text)

    def output(self) -> str:
        """Return what the commands have written so far, all terminals together."""
        return (self.folder / ".output").read_text("utf-8", "replace")

    def wait_for_output(self, pattern: str, since: int = 0) -> re.Match[str]:
        """Wait until the output after `since` characters matches, and return the match."""

        def found() -> re.Match[str] | None:
            return re.search(pattern, self.output()[since:])

        return wait_for(found, f"the output to match {pattern!r}", self.check)

    def wait_for_port(self, port: int, seconds: float = START_SECONDS) -> None:
        """Wait until something listens on a port of this machine."""

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_for(answers, f"port {port} to open", self.check, seconds)

    def check(self) -> None:
        """Raise `Failed` if something that was started in the background has ended."""
        for process in self._processes:
            if process.poll() is not None:
                raise Failed(f"it ended with {process.returncode}: {self.output()[-3000:]}")

    def _run(self, text: str) -> None:
        with (self.folder / ".output").open("ab") as output:
            done = subprocess.run(
                ["bash", "-euc", text],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=STEP_SECONDS,
                check=False,
            )
        if done.returncode:
            raise Failed(f"code {done.returncode} of\n{text}\n{self.output()[-3000:]}")

    def _start(self, text: str) -> None:
        with (self.folder / ".output").open("ab") as output:
            self._processes.append(
                subprocess.Popen(
                    ["bash", "-euc", text],
                    cwd=self.folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )


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


def _is_ours(name: str) -> bool:
    return name.startswith(("WINNERR_", "PYTHON", "VIRTUAL_ENV"))
