"""The tutorials, played as their reader does: from nothing, with a server of the reader's own."""

import time
from collections.abc import Callable
from typing import Final

from code_blocks import REPOSITORY, Block, section
from harness import free_port
from reader import Reader
from sink import Sink
from smoke_rows import TUTORIALS
from terminal import wait_for

INSTALL_SECONDS: Final = 300
_FOLDERS: Final = ("winnerr", "tutorial", "receiver", "crm")
"""What the tutorials make in /tmp; here each reader has them in a folder of their own."""
_DELIVERED: Final = r"(dlv_\w+) verified"


class TutorialTrial:
    """One tutorial. `done` has what came of each column."""

    def __init__(self, name: str, done: dict[str, str]) -> None:
        self.name = name
        self.done = done
        self.port = free_port()
        self.receiver = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.edit: dict[str, str] = {}

    def run(self) -> None:
        """Play all of it; `Failed` names what did not work."""
        play: dict[str, Callable[[Reader], None]] = {
            "readme": self._readme,
            "tutorial": self._first,
            "receive": self._receive,
            "emit": self._emit,
        }
        variables = {
            "WINNERR_WEBHOOKS_PORT": str(self.port),
            "WINNERR_WEBHOOKS_PUBLIC_URL": self.url,
            "PORT": str(self.receiver),
        }
        with Reader(variables) as reader:
            self.edit = {
                "REPO=$PWD": f"REPO={REPOSITORY}",
                "REPO=…": f"REPO={REPOSITORY}",
                "install -q .\n": f"install -q {REPOSITORY}\n",
                **{f"/tmp/{name}": f"{reader.folder}/{name}" for name in _FOLDERS},  # noqa: S108
                "http://127.0.0.1:8400": self.url,
                "127.0.0.1:3000": f"127.0.0.1:{self.receiver}",
                '("127.0.0.1", 3000)': f'("127.0.0.1", {self.receiver})',
            }
            play[self.name](reader)

    def _blocks(self) -> list[Block]:
        return [block for one in TUTORIALS[self.name].sections for block in section(*one)]

    def _start(self, reader: Reader, block: Block) -> None:
        """Install and start the server."""
        began = time.monotonic()
        reader.play([block], {0}, self.edit)
        reader.wait_for_port(self.port, INSTALL_SECONDS)
        self.done["installed"] = f"{time.monotonic() - began:.0f} s"

    def _secret(self, reader: Reader) -> None:
        self.edit["whsec_…"] = reader.wait_for_output(r'"secret": ?"(whsec_[^"]+)"')[1]

    def _readme(self, reader: Reader) -> None:
        start, *rest, log = self._blocks()
        sink = Sink()
        self.edit["127.0.0.1:3000"] = f"127.0.0.1:{sink.server_port}"
        self._start(reader, start)
        reader.play(rest, edit=self.edit)
        self.done["emit"] = "curl"
        wait_for(lambda: sink.bodies, "the event", reader.check)
        since = len(reader.output())

        def logged() -> bool:
            reader.play([log], edit=self.edit)
            return '"outcome":"succeeded"' in reader.output()[since:]

        wait_for(logged, "the attempt in the log")

    def _first(self, reader: Reader) -> None:
        start, key, program, webhook, receive, emit, log, replay = self._blocks()
        self._start(reader, start)
        server = reader.others.pop()  # it stays when the receiver is stopped
        reader.play([key, program, webhook], edit=self.edit)
        self._secret(reader)
        reader.play([receive], {0}, self.edit)
        reader.wait_for_port(self.receiver)
        reader.play([emit], edit=self.edit)
        self.done["emit"] = "command"
        reader.wait_for_output(_DELIVERED)
        self.done["verify"] = "yes"
        reader.end_others()
        since = len(reader.output())
        reader.play([emit], edit=self.edit)

        def failed() -> bool:
            reader.play([log], edit=self.edit)
            return '"outcome":"failed"' in reader.output()[since:]

        wait_for(failed, "the failed attempt in the log")
        delivery = reader.wait_for_output(r'"deliveryId": ?"(dlv_\w+)"', since)[1]
        since = len(reader.output())
        reader.play([receive], {0}, self.edit)
        reader.wait_for_port(self.receiver)
        reader.play([replay], edit={**self.edit, "dlv_…": delivery})
        reader.wait_for_output(rf"{delivery} verified", since)
        self.done["replay"] = "yes"
        reader.others.append(server)

    def _receive(self, reader: Reader) -> None:
        start, webhook, folder, program, install, receive, emit = self._blocks()
        self._start(reader, start)
        reader.play([webhook], edit=self.edit)
        self._secret(reader)
        reader.play([folder, program, install], edit=self.edit)
        reader.play([receive], {0}, self.edit)
        reader.wait_for_port(self.receiver)
        reader.play([emit], edit=self.edit)
        self.done["emit"] = "command"
        reader.wait_for_output(r"contact\.created evt_\w+")
        self.done["verify"] = "yes"

    def _emit(self, reader: Reader) -> None:
        start, key, program, emit = self._blocks()
        self._start(reader, start)
        reader.play([key, program, emit], edit=self.edit)
        reader.wait_for_output(r"evt_\w+ 0\n")
        self.done["emit"] = "package"
