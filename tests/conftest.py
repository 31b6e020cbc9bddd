"""Fixtures for all tests: servers and receivers, PostgreSQL, and how work is shared out."""

import gc
import os
import re
import shutil
import sys
import tempfile
from bisect import bisect
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests import quarantine, thorough
from tests.pgbouncer import Pgbouncer
from tests.postgres import PostgresServer
from tests.postgres_binaries import Missing
from tests.receiver import Answer, Receiver
from tests.server import Server
from xdist.scheduler import LoadScopeScheduling

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.storage.postgres import PostgresStorage
from winnerr_webhooks.storage.sqlite import sqlite_file

FIXED_MS = 1_800_000_000_000
"""Where the clocks start that tests move by hand, in milliseconds since 1970."""

MEMORY = Path("/dev/shm")
CONTAINERS_LIMIT = Path("/sys/fs/cgroup/memory.max")
LEAST_MEMORY = 6 << 30
"""Bytes that have to be free there, and of memory, for the tests' files to be kept there."""
QUARANTINED = pytest.StashKey[list[quarantine.Quarantined]]()
PARTS = pytest.StashKey[list[str]]()

thorough.register_profiles()
gc.disable()  # until all tests are collected: what that makes, stays


ON_ONE_WORKER = re.compile(
    r"tests/unit/(storage/postgres/test_(loss|lost_commit)|pipeline/test_outbox_mover"
    r"|cli/test_clocks|settings_page/test_(snippets|translations))\.py"
)
"""Modules that make a server, compile programs or read all templates for all of their tests."""


class Scheduling(LoadScopeScheduling):
    """Give each test to the next free worker, but keep some together.

    The browser tests are on two workers, so that two start a server and a Chromium. Groups start
    first.
    """

    def _split_scope(self, nodeid: str) -> str:
        _, browser, rest = nodeid.partition("tests/browser/")
        if browser:
            return f"browser {rest < 'test_l'}"
        module = ON_ONE_WORKER.match(nodeid)
        return module[0] if module else nodeid

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget a group that is done: the base looks through all that a worker ever had."""
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]


def pytest_configure(config: pytest.Config) -> None:
    """Read the quarantine; the run stops when it names a test that does not exist."""
    if config.getoption("markexpr") != "chaos":
        _keep_files_in_memory()
    os.environ.setdefault("PGSSLMODE", "disable")  # asyncpg reads all root certificates otherwise
    if config.getoption("dist") != "no" and not hasattr(config, "workerinput"):
        gc.enable()  # the workers collect the tests, not this process
    worker = getattr(config, "workerinput", None)
    if worker is not None and config.args == config.getini("testpaths"):
        # Each worker begins elsewhere: pytest compiles what no worker has compiled before, so that
        # in a new clone they share this work.
        parts = config.stash[PARTS] = _parts()
        first = len(parts) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        config.args = parts[first:] + parts[:first]
    try:
        config.stash[QUARANTINED] = quarantine.read(quarantine.FILE.read_text())
    except ValueError as error:
        raise pytest.UsageError(f"{quarantine.FILE}: {error}") from None


def _keep_files_in_memory() -> None:
    """Make temporary files in memory, if there is enough: the suite takes a sixth less time.

    The thousands of databases are files, and PostgreSQL copies hundreds of files for each.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:  # as in containers; some tests run what they write
        return
    available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    free = min(shutil.disk_usage(MEMORY).free, int(available[1]) << 10 if available else 0)
    with suppress(OSError, ValueError):  # none, or "max"
        free = min(free, int(CONTAINERS_LIMIT.read_text()))
    if free >= LEAST_MEMORY:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # found again


def _parts() -> list[str]:
    """Return the folders and modules of all tests, sorted."""
    tests = Path(__file__).parent
    inside = [*tests.iterdir(), *(tests / "unit").iterdir()]
    found = {one for one in inside if one.is_dir() or one.match("test_*.py")}
    return sorted(map(str, found - {tests / "unit"} | {tests.parent / "sdk" / "tests"}))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Show the quarantine at the head of every run."""
    return [f"quarantined: {entry}" for entry in config.stash[QUARANTINED]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests, and let quarantined ones fail; `-ra` lists how they went."""
    if parts := config.stash.get(PARTS, []):  # all workers have to find the same order
        items.sort(key=lambda item: bisect(parts, str(item.path)))
    reasons = {entry.name: str(entry) for entry in config.stash[QUARANTINED]}
    for item in items:
        if reason := reasons.get(item.nodeid.partition("[")[0]):
            item.add_marker(pytest.mark.xfail(reason=f"quarantined: {reason}", strict=False))


