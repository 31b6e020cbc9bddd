"""Use every package and recipe as a stranger does, against a running server, and print one table.

    python sdk/smoke.py               # all of them
    python sdk/smoke.py go nginx      # these

Each row is a section of a page in `docs`, played in an empty folder: the package is built and
installed from its artifact, and the section's program is started. Then events go from a backend
through the server to it. Exit code 1 if any failed; what lacks its toolchain is skipped.

    emit      an event is accepted; where the package has an emitter, by the page's program for it
    verify    the program receives the event and finds it genuine
    replay    the delivery is replayed, and is genuine again
    refuse    the same request with one byte changed is refused
    outbox    an event of an outbox arrives once, and none of a transaction that was rolled back
"""

import http.client
import http.server
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

os.environ["SERVER_PYTHON"] = sys.executable  # where the harness finds the server
sys.path.insert(0, str(Path(__file__).parent / "python/src"))
sys.path.insert(0, str(Path(__file__).parent / "python/tests"))

from harness import Service, free_port
from tutorial import PATH, REPOSITORY, Block, Failed, Reader, section, wait_for

RECEIVE: Final = REPOSITORY / "docs/tutorials/receive.md"
EMIT: Final = REPOSITORY / "docs/tutorials/emit.md"
NO_CODE: Final = REPOSITORY / "docs/how-to/receive-without-code.md"
ORGANIZATION: Final = "org_abc123"
JANE: Final = {"id": "contact_xyz", "name": "Jane Smith", "email": "jane@example.com"}
INSTALL_SECONDS: Final = 300
COLUMNS: Final = ("installed", "emit", "verify", "replay", "refuse", "outbox")


class Row(NamedTuple):
    """One row of the table: a section of a page."""

    page: Path
    heading: str
    tools: tuple[str, ...]
    background: tuple[int, ...]
    """The places of the section's blocks that start something that goes on running."""
    emit: str | None = None
    """The heading of the program that emits by the same package."""
    prints: bool = True
    """Whether the program prints `<event type> <event id>` for what it receives."""


ROWS: Final = {
    "server": Row(RECEIVE, "1. A webhook", ("python3", "curl"), (0,)),
    "python": Row(RECEIVE, "Python", ("python3",), (2,), "Python"),
    "js": Row(RECEIVE, "Node.js", ("node", "npm"), (2,), "Node.js"),
    "go": Row(RECEIVE, "Go", ("go",), (2,)),
    "java": Row(RECEIVE, "Java", ("javac", "mvn"), (2,)),
    "php": Row(RECEIVE, "PHP", ("php", "composer"), (2,)),
    "ruby": Row(RECEIVE, "Ruby", ("gem", "rackup"), (2,)),
    "node-red": Row(NO_CODE, "Node-RED", ("npm",), (2,), prints=False),
    "webhook": Row(NO_CODE, "webhook", ("webhook",), (1,), prints=False),
    "nginx": Row(NO_CODE, "nginx with njs", ("nginx",), (2,), prints=False),
    "plain": Row(EMIT, "Plain", ("python3",), (2,)),
    "django": Row(EMIT, "Django", ("python3", "curl"), (6, 7)),
    "fastapi": Row(EMIT, "FastAPI", ("python3", "curl"), (2, 3)),
}
NJS: Final = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")


