"""The commands that need a PostgreSQL: a node on it, the move from SQLite, the outbox."""

import re
import tempfile
from pathlib import Path
from typing import Final

from code_blocks import Block, section
from harness import Missing, Service, free_port, postgres
from package_trial import JANE, ORGANIZATION
from reader import Reader
from reference_trials import install_commands
from smoke_rows import COMMANDS, OUTBOX, POSTGRESQL
from terminal import Failed

REFUSED: Final = (
    f"SELECT winnerr_webhooks.emit('no.such.event', '{ORGANIZATION}', '{{}}', 'crm-8841')"
)


class PostgresTrial:
    """Plays the sections in the order in which an operator needs them."""

    def __init__(self, done: dict[str, str]) -> None:
        self.done = done
        self.port = free_port()

    def run(self) -> None:
        """Play all sections; `Failed` names what did not work."""
        try:
            with (
                postgres() as url,
                Reader({"WINNERR_WEBHOOKS_PORT": str(self.port)}) as reader,
            ):
                install_commands(reader)
                self._play(reader, re.sub(r"//\w+:", "//postgres:", url))
        except Missing as error:
            raise Failed(str(error)) from error

    def _play(self, reader: Reader, admin: str) -> None:
        """Play with a PostgreSQL whose administrator's URL this is."""
        server, _ = admin.rsplit("/", 1)
        host = server.partition("@")[2]
        edit = {"db.example.com": host, "'…'": "'x'", ":…@": ":x@"}
        sqlite = self._sqlite(reader)
        edit["/var/lib/winnerr-webhooks/webhooks.db"] = edit["/var/lib/webhooks.db"] = sqlite
        key = Path(f"{sqlite}.keys").read_text().splitlines()[-1]
        for name in ("crm", "moved"):
            reader.run(f"psql {admin} -c 'CREATE DATABASE {name}'")
        (rights,) = section(POSTGRESQL, "The database")
        self._sql(reader, f"{server}/crm", rights, edit)
        reader.run(f"psql {admin} -c 'GRANT CREATE ON DATABASE moved TO winnerr'")

        reader.run(f"export WINNERR_WEBHOOKS_ENCRYPTION_KEYS='{key}'")
        reader.play(section(POSTGRESQL, "Move from SQLite"), edit=edit)
        winnerr = f"postgresql://winnerr:x@{host}"
        _, move = section(COMMANDS, "migrate")
        target = {"postgresql://user@host/name": f"{winnerr}/moved"}
        reader.play([move], edit={**edit, **target})

        # The key is the one that the moved secrets are encrypted with.
        node = section(POSTGRESQL, "PostgreSQL and many nodes")[0]
        edit['"k1:$(openssl rand -base64 32)"'] = f"'{key}'"
        reader.play([node], {0}, edit)
        reader.wait_for_port(self.port)
        reader.run(f"export WINNERR_WEBHOOKS_DATABASE_URL={winnerr}/crm")
        self._emit_refused(reader)
        outbox = section(OUTBOX, "What was refused")
        reader.play([*outbox, *section(COMMANDS, "outbox list")])
        self._emit_refused(reader)
        reader.play(section(COMMANDS, "outbox retry"))
        self.done["blocks"] = str(reader.played)

    def _sqlite(self, reader: Reader) -> str:
        """Return the file of a server that has a webhook and an event, and has stopped."""
        folder = Path(tempfile.mkdtemp(dir=reader.folder))
        service = Service(folder)
        service.start()
        url = f"http://127.0.0.1:{free_port()}/hook"
        new = {"url": url, "events": ["*"], "generateSecret": True}
        service.call("POST", f"/api/v1/organizations/{ORGANIZATION}/webhooks", new)
        event = {"event": "contact.created", "organizationId": ORGANIZATION, "data": JANE}
        service.call("POST", "/api/v1/events", event)
        service.stop()
        return str(folder / "service.db")

    def _sql(self, reader: Reader, url: str, block: Block, edit: dict[str, str]) -> None:
        reader.play([block._replace(file="block.sql")], edit=edit)
        reader.run(f"psql {url} -v ON_ERROR_STOP=1 -f block.sql")

    def _emit_refused(self, reader: Reader) -> None:
        """Emit an event that a node refuses, and wait until it has."""
        reader.run(f'psql "$WINNERR_WEBHOOKS_DATABASE_URL" -c "{REFUSED}"')
        since = len(reader.output())
        reader.run("until winnerr-webhooks outbox list --refused | grep crm-8841; do :; done")
        reader.wait_for_output("crm-8841", since)
