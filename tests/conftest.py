"""What black-box tests stand on: the real server as a subprocess, and receivers that play roles."""

import asyncio
import copy
import importlib.util
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import hypothesis
import pytest
import pytest_asyncio
from xdist.scheduler import LoadScopeScheduling

PREFIX = "WINNERR_WEBHOOKS_"
PATIENCE = 60.0
FIXED_MS = 1_800_000_000_000
"""Where the clocks start that tests move by hand."""


def _beside(name: str) -> Any:
    """Import a module of this folder: in importlib mode none of it can be imported by name."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# A pause of the machine is no fault of an example's.
hypothesis.settings.register_profile("patient", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("patient")

postgres = _beside("postgres")
pgbouncer = _beside("pgbouncer")


class TwoBrowsers(LoadScopeScheduling):
    """Every test goes where there is room, but the browser tests stay on two workers at most.

    Their modules each share a server and a Chromium. Accessibility takes as long as the others
    together. Groups come first, being the longest.
    """

    def _split_scope(self, nodeid: str) -> str:
        _, browser, rest = nodeid.partition("tests/browser/")
        if not browser:
            return nodeid
        return f"browser {rest.startswith('test_accessibility')}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TwoBrowsers | None:
    """Schedule by `TwoBrowsers`, unless another way was asked for."""
    return TwoBrowsers(config, log) if config.getoption("dist") == "load" else None


@dataclass
class Request:
    """One request as a receiver got it, to the byte."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def __getitem__(self, header: str) -> str:
        return self.headers[header.lower()]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    hang: bool = False