class Sink(http.server.ThreadingHTTPServer):
    """Receives anything and counts it: behind nginx, and where a page has no receiver."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Sink)
        self.bodies: list[bytes] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Sink(http.server.BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Trial:
    """One row: what was done, and the reader who does it."""

    def __init__(self, row: Row, service: Service) -> None:
        self.row = row
        self.service = service
        self.port = free_port()
        self.sink = Sink()
        self.done: dict[str, str] = {}

    def run(self) -> None:
        """Do it all; `Failed` names what did not work."""
        if self.row.heading == "1. A webhook":
            self._server()
        elif self.row.page == EMIT:
            self._outbox()
        else:
            self._receive()

    def _server(self) -> None:
        """Play the steps before and after the receiver, with a server of the reader's own."""
        start, webhook, _ = section(self.row.page, self.row.heading)
        (emit,) = section(self.row.page, "2. Events")
        began = time.monotonic()
        url = f"http://127.0.0.1:{self.port}"
        with Reader(
            {"WINNERR_WEBHOOKS_PORT": str(self.port), "WINNERR_WEBHOOKS_PUBLIC_URL": url}
        ) as reader:
            edit = {
                "REPO=$PWD": f"REPO={REPOSITORY}",
                "/tmp/winnerr": f"{reader.folder}/winnerr",  # noqa: S108  the reader's own
                "/tmp/tutorial": f"{reader.folder}/tutorial",  # noqa: S108
                "http://127.0.0.1:8400": url,
                "http://127.0.0.1:3000": f"http://127.0.0.1:{self.sink.server_port}",
            }
            reader.play([start], self.row.background, edit)
            reader.wait_for_port(self.port, INSTALL_SECONDS)
            self.done["installed"] = f"{time.monotonic() - began:.0f} s"
            reader.play([Block(None, webhook.text + emit.text)], edit=edit)
            self.done["emit"] = "command"
            wait_for(lambda: self.sink.bodies, "the event", reader.check)
            self.done["verify"] = "-"

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
            if self.row.heading == "nginx with njs":
                edit = {"3000": str(self.port), "3001": str(self.sink.server_port)}
            reader.play(section(self.row.page, self.row.heading), self.row.background, edit)
            reader.wait_for_port(self.port)
            if self.row.heading == "Node-RED":
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
        command = Block(None, blocks[-1].text.strip().splitlines()[-1])  # it is installed already
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
        if self.row.heading == "nginx with njs" and len(self.sink.bodies) != count:
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
        if self.row.heading == "nginx with njs" and len(self.sink.bodies) != 2:  # noqa: PLR2004
            raise Failed("nginx passed on a request that is not genuine")
        return " ".join(map(str, statuses))

    def _outbox(self) -> None:
        """Play a section with an application and a relay; one event must arrive, once."""
        self._webhook(self.sink.server_port)
        began = time.monotonic()
        with self._reader() as reader:
            blocks = section(self.row.page, self.row.heading)
            last = blocks.pop() if blocks[-1].text.startswith("curl") else None
            reader.play(blocks, self.row.background)
            if last:
                reader.wait_for_port(self.port)
                reader.play([last])
            self.done["installed"] = f"{time.monotonic() - began:.0f} s"
            wait_for(lambda: self.sink.bodies, "the event", reader.check)
            reader.play([Block(None, _LIST)])
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


def missing(name: str) -> list[str]:
    """Return what this machine lacks for a row."""
    lacking = [tool for tool in ROWS[name].tools if not shutil.which(tool, path=PATH)]
    return [*lacking, "njs"] if name == "nginx" and not NJS.exists() else lacking


def main(names: list[str]) -> int:
    """Play the rows of these names, or all, and print the table; return the exit code."""
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        print(f"There is no row named {unknown[0]}; there are {', '.join(ROWS)}.")
        return 2
    lines, failed = [], False
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder))
        service.start()
        try:
            for name in names or ROWS:
                print(f"== {name}", flush=True)
                if lacking := missing(name):
                    lines.append(f"{name:<9}  skipped: {' and '.join(lacking)} not installed")
                    continue
                trial = Trial(ROWS[name], service)
                note = ""
                try:
                    trial.run()
                except Failed as error:
                    failed, note = True, "  FAILED"
                    print(error)
                cells = [trial.done.get(column, "").ljust(9) for column in COLUMNS]
                lines.append(f"{name:<9}  {' '.join(cells).rstrip()}{note}")
        finally:
            service.stop()
    print(f"\n{'':<9}  " + " ".join(column.ljust(9) for column in COLUMNS).rstrip())
    print("\n".join(lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
