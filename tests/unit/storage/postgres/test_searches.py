"""Searches while something keeps them from ending: everybody else goes on."""

import asyncio

import asyncpg

from winnerr_webhooks.storage.values import LogFilter


async def test_searches_leave_connections_for_changes_jobs_and_repair(world, node_url) -> None:
    webhook = await world.webhook()
    holder = await asyncpg.connect(node_url)
    schema = await holder.fetchval(
        "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'attempt'"
    )
    held = holder.transaction()
    await held.start()
    await holder.execute(f"LOCK TABLE {schema}.attempt")
    searches = [
        asyncio.ensure_future(world.storage.log(LogFilter(organization=f"org_{n}", text="x")))
        for n in range(8)
    ]
    locked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while await holder.fetchval(locked) < 2:
        assert not any(search.done() for search in searches)
    await world.change(webhook, status="paused")
    assert await world.storage.run_job_slice()
    assert await world.storage.repair() == 0
    assert await world.storage.keys() == []
    await held.rollback()
    await holder.close()
    pages = await asyncio.gather(*searches)
    assert [page.items for page in pages] == [[]] * 8