def pytest_collection_finish() -> None:
    """Leave what was collected out of all further collections of garbage."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Send no output of tests that pass from a worker: nobody reads it there."""
    report = yield
    if report.passed and hasattr(item.config, "workerinput"):
        report.sections.clear()
    return report


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Schedule by `Scheduling`, unless the command line names another `--dist`."""
    return Scheduling(config, log) if config.getoption("dist") == "load" else None


# --- servers and receivers ----------------------------------------------------------------------
#
# They live in the session's event loop, so that one server can serve many tests. A test that uses
# them runs in that loop, too: `pytestmark = pytest.mark.asyncio(loop_scope="session")`.


@pytest_asyncio.fixture(loop_scope="session")
async def receivers() -> AsyncIterator[Callable[[], Awaitable[Receiver]]]:
    """Start receivers."""
    started: list[Receiver] = []

    async def start() -> Receiver:
        started.append(await Receiver().start())
        return started[-1]

    yield start
    for one in started:
        await one.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def receiver(receivers: Callable[[], Awaitable[Receiver]]) -> Receiver:
    return await receivers()


@pytest.fixture
def answer() -> type[Answer]:
    """How a receiver's script answers."""
    return Answer


@pytest_asyncio.fixture(loop_scope="session")
async def make_server(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """Start servers of the test's own: with other settings than usual, or to be stopped."""
    servers: list[Server] = []

    async def make(**settings: str) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        servers.append(Server(folder, settings))
        return await servers[-1].start()

    yield make
    for server in servers:
        await server.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One server for all tests of a worker; they use it as `server`."""
    server = Server(tmp_path_factory.mktemp("shared"), {})
    try:
        yield await server.start()
    finally:
        await server.close()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The shared server, as an organization that no other test has."""
    return shared_server.of()


# --- databases ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def empty_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file as `SqliteStorage.open` makes it, which takes longer than to copy it."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    sqlite_file.open_writer(str(path), cache_kib=1_024).close()
    return path


@pytest.fixture
def sqlite_path(empty_sqlite_file: Path, tmp_path: Path) -> Path:
    """A database file of the test's own, with nothing in it."""
    return Path(shutil.copyfile(empty_sqlite_file, tmp_path / "test.db"))


# --- PostgreSQL ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The `PostgresServer` that all tests of all workers share; it does not survive a crash.

    Tests that stop, start or configure a server make their own with `make_postgres`.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    try:
        server = PostgresServer.shared(folder / "postgres.json")
    except Missing as error:
        pytest.skip(str(error))
    yield server
    server.close()


@pytest.fixture(scope="module")
def make_postgres() -> Iterator[Callable[..., Any]]:
    """Make servers for this module; the options are those of `PostgresServer.create`."""
    servers: list[Any] = []

    def make(**options: Any) -> Any:
        try:
            servers.append(PostgresServer.create(**options))
        except Missing as error:
            pytest.skip(str(error))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


class FixedClock(SystemClock):
    """Where the clocks start that tests move by hand."""

    def now_ms(self) -> int:
        return FIXED_MS


async def lend_database(server: PostgresServer, clock: SystemClock) -> str:
    """Lend a database that has the schema, with day partitions for the time of a clock.

    Each partition costs every statement some time, so there are none for another time.
    """

    async def make_schema(url: str) -> None:
        storage = await PostgresStorage.open(
            url,
            clock=clock,
            keyring=Keyring((EncryptionKey("k1", bytes(range(32))),)),
            serves=True,
            follow_database_clock=False,
        )
        await storage.close()

    template = f"template_{type(clock).__name__.lower()}"
    await server.make_template(template, make_schema)
    return await server.lend_database(template)


@pytest.fixture
def partitions_clock() -> SystemClock:
    """The clock of the nodes on `postgres_url`."""
    return SystemClock()


@pytest.fixture
async def postgres_url(
    postgres_server: PostgresServer, partitions_clock: SystemClock
) -> AsyncIterator[str]:
    """The URL of a database of the test's own that has the schema."""
    name = await lend_database(postgres_server, partitions_clock)
    yield postgres_server.url(name)
    await postgres_server.return_database(name)


@pytest.fixture(scope="session")
def pooler(postgres_server: PostgresServer) -> Iterator[Pgbouncer]:
    """A `Pgbouncer` in front of the shared server, in transaction mode."""
    one = _pooler(postgres_server)
    yield one
    one.close()


@pytest.fixture
def make_pooler() -> Iterator[Callable[[Any], Any]]:
    """Put poolers in front of other servers."""
    poolers: list[Any] = []

    def make(server: Any) -> Any:
        poolers.append(_pooler(server))
        return poolers[-1]

    yield make
    for one in poolers:
        one.close()


def _pooler(server: Any) -> Any:
    try:
        return Pgbouncer(server)
    except Missing as error:
        pytest.skip(str(error))


@pytest.fixture
def pooled_url(pooler: Pgbouncer, postgres_url: str) -> str:
    """The same database as `postgres_url`, by way of the pooler."""
    return str(pooler.url(postgres_url.rpartition("/")[2]))


@pytest.fixture
async def empty_postgres_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of a database of the test's own that has nothing in it."""
    name = await postgres_server.create_database()
    yield postgres_server.url(name)
    await postgres_server.drop_database(name)


def forget_sdk() -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "winnerr_webhooks_sdk"]:
        del sys.modules[name]


@pytest.fixture
def sdk_not_imported() -> Iterator[None]:
    """No module of the SDK is imported before the test, and none stays after it."""
    forget_sdk()
    yield
    forget_sdk()
