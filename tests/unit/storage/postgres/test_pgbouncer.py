"""Behind pgbouncer in transaction mode; the contract suite's core runs there, too."""

import asyncio
from contextlib import suppress

import asyncpg
import asyncpg.connection
import pytest
from tests.loss import IN_TIME

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.storage.postgres import postgres_schema
from winnerr_webhooks.storage.postgres import transactions as database_module
from winnerr_webhooks.storage.postgres.transactions import LostCommit

PATIENCE = 60.0


def ask(sql: str, *values: object):
    async def work(db):
        return await db.connection.fetchval(sql, *values)

    return work


async def test_a_pooler_is_detected_and_a_server_is_not_taken_for_one(
    make_database, pooled_url, postgres_url
) -> None:
    assert (await make_database(pooled_url)).pooled
    assert not (await make_database(postgres_url)).pooled


async def test_settings_hold_for_the_transaction_only(make_database, pooled_url) -> None:
    database = await make_database(pooled_url)
    stranger = await asyncpg.connect(pooled_url, statement_cache_size=0)
    try:
        for setting, value in (
            ("plan_cache_mode", "force_generic_plan"),
            ("idle_in_transaction_session_timeout", "5s"),
            ("statement_timeout", "1700ms"),
        ):
            for run in (database.transact, database.autocommit):
                assert await run(ask(f"SHOW {setting}")) == value
            for _ in range(10):
                async with stranger.transaction():
                    assert await stranger.fetchval(f"SHOW {setting}") != value
        settings = "SET LOCAL statement_timeout = '7s';"
        assert await database.transact(ask("SHOW statement_timeout"), settings=settings) == "7s"
    finally:
        await stranger.close()


async def test_a_commit_waits_for_the_disk_whatever_the_database_is_set_to(
    make_database, postgres_server, pooler, empty_postgres_url
) -> None:
    name = empty_postgres_url.rpartition("/")[2]
    async with postgres_server.admin() as admin:
        await admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    database = await make_database(pooler.url(name))
    for run in (database.transact, database.autocommit):
        assert await run(ask("SHOW synchronous_commit")) == "on"


@pytest.mark.thorough
async def test_statements_of_many_clients_at_once_do_not_get_mixed_up(
    make_database, pooled_url, monkeypatch
) -> None:
    """An unnamed statement is the server connection's, and that changes hands."""
    monkeypatch.setattr(database_module, "PROBE_AFTER", PATIENCE)
    clients = [await make_database(pooled_url, connections=4) for _ in range(5)]

    async def one(number: int) -> None:
        database = clients[number % 5]
        sql = f"SELECT {number} + sum(n) FROM unnest($1::bigint[]) AS given (n)"

        async def twice(db):
            first = await db.connection.fetchval(sql, [number, 1])
            return first, await db.connection.fetchval(sql, [number, 2])

        assert await database.transact(twice, seconds=PATIENCE) == (
            2 * number + 1,
            2 * number + 2,
        )
        assert await database.autocommit(ask(sql, [3]), seconds=PATIENCE) == number + 3

    await asyncio.gather(*(one(number) for number in range(300)))


async def test_processes_that_number_their_statements_alike_do_not_meet(
    make_database, pooled_url, monkeypatch
) -> None:
    for _ in range(4):  # more than the pooler has connections
        monkeypatch.setattr(asyncpg.connection, "_uid", 0)
        database = await make_database(pooled_url)
        assert await database.transact(ask("SELECT 7")) == 7
        left = "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"
        assert await database.transact(ask(left)) == 0


async def test_many_nodes_make_the_schema_at_once_through_it(
    make_database, pooler, empty_postgres_url
) -> None:
    url = pooler.url(empty_postgres_url.rpartition("/")[2])
    nodes = [await make_database(url, connections=2) for _ in range(6)]
    await asyncio.gather(*(postgres_schema.upgrade(node) for node in nodes))
    assert (await nodes[0].transact(lambda db: db.fetch("schema_versions")))[0]["value"] == 1


@pytest.mark.thorough
async def test_a_server_lost_behind_it_is_reported_in_time_and_comes_back(
    make_postgres, make_pooler, make_database
) -> None:
    server = await asyncio.to_thread(make_postgres, durable=True)
    pooler = await asyncio.to_thread(make_pooler, server)
    database = await make_database(pooler.url(await server.create_database()))
    assert await database.transact(ask("SELECT 7")) == 7
    await asyncio.to_thread(server.stop, "immediate")
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            await asyncio.wait_for(database.transact(ask("SELECT 7")), IN_TIME)
        assert not isinstance(caught.value, LostCommit)
    await asyncio.to_thread(server.start)
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Unavailable):
                assert await database.transact(ask("SELECT 7")) == 7
                break
            await asyncio.sleep(0)
    assert database.pooled
