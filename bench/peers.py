"""This service beside Svix, Hookdeck Outpost and WebhookX, each of which you have started yourself.

Usage: make bench-peers ARGS="--svix URL --svix-token TOKEN --outpost URL --outpost-key KEY
--webhookx ADMIN_URL PROXY_URL", with the peers that you have. Start them as their own documents
say, on this machine, and let them send to 127.0.0.1. In each round everybody takes a turn: first
64 clients that post one event after another, then 200 events a second in an open loop. Load,
receiver and payload are the same for all. With `--processes svix=PID,PID` the table also has the
CPU of these processes and of all that they started; without it, theirs is not known.

docs/performance/peers.md says how the peers were configured for the published figures.
"""

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from bench import machine
from bench.arithmetic import median, spread
from bench.child import BenchError
from bench.postgres import Postgres
from bench.processes import Receiver, Service, free_port, run_part
from bench.report import text_table
from bench.stage import Cell, Table

CLIENTS = 64
RATE = 200
QUIET_SECONDS = 5.0
"""A turn is over when the receiver has got everything, or nothing new for so long."""
LOOK_SECONDS = 0.05
CONTACT = "contact.created"
SECRET = "a-secret-for-the-bench"


class Sender(Protocol):
    """A service that takes events and sends them to the receiver."""

    name: str

    def prepare(self, hook: str) -> dict[str, object]:
        """Make one webhook for this URL; returns the orders that `parts/load.py` needs."""
        ...

    def cpu(self) -> float | None:
        """CPU seconds of all its processes; None when they are not known."""
        ...


class Ours:
    """This service, on SQLite or on PostgreSQL."""

    def __init__(self, service: Service, name: str) -> None:
        self.name = name
        self._service = service

    def prepare(self, hook: str) -> dict[str, object]:
        self._service.webhooks([(0, hook)])
        return {"port": self._service.port, "key": self._service.key}

    def cpu(self) -> float:
        return self._service.cpu() + self._service.database_cpu()


@dataclass
class Peer:
    """A peer at a URL of this machine."""

    name: str
    url: str
    """Of the API that makes webhooks."""
    token: str
    processes: Sequence[int] = ()

    def call(self, method: str, path: str, body: object, allowed: Sequence[int] = ()) -> dict:
        """One call of its API; `BenchError` for an answer other than 2xx or `allowed`."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=30)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        try:
            connection.request(method, parts.path.rstrip("/") + path, json.dumps(body), headers)
            response = connection.getresponse()
            answer = response.read()
        except OSError as error:
            raise BenchError(f"{self.name} at {self.url} cannot be reached: {error}") from error
        finally:
            connection.close()
        if response.status // 100 != 2 and response.status not in allowed:
            text = answer[:500].decode(errors="replace")
            raise BenchError(f"{self.name}: {method} {path}: {response.status} {text}")
        return json.loads(answer) if answer.strip() else {}

    def cpu(self) -> float | None:
        if not self.processes:
            return None
        return sum(machine.cpu_seconds(pid) for pid in self.processes)


class Svix(Peer):
    """Svix server: an application with one endpoint; messages of one event type."""

    def prepare(self, hook: str) -> dict[str, object]:
        self.call("POST", "/api/v1/event-type/", {"name": CONTACT, "description": "bench"}, [409])
        app = self.call("POST", "/api/v1/app/", {"name": "bench"})["id"]
        self.call("POST", f"/api/v1/app/{app}/endpoint/", {"url": hook})
        return {
            "port": urlsplit(self.url).port,
            "key": self.token,
            "path": f"/api/v1/app/{app}/msg/",
            "event": f'{{"eventType":"{CONTACT}","payload":{{%s}}}}',
        }


class Outpost(Peer):
    """Hookdeck Outpost: a tenant with one webhook destination for all topics."""

    def prepare(self, hook: str) -> dict[str, object]:
        tenant = f"bench-{time.time_ns()}"
        self.call("PUT", f"/api/v1/tenants/{tenant}", {})
        destination = {"type": "webhook", "topics": ["*"], "config": {"url": hook}}
        self.call("POST", f"/api/v1/tenants/{tenant}/destinations", destination)
        return {
            "port": urlsplit(self.url).port,
            "key": self.token,
            "path": "/api/v1/publish",
            "event": f'{{"tenant_id":"{tenant}","topic":"{CONTACT}","data":{{%s}}}}',
        }


@dataclass
class WebhookX(Peer):
    """WebhookX: a workspace with an endpoint that signs, and a source that answers once stored."""

    proxy: str = ""
    """Where events are posted."""

    def prepare(self, hook: str) -> dict[str, object]:
        space = "/workspaces/default"
        endpoint = {"request": {"url": hook, "method": "POST"}, "events": [CONTACT]}
        made = self.call("POST", f"{space}/endpoints", endpoint)
        plugin = {
            "name": "webhookx-signature",
            "endpoint_id": made["id"],
            "config": {"signing_secret": SECRET},
        }
        self.call("POST", f"{space}/plugins", plugin)
        path = f"/bench-{time.time_ns()}"
        http_source = {"path": path, "methods": ["POST"]}
        source = {"type": "http", "async": False, "config": {"http": http_source}}
        self.call("POST", f"{space}/sources", source)
        parts = urlsplit(self.proxy)
        return {
            "port": parts.port,
            "key": self.token or "none",
            "path": parts.path.rstrip("/") + path,
            "event": f'{{"event_type":"{CONTACT}","data":{{%s}}}}',
        }


def turn(sender: Sender, orders: dict, receiver: Receiver, load: dict) -> dict[str, float | None]:
    """One sender's turn with one load."""
    receiver.ask("/report")
    before = sender.cpu()
    answer = run_part("load.py", orders | load | {"stamped": True})
    accepted = sum(n for status, n in answer["statuses"].items() if status.startswith("2"))
    if not accepted:
        raise BenchError(f"{sender.name} accepted nothing; its first answer:\n{answer['refused']}")
    delays: list[float] = []
    seen, last = 0, time.monotonic()
    while seen < accepted and time.monotonic() - last < QUIET_SECONDS:
        report = receiver.ask("/report")
        if report["seen"]:
            seen, last = seen + report["seen"], time.monotonic()
            delays += report["delays_ms"]
        time.sleep(LOOK_SECONDS)
    after = sender.cpu()
    delay = spread(delays) if delays else {}
    return {
        "accepted_per_s": accepted / (answer["last"] - answer["first"]),
        "delivered_per_s": seen / (last - answer["first"]),
        "refused": answer["requests"] - accepted,
        "missing": accepted - seen,
        "cpu_us": None if before is None or after is None else (after - before) / accepted * 1e6,
        "accept_p50": answer["accept_ms"]["p50"],
        "accept_p99": answer["accept_ms"]["p99"],
        "delay_p50": delay.get("p50"),
        "delay_p99": delay.get("p99"),
    }