class Receiver:
    """A real HTTP/1.1 server on loopback; `answer` decides, every request is kept."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Answer | Awaitable[Answer]] = lambda _request: Answer()
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def start(self) -> "Receiver":
        port = self.port or free_port()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in set(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def wait_for(
        self, count: int, where: Callable[[Request], bool] = lambda _request: True
    ) -> list[Request]:
        """Return the matching requests once there are `count`."""
        async with self._arrived, asyncio.timeout(PATIENCE):
            await self._arrived.wait_for(lambda: sum(map(where, self.requests)) >= count)
        return [request for request in self.requests if where(request)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *rest = head[:-4].split("\r\n")
                method, path, _ = line.split(" ", 2)
                headers = {}
                for entry in rest:
                    name, _, value = entry.partition(": ")
                    headers[name.lower()] = value
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                now = asyncio.get_running_loop().time()
                request = Request(now, method, path, headers, body)
                async with self._arrived:
                    self.requests.append(request)
                    self._arrived.notify_all()
                answer = self.answer(request)
                if not isinstance(answer, Answer):
                    answer = await answer
                if answer.hang:
                    await asyncio.Event().wait()
                lines = [f"HTTP/1.1 {answer.status} Scripted"]
                lines += [f"{name}: {value}" for name, value in answer.headers.items()]
                lines.append(f"Content-Length: {len(answer.body)}")
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            self._connections.discard(task)


def free_port() -> int:
    return int(postgres.free_port())


class Server:
    """`winnerr-webhooks serve` as its own process, with the API at hand."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.key = ""
        self.organization = "org_1"
        self.views = 1
        self.log: list[str] = []
        self.program = [sys.executable, "-m", "winnerr_webhooks"]
        self.patience = PATIENCE
        self.settings = {
            "DATABASE_URL": f"sqlite:///{folder / 'test.db'}",
            "PORT": str(self.port),
            "ALLOW_HTTP": "true",
            "ALLOW_NETWORKS": "127.0.0.0/8",
            "RETRY_SCHEDULE": "0.2,0.4,0.8",
            "DELIVERY_TIMEOUT": "2",
        } | settings
        self.process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Task[None] | None = None
        self.session = aiohttp.ClientSession(
            f"http://127.0.0.1:{self.port}",
            connector=aiohttp.TCPConnector(limit=200),
            timeout=aiohttp.ClientTimeout(total=PATIENCE),
        )

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        return kept | {PREFIX + name: value for name, value in self.settings.items()}

    async def command(self, *words: str, stdin: bytes | None = None) -> tuple[int, str, str]:
        """Run another command beside the server: its exit code, stdout and stderr."""
        process = await asyncio.create_subprocess_exec(
            *self.program,
            *words,
            env=self.environment,
            cwd=self.folder,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(stdin), self.patience)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def start(self) -> "Server":
        self.process = await asyncio.create_subprocess_exec(
            *self.program,
            "serve",
            env=self.environment,
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        listening = asyncio.get_running_loop().create_future()
        self._output = asyncio.create_task(self._read(self.process, listening))
        await asyncio.wait_for(listening, self.patience)
        if not self.key:
            self.key = await self.new_key()
        return self

    async def _read(
        self, process: asyncio.subprocess.Process, listening: "asyncio.Future[None]"
    ) -> None:
        assert process.stdout is not None
        async for raw in process.stdout:
            line = raw.decode()
            self.log.append(line)
            if re.search(r"http://127\.0\.0\.1:\d+", line) and not listening.done():
                listening.set_result(None)
        if not listening.done():
            listening.set_exception(RuntimeError("serve ended: " + "".join(self.log)))

    async def new_key(self, *options: str) -> str:
        code, out, err = await self.command("keys", "create", "--name", "test", *options)
        assert code == 0, err
        return out.strip()

    async def kill(self) -> None:
        """SIGKILL, at whatever it is doing."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """SIGTERM; the exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        assert self._output is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        code = await asyncio.wait_for(self.process.wait(), self.patience)
        await self._output
        self.process = None
        return code

    async def close(self) -> None:
        await self.session.close()
        if self.process is not None:
            await self.kill()

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **options: Any
    ) -> tuple[int, Any]:
        """One API call: the status, and the JSON answer (None without one)."""
        headers = {"Authorization": f"Bearer {key or self.key}", **options.pop("headers", {})}
        if isinstance(body, bytes):
            options["data"] = body
            headers.setdefault("Content-Type", "application/json")
        elif body is not None:
            options["json"] = body
        own = f"/api/v1/organizations/{self.organization}"
        url = own + path[1:] if path.startswith("~") else path
        async with self.session.request(method, url, headers=headers, **options) as response:
            raw = await response.read()
            return response.status, json.loads(raw) if raw[:1] in (b"{", b"[") else raw or None

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        status, answer = await self.call(method, path, body, **options)
        assert status < 300, (status, answer)
        return answer

    def of(self, organization: str) -> "Server":
        """The same server, seen by another organization."""
        view = copy.copy(self)
        view.organization = organization
        return view

    async def webhook(self, url: str, **fields: Any) -> Any:
        return await self.ok("POST", "~/webhooks", {"url": url, "events": ["*"]} | fields)

    async def emit(self, event: str = "contact.created", **fields: Any) -> Any:
        body = {"event": event, "organizationId": self.organization, "data": {"id": "contact_xyz"}}
        return await self.ok("POST", "/api/v1/events", body | fields)

    async def until(self, path: str, true: Callable[[Any], bool]) -> Any:
        """Ask until the answer is as wanted."""
        answer = None
        try:
            async with asyncio.timeout(PATIENCE):
                while not true(answer := await self.ok("GET", path)):
                    await asyncio.sleep(0.01)  # leaves the machine to what is waited for
        except TimeoutError as error:
            error.add_note(f"{path} answered at last: {answer}")
            error.add_note("the server printed: " + "".join(self.log[-20:]))
            raise
        return answer

    async def delivery(self, delivery_id: str, status: str) -> Any:
        """The delivery, once it has this status."""
        return await self.until(f"~/deliveries/{delivery_id}", lambda d: d["status"] == status)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = await Receiver().start()
    yield one
    await one.stop()


@pytest.fixture
async def receivers() -> AsyncIterator[Callable[[], Awaitable[Receiver]]]:
    started: list[Receiver] = []

    async def start() -> Receiver:
        started.append(await Receiver().start())
        return started[-1]

    yield start
    for one in started:
        await one.stop()


