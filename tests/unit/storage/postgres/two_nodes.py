"""Transactions of two nodes that meet: one that is under way, and one that waits for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from winnerr_webhooks.storage.failure_streak import FailureRules
from winnerr_webhooks.storage.postgres import postgres_settle

PATIENT = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0;"


@asynccontextmanager
async def under_way(node, work: Callable) -> AsyncIterator[asyncio.Future]:
    """`work` done in a transaction that does not commit before the end of the block."""
    done: asyncio.Future = asyncio.get_running_loop().create_future()
    may_commit = asyncio.Event()

    async def held(db):
        done.set_result(await work(db))
        await may_commit.wait()

    task = asyncio.create_task(node._aside.transact(held, seconds=60, settings=PATIENT))
    await asyncio.wait([task, done], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield done
    finally:
        may_commit.set()
        await task


async def value_of(node, sql: str, *values):
    async def ask(db):
        return await db.connection.fetchval(sql, *values)

    return await node._aside.transact(ask)


async def blocked(node, verb: Awaitable) -> asyncio.Task:
    """`verb` as a task that waits for a lock by now."""
    task = asyncio.ensure_future(verb)
    waits = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )
    while not await value_of(node, waits):
        assert not task.done(), "it waited for nobody"
    return task


def settling(world, *items) -> Callable:
    """Work that settles attempts, for `under_way`."""
    return lambda db: postgres_settle.settle(
        db, items, rules=FailureRules(0, 0), node="node_x", now=world.clock.ms
    )
