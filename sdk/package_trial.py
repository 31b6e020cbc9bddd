"""A package or a tool, installed and used as its section says, with a server that is there."""

import http.client
import json
import time
from typing import Any, Final

from code_blocks import section
from harness import Service, free_port
from reader import Reader
from sink import Sink
from smoke_rows import EMIT, Package
from terminal import Failed, wait_for

ORGANIZATION: Final = "org_abc123"
JANE: Final = {"id": "contact_xyz", "name": "Jane Smith", "email": "jane@example.com"}


class PackageTrial:
    """One row: the reader who does it, and in `done` what came of each column."""

    def __init__(self, row: Package, service: Service, done: dict[str, str]) -> None:
        self.row = row
        self.service = service
        self.port = free_port()
        self.sink = Sink()
        self.done = done

    def run(self) -> None:
        """Do it all; `Failed` names what did not work."""
        if self.row.section.page == EMIT:
            self._outbox()
        else:
            self._receive()

    def _webhook(self, port: int) -> dict[str, Any]:
        """Make this row's webhook the only one that gets events; it has a secret."""
        path = f"/api/v1/organizations/{ORGANIZATION}/webhooks"
        for old in self.service.call("GET", path)["items"]:
            if old["status"] == "active":
                self.service.call("PATCH", f"{path}/{old['id']}", {"status": "paused"})
        url = f"http://127.0.0.1:{port}/hooks/winnerr"
        new = {"url": url, "events": ["*"], "generateSecret": True}
        made: dict[str, Any] = self.service.call("POST", path, new)
        return made

    def _reader(self, **variables: str) -> Reader:
        return Reader(
            {
                "WINNERR_WEBHOOKS_PUBLIC_URL": self.service.url,
                "WINNERR_WEBHOOKS_API_KEY": self.service.key,
                "PORT": str(self.port),
                **variables,
            }
        )

    def _receive(self) -> None:
        webhook = self._webhook(self.port)
        began = time.monotonic()
        with self._reader(WINNERR_WEBHOOK_SECRET=webhook["secret"]) as reader:
            edit = {}
            if self.row.section.heading == "nginx with njs":
                edit = {"3000": str(self.port), "3001": str(self.sink.server_port)}
            reader.play(section(*self.row.section), self.row.background, edit)
            reader.wait_for_port(self.port)
            if self.row.section.heading == "Node-RED":
                reader.wait_for_output("Started flows")
            self.done["installed"] = f"{time.monotonic() - began:.0f} s"
            event_id = self._emit(reader)
            self.done["emit"] = "package" if self.row.emit else "API"
            attempt = self._delivered(reader, webhook, event_id, 1)
            self.done["verify"] = "yes"
            self.service.call(
                "POST",
                f"/api/v1/organizations/{ORGANIZATION}/deliveries/{attempt['deliveryId']}/replay",
            )
            self._delivered(reader, webhook, event_id, 2)
            self.done["replay"] = "yes"
            self.done["refuse"] = self._refused(reader, attempt)

    def _emit(self, reader: Reader) -> str:
        """Emit one event, and return its id."""
        if self.row.emit is None:
            event = {"event": "contact.created", "organizationId": ORGANIZATION, "data": JANE}
            made: str = self.service.call("POST", "/api/v1/events", event)["id"]
            return made
        blocks = section(EMIT, self.row.emit)
        program = next(block for block in blocks if block.file)
        command = blocks[-1]._replace(
            text=blocks[-1].text.strip().splitlines()[-1]
        )  # it is installed already
        since = len(reader.output())
        reader.play([program, command], edit={"contact_xyz-created": f"{self.row.emit}-created"})
        return reader.wait_for_output(r"(evt_\w+) 1\n", since)[1]

    def _delivered(
        self, reader: Reader, webhook: dict[str, Any], event_id: str, count: int
    ) -> dict[str, Any]:
        """Wait for this many successful attempts, and return the newest with its request."""
        logs = f"/api/v1/organizations/{ORGANIZATION}/logs"

        def found() -> list[dict[str, Any]]:
            items = self.service.call("GET", f"{logs}?webhook={webhook['id']}")["items"]
            failed = [item for item in items if item["outcome"] == "failed"]
            if failed:
                raise Failed(str(self.service.call("GET", f"{logs}/{failed[0]['id']}")))
            return items if len(items) == count else []

        newest = wait_for(found, f"{count} deliveries", reader.check)[0]
        if self.row.prints:
            reader.wait_for_output(rf"(?:contact\.created {event_id}\s[^\0]*){{{count}}}")
        if self.row.section.heading == "nginx with njs" and len(self.sink.bodies) != count:
            raise Failed(f"nginx passed {len(self.sink.bodies)} requests on, not {count}")
        attempt: dict[str, Any] = self.service.call("GET", f"{logs}/{newest['id']}")
        return attempt

    def _refused(self, reader: Reader, attempt: dict[str, Any]) -> str:
        """Send the request again with a byte changed, then unsigned; return the statuses."""
        request = attempt["request"]
        headers = {
            name: value
            for name, value in request["headers"].items()
            if name.lower() not in {"host", "content-length", "connection"}
        }
        unsigned = {name: value for name, value in headers.items() if "ignature" not in name}
        changed = request["body"].replace("Jane", "June").encode()
        since = len(reader.output())
        statuses = []
        for body, sent in ((changed, headers), (request["body"].encode(), unsigned)):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            connection.request("POST", "/hooks/winnerr", body, sent)
            statuses.append(connection.getresponse().status)
            connection.close()
        if not set(statuses) <= {401, 403, 500}:  # 500 is what webhook says
            raise Failed(f"a request that is not genuine was answered {statuses}")
        if self.row.prints:
            reader.wait_for_output(r"refused no_match", since)
            reader.wait_for_output(r"refused missing_header", since)
        if self.row.section.heading == "nginx with njs" and len(self.sink.bodies) != 2:  # noqa: PLR2004
            raise Failed("nginx passed on a request that is not genuine")
        return " ".join(map(str, statuses))

    def _outbox(self) -> None:
        """Play a section with an application and a relay; one event must arrive, once."""
        self._webhook(self.sink.server_port)
        began = time.monotonic()
        with self._reader() as reader:
            blocks = section(*self.row.section)
            last = blocks.pop() if blocks[-1].text.startswith("curl") else None
            reader.play(blocks, self.row.background)
            if last:
                reader.wait_for_port(self.port)
                reader.play([last])
            self.done["installed"] = f"{time.monotonic() - began:.0f} s"
            wait_for(lambda: self.sink.bodies, "the event", reader.check)
            reader.run(_LIST)
            reader.wait_for_output(r"0 waiting; 0 refused")
        names = [json.loads(body)["data"]["name"] for body in self.sink.bodies]
        if names != ["Jane Smith"]:
            raise Failed(f"what arrived is {names}")
        self.done["outbox"] = "once"


_LIST: Final = """
for file in crm.db db.sqlite3; do
  if [ -e $file ]; then .venv/bin/winnerr-webhooks-outbox-relay list --from sqlite:///$file; fi
done
"""
