"""The road seen from outside, the same on both databases: every test here runs on each.

A test that is of one of them names it: `@pytest.mark.parametrize("adapter", ["sqlite"],
scope="module")`. One that waits for what a killed node had leased gives its servers another
`program`, whose leases are short: on PostgreSQL no successor knows that the node is dead.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from tests.conftest import Server, _make_schema
from tests.crash.cluster import KEYS

Lend = Callable[[], Awaitable[dict[str, str]]]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def adapter(request) -> str:
    """What the servers of a test store in."""
    return request.param


@pytest.fixture
def program() -> list[str] | None:
    """What the servers of a test run; None: the program as it is."""
    return None


@asynccontextmanager
async def lending(adapter: str, request) -> AsyncIterator[Lend]:
    """Lend databases: the settings that name one of a server's own; {}: a file in its folder."""
    lent: list[str] = []

    async def lend() -> dict[str, str]:
        if adapter == "sqlite":
            return {}
        await server.make_template(_make_schema)
        lent.append(await server.lend_database())
        return {"DATABASE_URL": server.url(lent[-1]), "ENCRYPTION_KEYS": KEYS}

    server = request.getfixturevalue("postgres_server") if adapter == "postgres" else None
    yield lend
    for name in lent:
        await server.give_back_database(name)


@pytest.fixture
async def make_server(
    adapter, program, request, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """Start servers with other settings than usual, each on a database of its own."""
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
            print("".join(server.log))  # is shown when the test has failed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server(
    adapter, request, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    """One server for a whole module; its tests see it as `own`, each as an organization."""
    async with lending(adapter, request) as lend:
        server = Server(tmp_path_factory.mktemp("shared"), await lend())
        try:
            yield await server.start()
        finally:
            await server.close()
            (server.folder / "log").write_text("".join(server.log))