def compare(
    senders: Sequence[Sender], receiver: Receiver, *, rounds: int, seconds: float,
    clients: int = CLIENTS,
    say: Callable[[str], None] = print,
) -> list[Table]:  # fmt: skip
    """All senders in turn, in every round; a table for each load."""
    hook = f"http://127.0.0.1:{receiver.port}/hook"
    orders = {sender.name: sender.prepare(hook) for sender in senders}
    loads = {
        f"{clients} clients, one event a request": {"mode": "closed", "clients": clients},
        f"{RATE} events a second, open loop": {"mode": "open", "clients": clients, "rate": RATE},
    }
    columns = ["", "accepted/s", "delivered/s", "refused", "missing", "CPU µs/event",
               "accept p50 ms", "p99", "to the receiver p50 ms", "p99"]  # fmt: skip
    tables = []
    for title, load in loads.items():
        found: dict[str, list[dict]] = {sender.name: [] for sender in senders}
        for number in range(rounds):
            for sender in senders:
                given = load | {"seconds": seconds}
                found[sender.name].append(turn(sender, orders[sender.name], receiver, given))
                say(f"{title}: round {number + 1}, {sender.name}")
        rows: list[list[Cell]] = [
            [name, *[_median([turn[key] for turn in turns]) for key in turns[0]]]
            for name, turns in found.items()
        ]
        tables.append(Table(title, columns, rows))
    return tables


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def ours(stack: ExitStack, folder: Path) -> list[Sender]:
    """This service on SQLite, and on PostgreSQL where that is installed."""
    senders: list[Sender] = [Ours(stack.enter_context(Service(folder)), "Winnerr Webhooks, SQLite")]
    missing = Postgres.missing()
    if missing:
        print(missing)
    else:
        server = stack.enter_context(Postgres(folder, free_port()))
        service = stack.enter_context(Service(folder, postgres=server))
        senders.append(Ours(service, "Winnerr Webhooks, PostgreSQL"))
    return senders


def peers(options: argparse.Namespace) -> list[Sender]:
    """The peers that the options name."""
    processes: dict[str, list[int]] = {}
    for text in options.processes:
        name, _, pids = text.partition("=")
        processes[name] = [int(pid) for pid in pids.split(",")]
    found: list[Sender] = []
    if options.svix:
        found.append(Svix("Svix", options.svix, options.svix_token, processes.get("svix", ())))
    if options.outpost:
        pids = processes.get("outpost", ())
        found.append(Outpost("Outpost", options.outpost, options.outpost_key, pids))
    if options.webhookx:
        admin, proxy = options.webhookx
        pids = processes.get("webhookx", ())
        found.append(WebhookX("WebhookX", admin, options.webhookx_key, pids, proxy=proxy))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--svix", metavar="URL", help="such as http://127.0.0.1:8071")
    parser.add_argument("--svix-token", default="", help="made by `svix-server jwt generate`")
    parser.add_argument("--outpost", metavar="URL", help="such as http://127.0.0.1:3333")
    parser.add_argument("--outpost-key", default="", help="its API_KEY")
    parser.add_argument("--webhookx", nargs=2, metavar=("ADMIN_URL", "PROXY_URL"))
    parser.add_argument("--webhookx-key", default="", help="of its admin API, if it has one")
    parser.add_argument("--processes", action="append", default=[], metavar="NAME=PID,…",
                        help="of svix, outpost or webhookx, and its database")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each turn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        receiver = stack.enter_context(Receiver(folder))
        senders = ours(stack, folder) + peers(options)
        for table in compare(senders, receiver, rounds=options.rounds, seconds=options.seconds):
            print(f"\n{text_table(table)}")


if __name__ == "__main__":
    main()
