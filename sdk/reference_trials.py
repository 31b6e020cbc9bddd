"""Pages of commands to look up: each command is run, with a server that has what it names."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from code_blocks import REPOSITORY, Block, section
from harness import Service, free_port
from package_trial import JANE, ORGANIZATION
from reader import Reader
from sink import Sink
from smoke_rows import COMMANDS, HOW_TO, LAPTOP, REFERENCES, TUTORIAL, Section
from terminal import wait_for

DATA: Final = '{"id": "contact_xyz", "name": "Jane Smith"}'


class CommandsTrial:
    """Every command that works on one machine with SQLite."""

    def __init__(self, service: Service, done: dict[str, str]) -> None:
        self.service = service
        self.done = done
        self.sink = Sink()
        self.receiver = free_port()
        self.api = f"/api/v1/organizations/{ORGANIZATION}"
        self.edit: dict[str, str] = {}

    def run(self) -> None:
        """Play all sections; `Failed` names what did not work."""
        special: dict[Section, Callable[[Reader, list[Block]], None]] = {
            Section(HOW_TO, "Receive on localhost"): self._serve,
            Section(HOW_TO, "Create, change and revoke API keys"): self._keys,
            Section(HOW_TO, "Survive a full disk"): self._vacuum,
            Section(HOW_TO, "Open the settings page to your customers"): self._open_page,
            Section(LAPTOP, "Start"): self._listen,
            Section(COMMANDS, "serve"): self._serve,
            Section(COMMANDS, "backup"): self._backup_again,
            Section(COMMANDS, "demo"): self._demo,
            Section(COMMANDS, "migrate"): self._migrate,
            Section(COMMANDS, "keys revoke"): self._revoke,
            Section(COMMANDS, "listen"): self._listen,
            Section(COMMANDS, "outbox-relay"): self._relay,
        }
        key = self.service.new_key("--organization", ORGANIZATION)
        with Reader(
            {
                **_settings(self.service),
                "API": f"{self.service.url}{self.api}",
                "AUTH": f"Authorization: Bearer {self.service.key}",
                "KEY": self.service.key,
                "WINNERR_WEBHOOKS_API_KEY": key,
                "WINNERR_WEBHOOKS_PUBLIC_URL": self.service.url,
            }
        ) as reader:
            install_commands(reader)
            self.edit = {
                "http://127.0.0.1:8400": self.service.url,
                "https://webhooks.example.com": self.service.url,
                "http://localhost:3000/hook": f"http://127.0.0.1:{self.receiver}/hook",
                "https://new.example.com/hook": f"http://127.0.0.1:{self.sink.server_port}/hook",
                "/backup/": f"{reader.folder}/backup/",
                "/var/lib/": f"{reader.folder}/",
                "winnerr-webhooks.db.keys": f"{self.service.folder}/service.db.keys",
                "wwk_…": key,
            }
            self._prepare(reader)
            for one in REFERENCES["commands"].sections:
                special.get(one, self._play)(reader, section(*one))
                self.done["blocks"] = str(reader.played)

    def _prepare(self, reader: Reader) -> None:
        """Make what the commands name: files, a receiver, a webhook with deliveries, jobs."""
        call, api = self.service.call, self.api
        (reader.folder / "backup").mkdir()
        event = {"event": "contact.created", "organizationId": ORGANIZATION, "data": JANE}
        good = call(
            "POST",
            f"{api}/webhooks",
            {
                "url": f"http://127.0.0.1:{self.sink.server_port}/hook",
                "events": ["*"],
                "generateSecret": True,
            },
        )
        call("POST", "/api/v1/events", event)
        wait_for(lambda: self.sink.bodies, "the event")
        secret = good["secret"]
        (reader.folder / "body.json").write_bytes(self.sink.bodies[0])
        lines = [f"{name}: {value}\n" for name, value in self.sink.headers[0].items()]
        (reader.folder / "headers.txt").write_text("".join(lines))
        (reader.folder / "secret.txt").write_text(secret)
        (reader.folder / "events.ndjson").write_text(_line("a") + _line("b"))
        program = section(TUTORIAL, "3. A receiver")
        port = {'127.0.0.1", 3000': f'127.0.0.1", {self.receiver}'}
        reader.play(program, edit=port)
        reader.start(f"SECRET={secret} python3 receiver.py")
        reader.wait_for_port(self.receiver)

        # What happens while a webhook is paused is cancelled, and can be recovered.
        webhook = f"{api}/webhooks/{good['id']}"
        call("PATCH", webhook, {"status": "paused"})
        call("POST", "/api/v1/events", event)
        call("PATCH", webhook, {"status": "active"})
        job = call("POST", f"{webhook}/recoveries", {"since": "2025-01-15T09:12:00Z"})["jobId"]
        url = f"http://127.0.0.1:{self.sink.server_port}/new"
        rehearsal = call("POST", f"{webhook}/rehearsals", {"url": url})["id"]

        def ended() -> bool:
            return bool(call("GET", f"{api}/rehearsals/{rehearsal}")["status"] == "done")

        wait_for(ended, "the rehearsal")
        self.edit.update({"wh_…": good["id"], "job_…": job, "reh_…": rehearsal})

    def _play(self, reader: Reader, blocks: list[Block]) -> None:
        reader.play(blocks, edit=self.edit)

    def _serve(self, reader: Reader, blocks: list[Block]) -> None:
        """Start a server with a database and a port of its own."""
        (block,) = blocks
        port = free_port()
        own = {
            " --port 8400": "",
            "winnerr-webhooks serve": f"winnerr-webhooks serve --port {port}",
        }
        if "--database-url" not in block.text:
            own["serve "] = "serve --database-url sqlite:///localhost.db "
        start = block._replace(text=block.text.rstrip() + " ")
        reader.play([start], {0}, {**own, **self.edit})
        reader.wait_for_port(port)

    def _keys(self, reader: Reader, blocks: list[Block]) -> None:
        self._revoke(reader, blocks[:1])

    def _revoke(self, reader: Reader, blocks: list[Block]) -> None:
        name = f"old-{len(reader.output())}"
        reader.run(f"winnerr-webhooks keys create --name {name}; winnerr-webhooks keys list")
        key = reader.wait_for_output(rf"(key_\w+) +{name}")[1]
        reader.play(blocks, edit={**self.edit, "key_…": key})

    def _vacuum(self, reader: Reader, blocks: list[Block]) -> None:
        """Shrink the file that the backup made, because no server uses it."""
        reader.play(blocks, edit={"winnerr-webhooks.db": "backup/winnerr-webhooks.db"})

    def _backup_again(self, reader: Reader, blocks: list[Block]) -> None:
        reader.run("rm backup/winnerr-webhooks.db")
        self._play(reader, blocks)

    def _open_page(self, reader: Reader, blocks: list[Block]) -> None:
        """Make a link; then start the server by the product's program, which knows who is there."""
        link, program = blocks
        reader.play([link], edit=self.edit)
        port = free_port()
        reader.play([program._replace(file="product.py", text=_PRODUCT + program.text)])
        reader.start(
            f"WINNERR_WEBHOOKS_PORT={port} WINNERR_WEBHOOKS_PUBLIC_URL=http://127.0.0.1:{port} "
            "WINNERR_WEBHOOKS_DATABASE_URL=sqlite:///product.db python product.py"
        )
        reader.wait_for_port(port)
        page = f"http://127.0.0.1:{port}/settings/webhooks"
        since = len(reader.output())
        reader.run(f"if curl {page}; then exit 1; fi")  # it is 401 without a session
        reader.run(f"curl -H 'Cookie: session=of-jane' {page}")
        reader.wait_for_output("Add Webhook", since)

    def _demo(self, reader: Reader, blocks: list[Block]) -> None:
        since = len(reader.output())
        reader.play(blocks, edit={"--seconds 30": "--seconds 3"})
        reader.wait_for_output("verified", since)

    def _migrate(self, reader: Reader, blocks: list[Block]) -> None:
        """Upgrade a file; the second block needs PostgreSQL, and is played with it."""
        reader.play(blocks[:1], edit=self.edit)

    def _listen(self, reader: Reader, blocks: list[Block]) -> None:
        """Start it, and emit an event, as the page does or by itself."""
        *before, listen = blocks[:2]
        emit = blocks[2:]
        since = len(reader.output())
        reader.play(before, edit=self.edit)
        reader.play([listen], {0}, self.edit)
        reader.wait_for_output("whsec_", since)
        if emit:
            reader.play(emit, edit=self.edit)
        else:
            reader.run(
                f"winnerr-webhooks emit contact.created --organization {ORGANIZATION} "
                f"--data '{DATA}'"
            )
        reader.wait_for_output(r"contact\.created .*\b401\b", since)  # it has another secret

    def _relay(self, reader: Reader, blocks: list[Block]) -> None:
        """Move one event, and have one refused, which is then sent again."""
        run, look_after = blocks
        outbox = f"sqlite:///{reader.folder}/outbox.db"
        (reader.folder / "outbox.py").write_text(_OUTBOX)
        reader.run("python outbox.py")
        since = len(reader.output())
        reader.play([run], {0}, {"postgresql://crm@db.example.com/crm": outbox, **self.edit})
        reader.wait_for_output("refused", since)
        reader.run(f"export WINNERR_WEBHOOKS_OUTBOX_URL={outbox}")
        reader.play([look_after], edit={"812": "2"})


