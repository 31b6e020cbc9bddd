"""A cluster of real processes on one database, and records to judge what a crash did.

A repeated request is allowed only if its delivery was in flight when a process was killed. So each
process is stopped before it is killed, and its deliveries in flight are recorded. A delivery is in
flight between the first byte of its request and the commit that settles its attempt: the receiver
got it over one of the process's connections, and the database still shows it as leased.
"""

import asyncio
import json
import os
import random
import re
import signal
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import aiohttp
import asyncpg
from tests import program
from tests.crash.traffic import Sent, Taken
from tests.postgres import free_port
from tests.server import Server

HERE = Path(__file__).parent
TRAFFIC = HERE / "traffic.py"
HURRIED = (sys.executable, str(HERE / "hurried.py"))
KEYS = "k1:" + "A" * 43 + "="
ON_THE_WIRE = 2.0
"""Seconds in which a receiver on a busy machine reads what a killed process sent."""
UNRECORDED = 1.0
"""Seconds for which an attempt that was answered may wait for its record on a busy machine: 50 ms
for others (docs/adr/0033), and for its commit."""


class Node(Server):
    """One `serve` process."""

    def __init__(
        self, folder: Path, settings: dict[str, str], program: Sequence[str] | None = None
    ) -> None:
        super().__init__(folder, settings)
        self.serves = False
        self.patience = 90.0  # many start at once on a busy machine
        if program is not None:
            self.program = list(program)

    @property
    def role(self) -> str:
        return self.settings.get("ROLE", "all")

    @property
    def delivers(self) -> bool:
        return self.role != "api"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def start(self) -> "Node":
        await super().start()
        self.serves = True
        return self

    async def kill(self) -> None:
        self.serves = False
        await super().kill()

    async def freeze(self) -> None:
        """Send SIGSTOP, and wait until the process has stopped."""
        os.kill(self.pid, signal.SIGSTOP)
        while not self._is_stopped:
            await asyncio.sleep(0)

    @property
    def _is_stopped(self) -> bool:
        state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "T"

    async def figure(self, name: str) -> float:
        """The value of one of its metrics."""
        async with self.session.get("/metrics") as answer:
            text = await answer.text()
        (value,) = re.findall(rf"^winnerr_webhooks_{name} (\S+)$", text, re.MULTILINE)
        return float(value)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def connections_to(self, port: int) -> set[int]:
        """The local ports of its connections to a port."""
        own = set()
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # a running process has closed it
                own.add(str(link.readlink()))
        ports = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, here, there, _, _, _, _, _, _, inode, *_ = line.split()
            if int(there[-4:], 16) == port and f"socket:[{inode}]" in own:
                ports.add(int(here[-4:], 16))
        return ports


class Flight(NamedTuple):
    """What a process had in flight when it was stopped."""

    at: float
    ports: set[int]
    others: set[int]
    """Ports of the other processes' connections."""
    leased: set[str]
    """Deliveries leased at that moment, to any process."""

    def had(self, request: Taken) -> bool:
        """Whether a request was in flight: sent by this process, its attempt not settled.

        A connection that was closed after its answer may have been this process's. Its request
        arrived before the process was stopped, and not long before.
        """
        if request.delivery not in self.leased:
            return False
        if request.port in self.ports:
            return request.at <= self.at + ON_THE_WIRE
        return request.port not in self.others and 0 <= self.at - request.at <= UNRECORDED

    def deliveries(self, taken: Iterable[Taken]) -> set[str]:
        """All that was in flight."""
        return {request.delivery for request in taken if self.had(request)}


class Store(Protocol):
    """Reads the database from outside the service."""

    async def rows(self, statement: str) -> list[tuple[Any, ...]]: ...


class PostgresStore:
    def __init__(self, url: str) -> None:
        self.url = url

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(
            self.url, server_settings={"search_path": "winnerr_webhooks"}
        )
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()


class SqliteStore:
    def __init__(self, file: Path) -> None:
        self.file = file

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()


