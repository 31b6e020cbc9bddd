"""Nodes on a database of the test's own, and the words of the contract suite to fill it with."""

import importlib.util
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FixedClock
from tests.loss import Proxy
from tests.unit.storage.postgres.numbers_table import PATIENCE
from tests.unlowered_lanes import UnloweredLanes, watch_unlowered_lanes

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.storage.postgres import PostgresStorage, connection_opener
from winnerr_webhooks.storage.postgres import transactions as database_module
from winnerr_webhooks.storage.postgres.transactions import Database

_HERE = Path(__file__).parents[3] / "contract" / "conftest.py"
_spec = importlib.util.spec_from_file_location("contract_words", _HERE)
assert _spec is not None
assert _spec.loader is not None
contract = sys.modules["contract_words"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contract)

Open = Callable[..., Awaitable[PostgresStorage]]


@pytest.fixture
def clock() -> Any:
    """Both clocks of every node, moved by hand."""
    return contract.FakeClock()


@pytest.fixture
def partitions_clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def world_class() -> type[Any]:
    return contract.World


@pytest.fixture
def keyring() -> Keyring:
    return Keyring((EncryptionKey("k1", bytes(range(32))),))


@pytest.fixture
def node_url(postgres_url: str) -> str:
    """The database of the nodes."""
    return postgres_url


@pytest.fixture
async def open_node(node_url: str, clock: Any, keyring: Keyring) -> AsyncIterator[Open]:
    """Open one node after another on the same database."""
    opened: list[PostgresStorage] = []

    async def open_(url: str = node_url, **options: Any) -> PostgresStorage:
        settings = {"clock": clock, "keyring": keyring, "serves": True} | options
        settings.setdefault("follow_database_clock", False)
        opened.append(await PostgresStorage.open(url, **settings))
        return opened[-1]

    yield open_
    for node in opened:
        await node.close()


@pytest.fixture
async def node(open_node: Open) -> PostgresStorage:
    return await open_node()


@pytest.fixture
def unlowered() -> Iterator[UnloweredLanes]:
    with watch_unlowered_lanes() as watch:
        yield watch


@pytest.fixture
def world(node: PostgresStorage, clock: Any, unlowered: UnloweredLanes) -> Any:
    """What a test says of one node, in one line each."""
    return contract.World(node, clock, unlowered)


@pytest.fixture
def open_world(
    open_node: Open, clock: Any, unlowered: UnloweredLanes
) -> Callable[..., Awaitable[Any]]:
    """Open one more node, and say it in one line each of that one."""

    async def open_(**options: Any) -> Any:
        return contract.World(await open_node(**options), clock, unlowered)

    return open_


@pytest.fixture
async def worlds(world, open_world) -> tuple[Any, Any]:
    """Two nodes on one database."""
    return world, await open_world()


# --- the connections below a node ----------------------------------------------------------------


@pytest.fixture
async def make_database() -> AsyncIterator[Callable[..., Awaitable[Database]]]:
    """Open the connections below a node by themselves, by URL."""
    made: list[Database] = []

    async def make(url: str, *, connections: int = 4) -> Database:
        made.append(Database(url, clock=SystemClock(), jitter=Jitter(0), connections=connections))
        await made[-1].start()
        return made[-1]

    yield make
    for database in made:
        await database.close()


@pytest.fixture
async def admin(postgres_server, empty_postgres_url):
    """A connection that looks from outside, and has made a table of numbers."""
    async with postgres_server.admin(empty_postgres_url.rpartition("/")[2]) as connection:
        await connection.execute("CREATE TABLE public.t (n text PRIMARY KEY)")
        await connection.execute("GRANT ALL ON public.t TO webhooks")
        yield connection


@pytest.fixture
async def database(make_database, empty_postgres_url, admin) -> Database:
    return await make_database(empty_postgres_url)


@pytest.fixture
def patient(monkeypatch) -> None:
    """A database that a busy machine keeps waiting is not away: nothing here is about that."""
    monkeypatch.setattr(connection_opener, "CONNECT_SECONDS", PATIENCE)
    monkeypatch.setattr(database_module, "PROBE_AFTER", PATIENCE)
    monkeypatch.setattr(database_module, "ROLLBACK_SECONDS", PATIENCE)


# --- losing the database --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(make_postgres):
    """A server that may be stopped; it writes through, as in real use."""
    return make_postgres(durable=True)


@pytest.fixture
async def proxy(server):
    one = await Proxy(server.port).start()
    yield one
    await one.stop()