def install_commands(reader: Reader) -> None:
    """Put `winnerr-webhooks` and its `python` on the reader's path, as an installation does."""
    folder = reader.folder / "bin"
    folder.mkdir()
    sources = f"{REPOSITORY}/src:{REPOSITORY}/sdk/python/src"
    for name, program in (("python", ""), ("winnerr-webhooks", "-m winnerr_webhooks ")):
        file = folder / name
        file.write_text(
            f'#!/bin/sh\nPYTHONPATH={sources} exec {Path(sys.executable)} {program}"$@"\n'
        )
        file.chmod(0o755)
    reader.run(f'export PATH="{folder}:$PATH"')


def _settings(service: Service) -> dict[str, str]:
    """Return the settings of a server, for the commands beside it."""
    return {
        name: value
        for name, value in service.environment.items()
        if name.startswith("WINNERR_WEBHOOKS_") and not name.endswith("PORT")
    }


def _line(event_id: str) -> str:
    return (
        f'{{"event": "contact.created", "organizationId": "{ORGANIZATION}", "id": "{event_id}",'
        f' "data": {DATA}}}\n'
    )


_PRODUCT: Final = """
class my_product:
    is_admin, organization, name = True, "org_abc123", "Jane"

    @classmethod
    async def user_of(cls, headers):
        return cls if (b"cookie", b"session=of-jane") in headers else None
"""
_OUTBOX: Final = """
import sqlite3
from winnerr_webhooks_sdk.outbox import Outbox, create_table

connection = sqlite3.connect("outbox.db")
create_table(connection)
for event in ("contact.created", "no.such.event"):
    Outbox(connection).emit(event, "org_abc123", {})
connection.commit()
"""