class Traffic:
    """The receiver and the load generators, each a process of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self._receiver: program.Process | None = None
        self._session = aiohttp.ClientSession(f"http://127.0.0.1:{self.port}")

    async def start(self) -> None:
        self._receiver = await program.start(
            sys.executable, TRAFFIC, "receive", str(self.port), stdout=program.PIPE
        )
        assert self._receiver.stdout is not None
        assert await self._receiver.stdout.readline() == b"ready\n"

    async def close(self) -> None:
        await self._session.close()
        if self._receiver is not None:
            self._receiver.kill()
            await self._receiver.wait()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    async def plan(self, name: str, **plan: Any) -> None:
        """Set how a path answers from now on; see `traffic`."""
        async with self._session.put(f"/plans/{name}", json=plan) as answer:
            answer.raise_for_status()

    async def count(self, name: str = "") -> int:
        """The number of requests to this path, or to all paths."""
        async with self._session.get(f"/count/{name}".rstrip("/")) as answer:
            return int(await answer.read())

    async def taken(self, start: int = 0) -> list[Taken]:
        """All requests after the first `start` ones, in the order of their arrival."""
        async with self._session.get(f"/taken?{start}") as answer:
            text = await answer.text()
        return [Taken(*json.loads(line)) for line in text.splitlines()]

    async def load(self, orders: Mapping[str, Any]) -> Sent:
        """Send events until all of them are accepted."""
        process = await program.start(
            sys.executable,
            TRAFFIC,
            "load",
            stdin=program.PIPE,
            stdout=program.PIPE,
            stderr=program.PIPE,
        )
        try:
            out, err = await process.communicate(json.dumps(orders).encode())
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        assert process.returncode == 0, err.decode()
        return Sent(*json.loads(out))


class Cluster:
    """Nodes on one database, and their traffic."""

    def __init__(self, folder: Path, store: Store, settings: dict[str, str]) -> None:
        self.store = store
        self.traffic = Traffic()
        self.nodes: list[Node] = []
        self.flights: list[Flight] = []
        """Of each process that was killed or stopped."""
        self._folder = folder
        self._settings = settings

    async def start(
        self, roles: Sequence[str], *, program: Sequence[str] | None = None, organizations: int = 1
    ) -> None:
        """Start a node for each role, and give each organization a webhook at `/org_N`."""
        await self.traffic.start()
        for role in roles:
            settings = self._settings | ({} if role == "all" else {"ROLE": role})
            self.nodes.append(Node(self._folder, settings, program))
        key = await self.nodes[0].new_key()
        for node in self.nodes:
            node.key = key
        await asyncio.gather(*[node.start() for node in self.nodes])
        for number in range(organizations):
            name = f"org_{number}"
            await self.nodes[0].of(name).webhook(self.traffic.url(name))

    async def close(self) -> None:
        for node in self.nodes:
            await node.close()
        await self.traffic.close()

    @property
    def delivering(self) -> list[Node]:
        return [node for node in self.nodes if node.delivers]

    @property
    def log(self) -> list[str]:
        """The log lines of all nodes, without those of failed attempts."""
        return [
            f"{node.role} {node.port}: {line}"
            for node in self.nodes
            for line in node.log
            if '"attempt failed"' not in line
        ]

    async def busiest(self) -> Node:
        """The node with the most attempts under way."""
        in_flight = {node.port: await node.figure("in_flight") for node in self.delivering}
        return max(self.delivering, key=lambda node: in_flight[node.port])

    def load(self, rate: float, seconds: float, **more: Any) -> "asyncio.Task[Sent]":
        """Start to send events to the nodes that accept them."""
        ports = [node.port for node in self.nodes if node.role != "deliver"]
        key = self.nodes[0].key
        orders = {"ports": ports, "key": key, "rate": rate, "seconds": seconds, **more}
        return asyncio.create_task(self.traffic.load(orders))

    async def freeze(self, node: Node) -> Flight:
        """Stop a process, and record what it had in flight."""
        await node.freeze()
        at = asyncio.get_running_loop().time()
        ports = node.connections_to(self.traffic.port)
        rest = [one for one in self.delivering if one is not node and one.serves]
        others = {port for one in rest for port in one.connections_to(self.traffic.port)}
        rows = await self.store.rows(
            "SELECT delivery_id FROM pending WHERE lease_until IS NOT NULL"
        )
        self.flights.append(Flight(at, ports, others, {row[0] for row in rows}))
        return self.flights[-1]

    async def kill(self, node: Node) -> Flight:
        """Stop a process, record what it had in flight, and send SIGKILL."""
        flight = await self.freeze(node)
        await node.kill()
        return flight

    async def kill_some(self, kills: int, pause: float, rng: random.Random) -> Counter[str]:
        """Kill one of the running processes about every `pause` seconds, and start it again."""
        victims: Counter[str] = Counter()
        starting: set[asyncio.Task[Any]] = set()
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        for _ in range(kills):
            next_at += pause * rng.uniform(0.8, 1.2)
            await asyncio.sleep(max(next_at - loop.time(), 0.0))
            while not (running := [node for node in self.nodes if node.serves]):
                await asyncio.wait(starting, return_when=asyncio.FIRST_COMPLETED)
            victim = rng.choice(running)
            victims[victim.role] += 1
            await self.kill(victim)
            starting.add(asyncio.create_task(victim.start()))
        await asyncio.gather(*starting)
        return victims

    async def count(self, statement: str) -> int:
        return int((await self.store.rows(statement))[0][0])

    async def settled(self, patience: float) -> None:
        """Wait until no delivery is pending."""
        try:
            async with asyncio.timeout(patience):
                while await self.count("SELECT count(*) FROM pending"):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            rows = await self.store.rows("SELECT * FROM pending LIMIT 3")
            left = await self.count("SELECT count(*) FROM pending")
            raise AssertionError(
                f"{left} deliveries still wait, such as {rows}\n" + "".join(self.log[-40:])
            ) from None


class Found(NamedTuple):
    """What happened to the accepted events."""

    accepted: int
    requests: int
    lost: list[str]
    """The callers' ids of events that were answered 202 and reached fewer webhooks than the answer
    said."""
    repeats: list[tuple[Taken, Taken]]
    """Pairs of requests of one delivery: the first was answered with 2xx, or would have been, and
    the second followed it."""


def compare(sent: Iterable[Sent], taken: Sequence[Taken]) -> Found:
    """Compare what arrived with what was accepted."""
    deliveries: dict[str, set[str]] = defaultdict(set)
    times: dict[str, list[Taken]] = defaultdict(list)
    for request in taken:
        deliveries[request.event].add(request.delivery)
        times[request.delivery].append(request)
    accepted = {key: answer for one in sent for key, answer in one.accepted.items()}
    lost = [key for key, (event, count, _, _) in accepted.items() if len(deliveries[event]) < count]
    repeats = []
    for requests in times.values():
        repeats += [pair for pair in pairwise(requests) if 200 <= pair[0].status < 300]
    return Found(len(accepted), len(taken), lost, repeats)


def percentile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


@asynccontextmanager
async def cluster_on(url: str, folder: Path, **settings: str) -> AsyncIterator[Cluster]:
    """A cluster on a PostgreSQL database; all its processes end with it."""
    own = {"DATABASE_URL": url, "ENCRYPTION_KEYS": KEYS, **settings}
    cluster = Cluster(folder, PostgresStore(url), own)
    try:
        yield cluster
    finally:
        await cluster.close()
        print("".join(cluster.log[-60:]))  # is shown when the test has failed


@asynccontextmanager
async def one_on_sqlite(folder: Path, **settings: str) -> AsyncIterator[Cluster]:
    """A cluster of one node on an SQLite file."""
    cluster = Cluster(folder, SqliteStore(folder / "test.db"), dict(settings))
    try:
        yield cluster
    finally:
        await cluster.close()
        print("".join(cluster.log[-60:]))