@pytest.fixture
async def make_server(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """Start servers with other settings than usual."""
    servers: list[Server] = []

    async def make(**settings: str) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        servers.append(Server(folder, settings))
        return await servers[-1].start()

    yield make
    for server in servers:
        await server.close()


@pytest.fixture
async def server(make_server: Callable[..., Awaitable[Server]]) -> Server:
    return await make_server()


@pytest.fixture
def answer() -> type[Answer]:
    """How a receiver's script answers."""
    return Answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One server for a whole module; its tests see it as `own`, each as an organization."""
    server = Server(tmp_path_factory.mktemp("shared"), {})
    try:
        yield await server.start()
    finally:
        await server.close()


@pytest_asyncio.fixture(loop_scope="module")
async def own(shared_server: Server) -> Server:
    """The module's server, as an organization nobody else has."""
    shared_server.views += 1
    return shared_server.of(f"org_{shared_server.views}")


@pytest_asyncio.fixture(loop_scope="module")
async def inbox() -> AsyncIterator[Receiver]:
    """A receiver beside `own`, in the module's loop."""
    one = await Receiver().start()
    yield one
    await one.stop()


# --- PostgreSQL ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The `postgres.PostgresServer` that all tests and workers share; it forgets when it crashes.

    For what stops, starts or reconfigures a server there is `make_postgres`.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    try:
        server = postgres.PostgresServer.shared(folder / "postgres.json")
    except postgres.Missing as error:
        pytest.skip(str(error))
    yield server
    server.close()


@pytest.fixture(scope="module")
def make_postgres() -> Iterator[Callable[..., Any]]:
    """Make servers of one's own; the options are those of `PostgresServer.create`."""
    servers: list[Any] = []

    def make(**options: Any) -> Any:
        try:
            servers.append(postgres.PostgresServer.create(**options))
        except postgres.Missing as error:
            pytest.skip(str(error))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


async def _make_schema(url: str) -> None:
    """Make the tables, with day partitions for the real clock and for the fixed one."""
    from winnerr_webhooks.clock import SystemClock
    from winnerr_webhooks.config import EncryptionKey
    from winnerr_webhooks.crypto import Keyring
    from winnerr_webhooks.storage.postgres import PostgresStorage

    class FixedClock(SystemClock):
        def now_ms(self) -> int:
            return FIXED_MS

    for clock in (SystemClock(), FixedClock()):
        storage = await PostgresStorage.open(
            url,
            clock=clock,
            keyring=Keyring((EncryptionKey("k1", bytes(range(32))),)),
            serves=True,
            follow_database_clock=False,
        )
        await storage.close()


@pytest.fixture
async def postgres_url(postgres_server: Any) -> AsyncIterator[str]:
    """The URL of a database of the test's own that has the schema."""
    await postgres_server.make_template(_make_schema)
    name = await postgres_server.lend_database()
    yield postgres_server.url(name)
    await postgres_server.give_back_database(name)


@pytest.fixture(scope="session")
def pooler(postgres_server: Any) -> Iterator[Any]:
    """The `pgbouncer.Pgbouncer` before the shared server, in transaction mode."""
    one = _pooler(postgres_server)
    yield one
    one.close()


@pytest.fixture
def make_pooler() -> Iterator[Callable[[Any], Any]]:
    """Put poolers before servers of one's own."""
    poolers: list[Any] = []

    def make(server: Any) -> Any:
        poolers.append(_pooler(server))
        return poolers[-1]

    yield make
    for one in poolers:
        one.close()


def _pooler(server: Any) -> Any:
    try:
        return pgbouncer.Pgbouncer(server)
    except postgres.Missing as error:
        pytest.skip(str(error))


@pytest.fixture
def pooled_url(pooler: Any, postgres_url: str) -> str:
    """The same database as `postgres_url`, by way of the pooler."""
    return str(pooler.url(postgres_url.rpartition("/")[2]))


@pytest.fixture
async def empty_postgres_url(postgres_server: Any) -> AsyncIterator[str]:
    """The URL of a database of the test's own that has nothing in it."""
    name = await postgres_server.create_database()
    yield postgres_server.url(name)
    await postgres_server.drop_database(name)
