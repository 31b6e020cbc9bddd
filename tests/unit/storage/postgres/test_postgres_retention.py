"""Whole days are dropped, rows to keep are carried over, and no row written meanwhile is lost.

What stays and what goes is held by the contract suite; here is what happens in between.
"""

import asyncio

import asyncpg
import pytest

from winnerr_webhooks.domain.delivery import EXHAUSTED
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.storage.postgres import postgres_housekeeping, postgres_retention
from winnerr_webhooks.storage.postgres.partitions import ID_KINDS
from winnerr_webhooks.storage.road_values import Claim
from winnerr_webhooks.storage.values import LogFilter


@pytest.fixture(autouse=True)
def in_haste(monkeypatch) -> None:
    monkeypatch.setattr(postgres_housekeeping, "LOCK_PAUSE", 0.01)
    monkeypatch.setattr(postgres_housekeeping, "BETWEEN_SLICES", 0.0)


async def run_retention(node, days: int = 30) -> int:
    gone = 0
    while some := await node.run_retention_slice(days):
        gone += some
    return gone


async def settled(world, count: int, happened: str = "success", organization: str = "org_1"):
    answers = await world.accept(*(world.event(organization=organization) for _ in range(count)))
    deliveries = [answer.leased[0] for answer in answers]
    await world.storage.settle([world.settlement(one, happened) for one in deliveries])
    return deliveries


async def carried_up_to(node, step: int, days: int = 30) -> None:
    """Let retention do its slices until the next one is of this step."""
    await node.make_partitions()
    now = node._clock.now_ms()
    while (await carry(node))["step"] != step:
        done = await node._with_short_locks(
            lambda db: postgres_retention.remove_days(db, days, now),
            postgres_housekeeping._CARRYING,
        )
        assert done is not None
        assert done.more


async def carry(node):
    async def ask(db):
        return await db.connection.fetchrow("SELECT * FROM carry")

    return await node._aside.transact(ask)


async def names(node, table: str) -> list[str]:
    return [
        one.name
        for one in (await node._aside.transact(postgres_retention.find_ranges))[table].partitions
    ]


async def logged(node, organization: str = "org_1") -> int:
    return len((await node.log(LogFilter(organization=organization, limit=500))).items)


async def claimed(node):
    page = await node.due_lanes(None, 10)
    limits = {lane.webhook_id: 10 for lane in page.lanes}
    claim = Claim(lease_seconds=60, limits=limits, max_bytes=1 << 20)
    return (await node.claim(claim)).deliveries


# --- which days -----------------------------------------------------------------------------------


async def test_a_day_goes_once_all_of_it_is_old(world, node, clock) -> None:
    await world.webhook()
    await settled(world, 600)
    clock.advance(days=30, seconds=3_600)
    await run_retention(node)
    assert "attempt_p20270115" in await names(node, "attempt")
    clock.advance(seconds=15 * 3_600)  # a minute to midnight would do as well
    await run_retention(node)
    for table in ID_KINDS:
        assert f"{table}_p20270115" not in await names(node, table)
    assert await logged(node) == 500


@pytest.mark.thorough
async def test_many_days_go_some_at_a_time(world, node, clock) -> None:
    await world.webhook()
    first = (await settled(world, 1))[0]
    for _ in range(20):
        clock.advance(days=1)
        await node.make_partitions()
        await settled(world, 30)
    clock.advance(days=40)
    assert await run_retention(node) > 0
    assert (await names(node, "attempt"))[:2] == ["attempt_old", "attempt_before20270315"]
    assert await logged(node) == 500
    assert await node.delivery("org_1", first.id) is None


@pytest.mark.thorough
async def test_rows_of_tables_without_statistics_count_as_gone_too(world, node, clock) -> None:
    await world.webhook()
    await settled(world, 1)
    clock.advance(days=31)
    assert await node.run_retention_slice(30) > 0
    assert await node.run_retention_slice(30) == 0


# --- what happens meanwhile -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        postgres_retention.ATTEMPTS,
        postgres_retention.STAYING,
        postgres_retention.PENDING,
        *(postgres_retention.DROPPING + n for n in range(3)),
    ],
)
@pytest.mark.thorough
async def test_an_outcome_written_to_a_day_on_its_way_out_is_kept(world, node, clock, step) -> None:
    await world.webhook()
    (delivery,) = await settled(world, 1, EXHAUSTED)
    clock.advance(days=31)
    await node.replay("org_1", delivery.id)
    (again,) = await claimed(node)
    await carried_up_to(node, step)
    await world.settle(again)
    await run_retention(node)
    seen = await world.delivery(delivery)
    assert (seen.status, len(seen.attempts), seen.body) == ("delivered", 2, delivery.body)
    assert "delivery_p20270115" not in await names(node, "delivery")


