"""The outbox and `kill -9`: what the product committed is accepted and delivered, exactly."""

import asyncio
import json
import random
import sys
from collections import Counter
from pathlib import Path

import asyncpg
import pytest
from tests import program
from tests.crash.cluster import HURRIED, KEYS, Node
from tests.crash.outbox_emitter import NAME
from tests.receiver import PATIENCE
from tests.server import PAUSE

pytestmark = pytest.mark.asyncio(loop_scope="session")

EMITTER = Path(__file__).with_name("outbox_emitter.py")
NODE_EVERY = 5
DATABASE_EVERY = 10
"""At every so many kills of the product, a node or the database is killed as well."""


class Product:
    """The emitting process, started anew after each kill."""

    def __init__(self, url: str, rng: random.Random) -> None:
        self.url = url
        self.rng = rng
        self.kills = 0

    async def run_and_kill(self) -> None:
        """Let it commit some times, and kill it at a random moment around a commit."""
        process = await program.start(sys.executable, EMITTER, self.url, stdout=program.PIPE)
        assert process.stdout is not None
        for _ in range(self.rng.randrange(5, 60)):
            assert await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        loop = asyncio.get_running_loop()
        moment = loop.time() + self.rng.uniform(0, 0.004)
        while loop.time() < moment:
            pass  # a commit takes a millisecond: a timer would miss it
        process.kill()
        await process.wait()
        self.kills += 1


async def rows(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def until_none(url: str, statement: str) -> None:
    """Return when a statement finds no row."""
    async with asyncio.timeout(2 * PATIENCE):
        while await rows(url, statement):
            await asyncio.sleep(PAUSE)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.chaos)])
@pytest.mark.timeout(900)
@pytest.mark.thorough
async def test_what_is_delivered_is_what_was_committed(
    kills, make_postgres, receiver, tmp_path
) -> None:
    """The product is killed each time; two nodes and the database now and then, too."""
    rng = random.Random(kills)
    database = make_postgres(durable=True)
    url = database.url(await database.create_database())
    settings = {"DATABASE_URL": url, "ENCRYPTION_KEYS": KEYS, "DELIVERY_TIMEOUT": "5"}
    nodes = []
    for number in range(2):
        folder = tmp_path / f"node{number}"
        folder.mkdir()
        nodes.append(Node(folder, settings, HURRIED))
    try:
        for node in nodes:
            await node.start()
        for organization in ("org_1", "org_2"):
            await nodes[0].of(organization).webhook(receiver.url)
        await rows(url, "CREATE TABLE orders (n serial PRIMARY KEY)")
        product = Product(url, rng)
        node_kills = database_kills = 0
        for turn in range(1, kills + 1):
            await product.run_and_kill()
            if turn % NODE_EVERY == 0:
                node = nodes[turn // NODE_EVERY % 2]
                await node.kill()
                await node.start()
                node_kills += 1
            if turn % DATABASE_EVERY == 0:
                await asyncio.to_thread(database.stop, "immediate")
                await asyncio.to_thread(database.start)
                database_kills += 1
        gone = f"SELECT FROM pg_stat_activity WHERE application_name = '{NAME}'"
        await until_none(url, gone)
        await until_none(url, "SELECT FROM winnerr_webhooks.outbox LIMIT 1")
        await until_none(url, "SELECT FROM winnerr_webhooks.pending LIMIT 1")

        committed = Counter(row["n"] for row in await rows(url, "SELECT n FROM orders"))
        made = (await rows(url, "SELECT last_value FROM orders_n_seq"))[0][0]
        bodies = await rows(url, "SELECT body FROM winnerr_webhooks.event")
        accepted = Counter(json.loads(row["body"])["data"]["n"] for row in bodies)
        delivered = Counter(request.json["data"]["n"] for request in receiver.requests)
    finally:
        for node in nodes:
            await node.close()
    assert accepted == committed
    assert delivered.keys() == committed.keys()
    assert made > committed.total(), "nothing was rolled back"
    print(
        f"{product.kills} kills of the product, {node_kills} of a node, {database_kills} of the "
        f"database: {made} emitted, {committed.total()} committed, {accepted.total()} accepted "
        f"once each, {len(delivered)} delivered, {delivered.total() - len(delivered)} of them again"
    )
