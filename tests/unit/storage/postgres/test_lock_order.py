"""All transactions lock rows in one order, so that none wait for each other in a circle.

Each test holds the lock on one row, and lets a settle wait for it. By then the settle must have
locked no row that comes later in the order.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY, SUCCESS

WAITS = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock')"
)


@pytest.fixture
async def connect(node_url, world) -> AsyncIterator:
    """ConnectionPool of the test's own, beside those of the node."""
    opened: list[asyncpg.Connection] = []

    async def connect_() -> asyncpg.Connection:
        opened.append(await asyncpg.connect(node_url))
        schema = await opened[0].fetchval(
            "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'pending'"
        )
        await opened[-1].execute(f"SET search_path TO {schema}")
        return opened[-1]

    yield connect_
    for connection in opened:
        await connection.close()


@asynccontextmanager
async def stopped_at(connect, row: str, work: Awaitable) -> AsyncIterator[asyncpg.Connection]:
    """Let `work` run into a locked row; a connection to look with, and then let it finish."""
    holder, looking = await connect(), await connect()
    held = holder.transaction()
    await held.start()
    assert await holder.fetch(f"{row} FOR UPDATE")
    task = asyncio.ensure_future(work)
    try:
        while not await looking.fetchval(WAITS):
            assert not task.done(), "it waited for nobody"
        yield looking
    finally:
        await held.rollback()
        await task


async def is_free(connection: asyncpg.Connection, row: str) -> bool:
    try:
        async with connection.transaction():
            assert await connection.fetch(f"{row} FOR UPDATE NOWAIT")
    except asyncpg.LockNotAvailableError:
        return False
    return True


@pytest.mark.parametrize("happened", [SUCCESS, RETRY])
async def test_settling_locks_deliveries_in_their_order_not_in_that_of_completion(
    world, connect, happened
) -> None:
    await world.webhook()
    first, second = [await world.leased() for _ in range(2)]
    batch = [world.settlement(one, happened) for one in (second, first)]
    row = "SELECT FROM pending WHERE delivery_id = '{}'".format
    async with stopped_at(connect, row(first.id), world.storage.settle(batch)) as looking:
        assert await is_free(looking, row(second.id))


async def test_successes_end_streaks_of_failures_in_the_order_of_their_webhooks(
    world, connect
) -> None:
    """In whatever order they lie in the table: it is filled backwards here."""
    made = sorted([(await world.webhook(organization="org_1")).id for _ in range(6)])
    (answer,) = await world.accept()
    failed = {one.webhook_id: one for one in answer.leased}
    for webhook_id in reversed(made):
        await world.settle(failed[webhook_id], RETRY)
    (answer,) = await world.accept()
    batch = [world.settlement(one) for one in answer.leased]
    row = "SELECT FROM run WHERE webhook_id = '{}'".format
    async with stopped_at(connect, row(made[0]), world.storage.settle(batch)) as looking:
        assert [await is_free(looking, row(webhook_id)) for webhook_id in made[1:]] == [True] * 5


async def test_webhooks_are_all_locked_before_one_is_disabled(world, connect) -> None:
    """A change mark is held to the end: its holder must not wait for a webhook."""
    made = sorted([(await world.webhook()).id for _ in range(2)])
    (answer,) = await world.accept()
    batch = [world.settlement(one, EXHAUSTED, disable="gone") for one in answer.leased]
    later = f"SELECT FROM webhook WHERE id = '{made[1]}'"
    async with stopped_at(connect, later, world.storage.settle(batch)) as looking:
        assert await is_free(looking, "SELECT FROM meta WHERE name = 'change_mark'")
    states = {one.id: one.status for one in await world.storage.webhooks("org_1")}
    assert states == dict.fromkeys(made, "disabled")


async def test_runs_of_failures_are_counted_in_the_order_of_completion(world) -> None:
    """An older delivery's row is locked first; that its replay succeeded last ends the run."""
    await world.webhook()
    older, newer = [await world.leased() for _ in range(2)]
    await world.settle(older, EXHAUSTED)
    await world.storage.replay("org_1", older.id)
    (replay,) = await world.claim()
    batch = [world.settlement(newer, RETRY), world.settlement(replay)]
    await world.storage.settle(batch)
    (state,) = await world.storage.webhook_states("org_1")
    assert (state.failing_since, state.failures) == (None, 0)
