"""The database's clock: a node's own wall clock may be set as it likes."""

import pytest

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.delivery import RETRY
from winnerr_webhooks.storage.postgres.database_clock import DatabaseClock

DATABASE_MS = 1_800_000_000_000


class PushedClock(SystemClock):
    """The machine's clocks; a test sets the wall clock, or stops the monotonic one for a while."""

    set_by = 0
    slept = 0.0

    def now_ms(self) -> int:
        return super().now_ms() + self.set_by

    def monotonic(self) -> float:
        return super().monotonic() - self.slept


class HandClock:
    wall = 1_000
    seconds = 50.0

    def now_ms(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def pushed() -> PushedClock:
    return PushedClock()


@pytest.fixture
async def world(open_node, world_class, pushed):
    return world_class(await open_node(clock=pushed, follow_database_clock=True), pushed)


@pytest.mark.parametrize("step", [120_000, -120_000])
def test_a_step_of_the_wall_clock_does_not_move_it_and_asks_for_a_reading(step) -> None:
    machine = HandClock()
    clock = DatabaseClock(machine)
    clock.read(DATABASE_MS, 50.0, 50.0)
    assert not clock.is_due
    machine.wall += step
    machine.seconds += 2
    assert clock.now_ms() == DATABASE_MS + 2_000
    assert clock.is_due
    clock.read(DATABASE_MS + 2_000, 52.0, 52.0)
    assert not clock.is_due


def test_a_reading_is_of_the_middle_of_the_time_it_took() -> None:
    machine = HandClock()
    clock = DatabaseClock(machine)
    clock.read(DATABASE_MS, 48.0, 50.0)
    assert clock.now_ms() == DATABASE_MS + 1_000


async def test_no_lease_is_freed_when_a_nodes_clock_is_set_forward(world, pushed) -> None:
    await world.webhook()
    delivery = await world.leased()
    pushed.set_by += 120_000
    assert await world.storage.repair() == 0
    await world.settle(delivery)
    assert await world.status(delivery) == "delivered"


async def test_no_retry_is_made_early_when_a_nodes_clock_is_set_forward(world, pushed) -> None:
    await world.webhook()
    await world.settle(await world.leased(), RETRY, retry_in=60)
    pushed.set_by += 120_000
    assert await world.claim() == []


async def test_leases_last_when_a_nodes_clock_was_set_forward_and_back(
    world, pushed, open_node
) -> None:
    await world.webhook()
    pushed.set_by += 120_000
    await world.claim()
    pushed.set_by -= 120_000
    await world.leased()
    other = await open_node(clock=SystemClock(), follow_database_clock=True)
    assert await other.repair() == 0


async def test_repairs_go_on_when_the_databases_clock_was_set_back(world, node) -> None:
    """Given a turn that was taken by the faster clock, of a node that has died since."""
    await world.webhook()
    await world.leased()

    async def as_it_was(db) -> None:
        ahead = node._clock.now_ms() + 600_000
        await db.connection.execute("UPDATE meta SET value = $1 WHERE name = 'repaired_at'", ahead)
        await db.connection.execute("UPDATE pending SET lease_until = 1")

    await node._aside.transact(as_it_was)
    assert await node.repair() > 0


async def test_what_came_due_while_a_node_slept_is_claimed_at_once(
    world, pushed, open_node, world_class
) -> None:
    await world.webhook()
    pushed.slept += 100
    other = await open_node(clock=SystemClock(), follow_database_clock=True)
    await world_class(other, SystemClock()).accept(lease=None)
    assert len(await world.claim()) == 1


def test_a_step_of_the_databases_clock_counts_as_skipped_time() -> None:
    machine = HandClock()
    machine.wall = DATABASE_MS
    clock = DatabaseClock(machine)
    clock.read(DATABASE_MS, 50.0, 50.0)
    machine.seconds += 60
    clock.read(DATABASE_MS + 86_460_000, 110.0, 110.0)
    assert clock.skips.since(DATABASE_MS) == 86_400_000
    assert clock.skips.since(clock.now_ms()) == 0


def test_the_first_reading_is_no_step() -> None:
    clock = DatabaseClock(HandClock())
    clock.read(DATABASE_MS, 50.0, 50.0)
    assert clock.skips.since(0) == 0
