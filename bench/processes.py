"""The processes that a bench starts: servers, receivers, seeds. They all end with the bench."""

import base64
import http.client
import json
import os
import re
import resource
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import apsw

from bench import machine
from bench.child import BenchError, Child, get, until
from bench.postgres import Postgres

PARTS = Path(__file__).parent / "parts"
PREFIX = "WINNERR_WEBHOOKS_"
SERVE = [sys.executable, "-m", "winnerr_webhooks"]


def free_port() -> int:
    """A port below those that connections and listeners are given by themselves."""
    while True:
        port = 12_000 + secrets.randbelow(8_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Receiver(Child):
    """`parts/receiver.py` on one loopback address, or on several."""

    def __init__(self, folder: Path, address: str = "127.0.0.1", count: int = 1) -> None:
        self.port = free_port()
        self._address = address
        script = PARTS / "receiver.py"
        super().__init__([sys.executable, script, address, str(self.port), str(count)], folder)
        until(lambda: self.ended or self._listens(), "the receiver")
        if self.ended:
            raise BenchError(f"the receiver ended:\n{self.errors()}")

    def _listens(self) -> bool:
        try:
            return self.ask("/") is not None
        except OSError:
            return False

    def ask(self, path: str) -> dict:
        connection = http.client.HTTPConnection(self._address, self.port, timeout=30)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


class Part(Child):
    """A script of `parts/` as a process: it gets orders on stdin, and prints JSON at its end."""

    def __init__(self, name: str, orders: dict, folder: Path) -> None:
        self._name = name
        self._answer = folder / f"{secrets.token_hex(4)}.json"
        given = self._answer.with_suffix(".orders")
        given.write_text(json.dumps(orders))
        with given.open("rb") as stdin, self._answer.open("wb") as stdout:
            super().__init__([sys.executable, PARTS / name], folder, stdin=stdin, stdout=stdout)

    def answer(self) -> dict:
        """What it printed; `BenchError` when it failed."""
        if self.stop():
            raise BenchError(f"{self._name} failed:\n{self.errors()}")
        return json.loads(self._answer.read_text())


class Service:
    """`serve` on a database of its own: one node, or several with `serve`'s options of each."""

    def __init__(
        self,
        folder: Path,
        *,
        postgres: Postgres | None = None,
        nodes: Sequence[Sequence[str]] = ((),),
        database: Path | None = None,
        environment: dict[str, str] | None = None,
        descriptors: int | None = None,
    ) -> None:
        self._postgres = postgres
        self._file = database or folder / f"{secrets.token_hex(4)}.db"
        self._nodes: list[tuple[Child, int]] = []
        url = postgres.new_database() if postgres else f"sqlite:///{self._file}"
        settings = {
            "DATABASE_URL": url,
            "ALLOW_HTTP": "true",
            "ALLOW_NETWORKS": "127.0.0.0/8",
            **({"ENCRYPTION_KEYS": _a_key()} if postgres else {}),
        }
        self.environment = {
            # No setting of the caller's own: what is measured are the defaults.
            **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
            **(environment or {}),
            **{PREFIX + name: value for name, value in settings.items()},
        }
        self._folder = folder
        self._options = nodes
        self._descriptors = descriptors
        self.key = ""
        """A service key, good for every organization."""
        self.keys: dict[str, str] = {}
        """Those that were seeded, by organization; the service key by an empty name."""

    def seed(self, **orders: object) -> float:
        """Fill the database through the storage's verbs, before the start; the seconds it took."""
        url = self.environment[f"{PREFIX}DATABASE_URL"]
        answer = run_part("seed.py", {"database_url": url, **orders}, environment=self.environment)
        self.keys |= answer["keys"]
        self.key = self.keys.get("", "")
        return float(answer["seconds"])

    def _make_key(self) -> str:
        command = [*SERVE, "keys", "create", "--name", "bench"]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode:
            raise BenchError(done.stderr.strip() or "no key could be made")
        return done.stdout.strip()

    def _start(self) -> None:
        self.key = self.key or self._make_key()
        for options in self._options:
            port = free_port()
            environment = self.environment | {f"{PREFIX}PORT": str(port)}
            node = Child(
                [*SERVE, "serve", *options], self._folder, env=environment, **self._limits()
            )
            self._nodes.append((node, port))
            node.wait_for(port, "/healthz")

    def _limits(self) -> dict:
        """The options of a process with a limit of open files."""
        if self._descriptors is None:
            return {}
        limits = (self._descriptors, self._descriptors)
        return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits)}

    @property
    def port(self) -> int:
        """Of the first node's API."""
        return self._nodes[0][1]

    @property
    def pid(self) -> int:
        """Of the first node."""
        return self._nodes[0][0].pid

    @property
    def file(self) -> Path:
        """The SQLite database; its other files are in the same folder."""
        return self._file

    def cpu(self) -> float:
        """CPU seconds of all its nodes."""
        return sum(node.cpu() for node, _ in self._nodes)

    def database_cpu(self) -> float:
        """CPU seconds of the database's own processes; 0 when it is embedded."""
        return self._postgres.cpu() if self._postgres else 0.0

    def usage(self) -> machine.Usage:
        """What its nodes and its database have used so far."""
        used = machine.Usage(0.0, 0)
        for node, _ in self._nodes:
            used += machine.usage(node.pid)
        if self._postgres:
            database = self._postgres.usage()
            used += machine.Usage(database.cpu, database.wakeups, database.cpu)
        return used

    def pids(self) -> list[int]:
        """All its processes, the database's included."""
        roots = [node.pid for node, _ in self._nodes]
        if self._postgres:
            roots.append(self._postgres.pid)
        return [pid for root in roots for pid in machine.family(root)]

    def resident_mib(self) -> float:
        return sum(machine.resident_mib(node.pid) for node, _ in self._nodes)

    def settled(self) -> int:
        """Attempts in the log since it started."""
        pages = [get(port, "/metrics").decode() for _, port in self._nodes]
        return sum(_metric(page, "attempts_total") for page in pages)

    def webhooks(self, wanted: Sequence[tuple[int, str]]) -> None:
        """Add webhooks through the API: (organization's number, url), each for every event."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        for number, url in wanted:
            path = f"/api/v1/organizations/org_{number:06}/webhooks"
            body = json.dumps({"url": url, "events": ["*"], "generateSecret": True})
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status != 201:
                raise BenchError(f"no webhook: {response.status} {answer.decode()}")
        connection.close()

    def request(self, path: str) -> bytes:
        """GET of its API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.key}"})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise BenchError(f"GET {path}: {response.status}")
        return body

    def ask_database(self, sql: str) -> int:
        """One number from its database, read over another connection."""
        if self._postgres:
            return self._postgres.ask(self.environment[f"{PREFIX}DATABASE_URL"], sql)
        connection = apsw.Connection(str(self._file), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(10_000)
        try:
            return int(connection.execute(sql).fetchone()[0])
        finally:
            connection.close()

    def extend(self, extension: str) -> None:
        """Add one of PostgreSQL's extensions to its database."""
        self._postgres.extend(self.environment[f"{PREFIX}DATABASE_URL"], extension)

    def session(self, organization: str) -> str:
        """Sign in to an organization's settings page; the cookie of the session."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            path = f"/api/v1/organizations/{organization}/portal-sessions"
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps({"role": "viewer"}), headers)
            link = urlsplit(json.loads(connection.getresponse().read())["url"]).path
            connection.request("POST", link, "csrf=", {
                "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"
            })  # fmt: skip
            response = connection.getresponse()
            response.read()
            return response.headers["Set-Cookie"].partition(";")[0]
        finally:
            connection.close()

    def said(self) -> str:
        """The end of what its nodes wrote to stderr."""
        return "\n".join(node.errors() for node, _ in self._nodes)

    def terminate(self, patience: float) -> float | None:
        """Send SIGTERM; the seconds until it ended, or None when it had to be killed after that."""
        began = time.monotonic()
        killed = False
        for node, _ in self._nodes:
            killed |= node.stop(patience) < 0
        self._nodes = []
        return None if killed else time.monotonic() - began

    def stop(self) -> None:
        codes = {}
        for node, _ in self._nodes:
            codes[node.pid] = node.stop()
        failed = [node for node, _ in self._nodes if codes[node.pid]]
        self._nodes = []
        if failed:
            raise BenchError(f"serve ended with {codes[failed[0].pid]}:\n{failed[0].errors()}")

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self.stop()
        except BenchError:
            if kind is None:  # else it is a consequence of what is being raised already
                raise


def serve_has(option: str) -> bool:
    """Whether this version's `serve` knows an option."""
    return option in subprocess.check_output([*SERVE, "serve", "--help"], text=True)


def run_part(
    name: str,
    orders: dict | None = None,
    arguments: Sequence[str] = (),
    *,
    environment: dict[str, str] | None = None,
) -> dict:
    """Run a script of `parts/` to its end; the JSON it prints."""
    done = subprocess.run(
        [sys.executable, PARTS / name, *arguments],
        input=json.dumps(orders) if orders is not None else None,
        capture_output=True,
        env=environment,
        text=True,
        check=False,
        timeout=3_600,
    )
    if done.returncode:
        raise BenchError(f"{name} failed:\n{done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])  # above it, what it logged


def _metric(text: str, name: str) -> int:
    values = re.findall(
        rf"^winnerr_webhooks_{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.MULTILINE
    )
    return round(sum(float(value) for value in values))


def _a_key() -> str:
    return f"bench:{base64.b64encode(secrets.token_bytes(32)).decode()}"
