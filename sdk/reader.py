"""A reader of a page, who starts in an empty folder and does what its blocks say, in order."""

import os
import re
import shlex
import shutil
import socket
import tempfile
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from code_blocks import REPOSITORY, Block
from terminal import START_SECONDS, Failed, Terminal, wait_for

PATH: Final = f"{os.environ['PATH']}:/usr/sbin"


class Reader:
    """A reader with an empty folder, the variables of the page, and terminals.

    Commands run in one terminal. What goes on running gets a terminal of its own, with the same
    variables. A `curl` that is answered with an error counts as a command that failed.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="winnerr-smoke-"))
        # Without a user's own packages and without this interpreter's environment.
        kept = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        given = {"PATH": PATH, "REPO": str(REPOSITORY), "CURL_HOME": str(self.folder)}
        (self.folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
        self._environment = {**kept, **given, **variables}
        self._terminal = self._open()
        self.others: list[Terminal] = []
        self.played = 0
        """How many blocks."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end_others()
        self._terminal.terminate()
        self._terminal.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def play(
        self, blocks: Iterable[Block], background: Container[int] = (), edit: Mapping[str, str] = {}
    ) -> None:
        """Save the files and run the commands, in order.

        `background` has the places of the blocks that go on running, counted among all blocks.
        `edit` has texts to replace, such as a port that a file has to name.
        """
        for place, block in enumerate(blocks):
            self.played += 1
            text = block.text
            for old, new in edit.items():
                text = text.replace(old, new)
            if block.file:
                (self._place() / block.file).write_text(text)
            elif block.language != "sh":
                raise Failed(f"{block.page}: nobody can run {block.language}:\n{text}")
            elif place in background:
                self.start(text)
            else:
                self.run(text)

    def run(self, commands: str) -> None:
        """Run commands to their end."""
        self._terminal.run(commands)

    def start(self, commands: str) -> None:
        """Run commands of which the last goes on running."""
        variables = self.folder / ".variables"
        self._terminal.run(f"export -p >{variables}")
        terminal = self._open()
        self.others.append(terminal)
        terminal.start(f"source {variables}; cd {shlex.quote(str(self._place()))}\n{commands}")

    def end_others(self) -> None:
        """End what goes on running."""
        for terminal in self.others:
            terminal.terminate()
        for terminal in self.others:
            terminal.close()
        self.others = []

    def output(self) -> str:
        """Return what the commands have written so far, all terminals together."""
        return self._terminal.output()

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
        """Raise `Failed` if something that was started has ended."""
        for terminal in [self._terminal, *self.others]:
            terminal.check()

    def _place(self) -> Path:
        """Return the folder that the commands have gone to."""
        file = self.folder / ".place"
        self._terminal.run(f"pwd >{file}")
        return Path(file.read_text().strip())

    def _open(self) -> Terminal:
        return Terminal(self.folder, self._environment, self.folder / ".output")


def _is_ours(name: str) -> bool:
    return name.startswith(("WINNERR_", "PYTHON", "VIRTUAL_ENV"))
