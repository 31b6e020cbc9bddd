"""Day partitions follow on one another, are made ahead, and take in what came before them."""

import asyncio
from itertools import pairwise

import asyncpg
import pytest

from winnerr_webhooks.ids import Ids, id_floor
from winnerr_webhooks.storage.postgres import partitions, postgres_housekeeping
from winnerr_webhooks.storage.postgres.partitions import DAY_MS, ID_KINDS, PAST_DAYS, Partition

NOW = 1_800_000_000_000  # 2027-01-15T08:00:00Z


def follow(made: list[Partition], newest: str = "") -> bool:
    """Whether they begin where `newest` ends, and leave no gap."""
    return made[0].low == newest and all(a.high == b.low for a, b in pairwise(made))


# --- which are wanted -----------------------------------------------------------------------------


def test_a_new_table_gets_one_for_all_before_yesterday_and_one_a_day_for_a_week_ahead() -> None:
    made = partitions.missing("event", "", NOW)
    assert [one.name for one in made] == [
        "event_old",
        *(f"event_p202701{day}" for day in range(14, 23)),
    ]
    assert follow(made)
    assert made[-1].high == id_floor("evt", NOW - NOW % DAY_MS + 8 * DAY_MS)


def test_a_day_later_one_is_missing_and_until_then_none() -> None:
    newest = partitions.missing("attempt", "", NOW)[-1].high
    assert partitions.missing("attempt", newest, NOW) == []
    (made,) = partitions.missing("attempt", newest, NOW + DAY_MS)
    assert (made.name, made.low) == ("attempt_p20270123", newest)


def test_days_in_which_no_node_ran_share_one() -> None:
    newest = partitions.missing("delivery", "", NOW)[-1].high
    made = partitions.missing("delivery", newest, NOW + 100 * DAY_MS)
    assert [one.name for one in made[:2]] == ["delivery_before20270424", "delivery_p20270424"]
    assert follow(made, newest)


def test_a_clock_that_goes_back_asks_for_nothing() -> None:
    newest = partitions.missing("event", "", NOW)[-1].high
    assert partitions.missing("event", newest, NOW - 400 * DAY_MS) == []


@pytest.mark.parametrize("days", [0, 1, 39, 40, 41, 70, 500])
def test_history_that_is_copied_in_gets_days_and_before_them_months(days: int) -> None:
    oldest = NOW - days * DAY_MS
    made = partitions.history_partitions("attempt", oldest, NOW)
    assert follow(made)
    assert made[-1].high == partitions.missing("attempt", "", NOW)[-1].high
    single = [one for one in made if one.name.startswith("attempt_p")]
    assert len(single) == min(max(days, 1), PAST_DAYS) + 8
    assert id_floor("att", NOW) in {one.low for one in single} or any(
        one.low < id_floor("att", NOW) < one.high for one in single
    )
    assert made[0].high <= id_floor("att", oldest + 30 * DAY_MS)
    assert len({one.name for one in made}) == len(made)


# --- making them ----------------------------------------------------------------------------------


async def days_of(url: str, table: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = to_regclass('winnerr_webhooks.' || $1)",
            table,
        )
    finally:
        await connection.close()
    return sorted(row[0].removeprefix("winnerr_webhooks.") for row in rows)


async def where(node, table: str, id_: str) -> str:
    async def ask(db):
        return await db.connection.fetchval(
            f"SELECT tableoid::regclass::text FROM {table} WHERE id = $1", id_
        )

    return await node._aside.transact(ask)


@pytest.mark.thorough
async def test_nodes_that_make_a_day_at_once_make_it_once(
    open_node, empty_postgres_url, clock
) -> None:
    nodes = await asyncio.gather(*(open_node(empty_postgres_url) for _ in range(3)))
    before = await days_of(empty_postgres_url, "delivery")
    clock.advance(days=3)
    await asyncio.gather(*(node.make_partitions() for node in nodes))
    for table in ID_KINDS:
        made = await days_of(empty_postgres_url, table)
        assert len(made) == len(before) + 3
        assert made[-1] == f"{table}_p20270125"
    assert not any("days ahead" in told for node in nodes for told in node.warnings())


async def test_rows_of_a_day_without_a_partition_move_into_it(node, clock, world_class) -> None:
    world = world_class(node, clock)
    await world.webhook()
    clock.advance(days=20)  # and no pass of retention in that time
    delivery = await world.leased()
    assert await where(node, "event", delivery.event_id) == "event_default"
    clock.advance(days=1)
    await node.make_partitions()
    assert await where(node, "event", delivery.event_id) == "event_p20270204"
    await world.settle(delivery)
    assert (await world.delivery(delivery)).body == delivery.body


async def test_a_node_whose_clock_is_years_ahead_is_put_up_with(node, world_class, clock) -> None:
    ahead = type(clock)()
    ahead.advance(days=3_000)
    world = world_class(node, clock)
    await world.webhook()
    world.ids = Ids(ahead)
    delivery = await world.leased()
    await world.settle(delivery)
    clock.advance(days=1)
    await node.make_partitions()
    assert await where(node, "delivery", delivery.id) == "delivery_default"
    assert (await world.delivery(delivery)).status == "delivered"


async def test_a_locked_table_delays_neither_new_partitions_nor_accept(
    node, node_url, world, clock, monkeypatch
) -> None:
    monkeypatch.setattr(postgres_housekeeping, "LOCK_PAUSE", 0.01)
    await world.webhook()
    clock.advance(days=9)
    other = await asyncpg.connect(node_url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE winnerr_webhooks.event_default IN ROW EXCLUSIVE MODE")
            await node.make_partitions()
            assert any("Fewer than 2 days" in told for told in node.warnings())
            delivery = await world.leased()
    finally:
        await other.close()
    assert await where(node, "event", delivery.event_id) == "event_default"
    await node.make_partitions()
    assert await where(node, "event", delivery.event_id) == "event_p20270124"
    assert not any("Fewer than 2 days" in told for told in node.warnings())


async def test_the_last_two_days_are_warned_of(node, clock) -> None:
    def warned() -> bool:
        return any("Fewer than 2 days" in told for told in node.warnings())

    newest = node._ranges["event"].newest
    while id_floor("evt", clock.ms + 2 * DAY_MS) <= newest:
        assert not warned()
        clock.advance(days=1)
    assert warned()
