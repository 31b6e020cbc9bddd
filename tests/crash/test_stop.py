"""SIGTERM: the process ends within the documented time, whatever the database and receivers do."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from tests import program
from tests.crash.cluster import HURRIED, KEYS
from tests.loss import Proxy
from tests.receiver import Answer
from tests.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

SETTINGS = {"DELIVERY_TIMEOUT": "1"}
STOP_SECONDS = 1 + 10
"""What is documented for DELIVERY_TIMEOUT=1."""
LATE = 1.0
"""Seconds for a test machine whose cores others are using, too."""
EVENTS = 1_000
LOCKER = """
import sys
import apsw

connection = apsw.Connection(sys.argv[1])
connection.set_busy_timeout(60_000)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest_asyncio.fixture(loop_scope="session")
async def make_server(tmp_path) -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """Start a server whose leases run out after seconds: a stop may not have released them."""
    servers: list[Server] = []

    async def make(**settings: str) -> Server:
        servers.append(Server(tmp_path, SETTINGS | settings))
        servers[-1].program = list(HURRIED)
        return await servers[-1].start()

    yield make
    for server in servers:
        await server.close()


@contextlib.asynccontextmanager
async def locked_file(server):
    """The server's SQLite file, whose write lock another process holds from `lose` on."""
    process = None

    async def lose() -> None:
        nonlocal process
        process = await program.start(
            sys.executable,
            "-c",
            LOCKER,
            str(server.folder / "test.db"),
            stdin=program.PIPE,
            stdout=program.PIPE,
        )
        await process.stdout.readline()

    async def return_() -> None:
        process.stdin.close()
        await process.wait()

    yield lose, return_
    await return_()


@pytest.mark.thorough
async def test_a_stop_with_a_locked_file_keeps_its_time_and_loses_nothing(
    make_server, receiver
) -> None:
    server = await make_server()
    async with locked_file(server) as (lose, return_):
        await stops_in_time_and_goes_on(server, receiver, lose, return_)


@pytest.mark.thorough
async def test_a_stop_with_a_silent_postgresql_keeps_its_time_and_loses_nothing(
    make_server, receiver, postgres_server, postgres_url
) -> None:
    proxy = await Proxy(postgres_server.port).start()
    through = postgres_url.replace(f":{postgres_server.port}", f":{proxy.port}")
    server = await make_server(DATABASE_URL=through, ENCRYPTION_KEYS=KEYS)

    async def lose() -> None:
        proxy.freeze()

    async def return_() -> None:
        proxy.hang_up()
        proxy.thaw()

    await stops_in_time_and_goes_on(server, receiver, lose, return_)
    await proxy.stop()


async def stops_in_time_and_goes_on(server, receiver, lose, return_) -> None:
    """Given attempts under way, work queued and a batch call, when the database is away.

    Then SIGTERM ends the process in time, the call has an answer, and after a start what was
    accepted is delivered.
    """
    loop = asyncio.get_running_loop()
    receiver.answer = lambda _request: Answer(hang=True)
    await server.webhook(receiver.url)
    accepted = [(await server.emit())["id"] for _ in range(40)]
    await receiver.wait_for(4)
    await lose()
    event = {"event": "contact.created", "organizationId": "org_1", "data": {"id": "contact_1"}}
    batch = asyncio.ensure_future(server.call("POST", "/api/v1/events/batch", [event] * EVENTS))
    await asyncio.sleep(0)
    began = loop.time()
    code = await server.terminate()
    took = loop.time() - began
    print(f"the stop took {took:.1f} s")
    with contextlib.suppress(OSError):  # it may not have been taken on at all
        status, _answer = await batch
        assert status in (200, 207, 503)
    assert took < STOP_SECONDS + LATE
    assert code == 0
    await return_()
    receiver.answer = lambda _request: Answer()
    await server.start()
    for id_ in accepted:
        await server.until(f"~/events/{id_}", lambda e: e["deliveries"][0]["status"] == "delivered")