@pytest.mark.parametrize(
    "step",
    [postgres_retention.PENDING, postgres_retention.DROPPING, postgres_retention.DROPPING + 1],
)
@pytest.mark.thorough
async def test_a_replay_asked_for_while_its_day_is_on_its_way_out_is_made(
    world, node, clock, step
) -> None:
    await world.webhook()
    (delivery,) = await settled(world, 1, EXHAUSTED)
    clock.advance(days=31)
    await node.make_partitions()
    await settled(world, 600)  # so that nothing of the old day is among the newest
    await carried_up_to(node, step)
    await node.replay("org_1", delivery.id)
    await run_retention(node)
    (again,) = await claimed(node)
    assert (again.id, again.body) == (delivery.id, delivery.body)
    await world.settle(again)
    assert (await world.delivery(delivery)).status == "delivered"


@pytest.mark.thorough
async def test_what_a_node_with_a_slow_clock_accepts_meanwhile_is_delivered(
    world, node, clock
) -> None:
    await world.webhook()
    await settled(world, 1)
    behind = type(clock)()
    clock.advance(days=31)
    await carried_up_to(node, postgres_retention.DROPPING)
    world.ids = Ids(behind)
    waiting = await world.leased()
    done = await world.leased()
    await world.settle(done)
    await run_retention(node)
    assert (await world.delivery(waiting)).body == waiting.body
    assert await world.status(done) == "delivered"
    assert await logged(node) == 2


async def test_another_node_goes_on_where_one_ended(world, node, open_node, clock) -> None:
    await world.webhook()
    old = await settled(world, 600)
    clock.advance(days=31)
    await carried_up_to(node, postgres_retention.PENDING)
    await node.close()
    other = await open_node()
    assert await run_retention(other) > 0
    assert await logged(other) == 500
    assert await other.delivery("org_1", old[0].id) is None


@pytest.mark.thorough
async def test_nodes_that_forget_at_once_do_not_disturb_each_other(
    world, node, open_node, clock
) -> None:
    nodes = [node, await open_node(), await open_node()]
    await world.webhook()
    await world.webhook(organization="org_2")
    await settled(world, 700)
    await settled(world, 20, organization="org_2")
    clock.advance(days=31)
    await asyncio.gather(*map(run_retention, nodes))
    await run_retention(node)
    assert (await logged(node), await logged(node, "org_2")) == (500, 20)
    assert (await names(node, "attempt"))[0] == "attempt_old"
    assert "attempt_p20270115" not in await names(node, "attempt")


@pytest.mark.thorough
async def test_a_longer_retention_asked_for_meanwhile_counts(world, node, clock) -> None:
    await world.webhook()
    old = await settled(world, 600)
    clock.advance(days=31)
    await carried_up_to(node, postgres_retention.DROPPING - 1)
    await run_retention(node, 60)
    assert await node.delivery("org_1", old[0].id) is not None
    clock.advance(days=31)
    assert await run_retention(node, 60) > 0
    assert await node.delivery("org_1", old[0].id) is None
    assert await logged(node) == 500


# --- locks ----------------------------------------------------------------------------------------


@pytest.mark.thorough
async def test_a_long_read_of_the_log_postpones_it(world, node, node_url, clock) -> None:
    await world.webhook()
    old = await settled(world, 600)
    clock.advance(days=31)
    other = await asyncpg.connect(node_url)
    try:
        async with other.transaction():
            await other.fetchval("SELECT count(*) FROM winnerr_webhooks.attempt")
            await run_retention(node)
            assert await node.delivery("org_1", old[0].id) is not None
            assert await other.fetchval("SELECT count(*) FROM winnerr_webhooks.attempt") == 600
        assert await run_retention(node) == 0  # it is not tried again at once
        clock.advance(seconds=postgres_housekeeping.POSTPONED)
        assert await run_retention(node) > 0
    finally:
        await other.close()
    assert await logged(node) == 500


async def test_no_row_is_looked_through_while_everybody_waits(world, node, clock) -> None:
    """PostgreSQL says so at DEBUG1: src/backend/commands/tablecmds.c."""
    await world.webhook()
    await settled(world, 10)
    clock.advance(days=31)
    said: list[str] = []

    async def drop(db):
        db.connection.add_log_listener(lambda _, told: said.append(told.message))
        await db.script("SET LOCAL client_min_messages = debug1")
        return await postgres_retention.remove_days(db, 30, node._clock.now_ms())

    for step, table in enumerate(ID_KINDS, postgres_retention.DROPPING):
        await carried_up_to(node, step)
        await node._with_short_locks(drop, postgres_housekeeping._CARRYING)
        implied = f'"{table}_old" is implied by existing constraints'
        assert any(told.endswith(implied) for told in said)


async def test_vacuum_is_on_again_for_what_was_carried(world, node, clock) -> None:
    await world.webhook()
    await settled(world, 10)
    clock.advance(days=31)
    await run_retention(node)

    async def ask(db):
        return await db.connection.fetch(
            "SELECT relname::text, reloptions FROM pg_class WHERE relname LIKE '%_old'"
        )

    assert sorted(map(tuple, await node._aside.transact(ask))) == [
        (f"{table}_old", None) for table in sorted(ID_KINDS)
    ]
