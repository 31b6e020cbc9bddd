"""Scenario tests: the service as its users see it, the same on both databases.

Every test here runs on SQLite and on PostgreSQL, with `usually_sqlite` on the latter in `make
thorough` only. A test of one of them only says so:
`@pytest.mark.parametrize("adapter", ["sqlite"], scope="session")`. A test that waits for what a
killed node had leased gives its servers another `program`, whose leases are short: on PostgreSQL
no other node knows that the killed one is dead.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from tests.conftest import lend_database
from tests.crash.cluster import KEYS
from tests.server import Server

from winnerr_webhooks.clock import SystemClock

Lend = Callable[[], Awaitable[dict[str, str]]]


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def adapter(request) -> str:
    """The database that the servers of a test use."""
    return request.param


@pytest.fixture
def program() -> list[str] | None:
    """The program that the servers of a test run; None: the product as it is."""
    return None


@asynccontextmanager
async def lending(adapter: str, request) -> AsyncIterator[Lend]:
    """Lend databases, each as the settings that name it; for SQLite none: a file by default."""
    lent: list[str] = []

    async def lend() -> dict[str, str]:
        if adapter == "sqlite":
            return {}
        lent.append(await lend_database(server, SystemClock()))
        return {"DATABASE_URL": server.url(lent[-1]), "ENCRYPTION_KEYS": KEYS}

    server = request.getfixturevalue("postgres_server") if adapter == "postgres" else None
    yield lend
    for name in lent:
        await server.return_database(name)


@pytest_asyncio.fixture(loop_scope="session")
async def make_server(
    adapter, program, request, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """Start servers of the test's own, each on a database of its own."""
    servers: list[Server] = []
    async with lending(adapter, request) as lend:

        async def make(**settings: str) -> Server:
            folder = tmp_path / f"server{len(servers)}"
            folder.mkdir()
            own = {} if "DATABASE_URL" in settings else await lend()
            servers.append(Server(folder, own | settings))
            if program is not None:
                servers[-1].program = program
            return await servers[-1].start()

        yield make
        for server in servers:
            await server.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_server(
    adapter, request, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    """One server for all tests of a worker on one database; they use it as `server`."""
    async with lending(adapter, request) as lend:
        server = Server(tmp_path_factory.mktemp("shared"), await lend())
        try:
            yield await server.start()
        finally:
            await server.close()
