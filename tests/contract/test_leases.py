"""Storage.release, recover and repair: how a lease ends, and which lease is the last."""

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import EXHAUSTED, MAX_IDLE_LEASES, RETRY

# What an embedded node knows when it starts, that it is alone, no node of several can know.
alone = pytest.mark.parametrize("adapter", ["sqlite"], indirect=True)
one_of_several = pytest.mark.parametrize("adapter", ["postgres"], indirect=True)


@pytest.mark.parametrize("born", ["leased", "free"])
async def test_the_fifth_lease_without_a_settled_attempt_is_the_last(world, born) -> None:
    await world.webhook()
    if born == "leased":
        id_ = (await world.leased()).id
        leases = 1
    else:
        await world.accept(lease=None)
        leases = 0
    for _ in range(MAX_IDLE_LEASES - leases):
        await world.let_leases_run_out()
        (claimed,) = await world.claim()
        id_ = claimed.id
    await world.let_leases_run_out()
    assert await world.claim() == []
    assert await world.status(id_) == states.FAILED
    await world.storage.replay("org_1", id_)
    assert len(await world.claim()) == 1


async def test_no_lease_is_handed_out_twice_however_often_replays_are_given_up(world) -> None:
    """Else who still holds the first could settle for who has the second."""
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, EXHAUSTED)
    leases = [delivery.lease]
    for _ in range(2):
        await world.storage.replay("org_1", delivery.id)
        while claimed := await world.claim():
            leases += [one.lease for one in claimed]
            await world.let_leases_run_out()
    assert len(leases) == 1 + 2 * MAX_IDLE_LEASES
    assert leases == sorted(set(leases))
    assert await world.status(delivery) == states.FAILED


@alone
async def test_a_lease_that_ended_with_its_process_does_not_count(world) -> None:
    """However often the service is killed, what it answered 202 is not given up for it."""
    await world.webhook()
    delivery = await world.leased()
    for _ in range(2 * MAX_IDLE_LEASES):
        await world.storage.recover()
        (delivery,) = await world.claim()
    assert await world.status(delivery) == states.PENDING


async def test_a_settled_attempt_starts_the_count_of_leases_anew(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    for _ in range(MAX_IDLE_LEASES + 2):
        await world.settle(delivery, RETRY, retry_in=0)
        (delivery,) = await world.claim()
    assert await world.status(delivery) == states.PENDING


async def test_a_lease_released_does_not_count(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    for _ in range(MAX_IDLE_LEASES + 2):
        await world.storage.release([delivery])
        (delivery,) = await world.claim()
    assert await world.status(delivery) == states.PENDING


# --- release, recover, repair -------------------------------------------------------------------


async def test_what_is_released_is_free_at_once(world) -> None:
    await world.webhook()
    deliveries = [await world.leased() for _ in range(3)]
    await world.storage.release(deliveries)
    claimed = await world.claim()
    assert {one.id for one in claimed} == {one.id for one in deliveries}
    assert {one.attempt for one in claimed} == {1}


async def test_giving_back_a_lost_lease_changes_nothing(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.storage.release([delivery])
    await world.claim()
    await world.storage.release([delivery])
    assert await world.claim() == []
    settled = await world.leased()
    await world.settle(settled)
    await world.storage.release([settled])
    assert await world.status(settled) == states.DELIVERED


@alone
async def test_recovery_frees_leases_and_leaves_waiting_retries_their_time(world) -> None:
    await world.webhook()
    leased, waiting = await world.leased(), await world.leased()
    await world.settle(waiting, RETRY, retry_in=60)
    assert await world.storage.recover() == 1
    assert [one.id for one in await world.claim()] == [leased.id]
    world.clock.advance(seconds=60)
    assert [one.id for one in await world.claim()] == [waiting.id]


@one_of_several
async def test_a_start_leaves_the_leases_of_others_alone_until_they_run_out(world) -> None:
    await world.webhook()
    leased, waiting = await world.leased(), await world.leased()
    await world.settle(waiting, RETRY, retry_in=90)
    assert await world.storage.recover() == 0
    assert await world.claim() == []
    world.clock.advance(seconds=60.001)
    assert await world.claim() == []
    assert await world.storage.repair() == 1
    assert [one.id for one in await world.claim()] == [leased.id]
    world.clock.advance(seconds=30)
    assert [one.id for one in await world.claim()] == [waiting.id]


async def test_a_lease_that_ran_out_is_made_claimable(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    assert await world.storage.repair() == 0
    world.clock.advance(seconds=60.001)
    assert await world.storage.repair() == 1
    (claimed,) = await world.claim()
    assert (claimed.id, claimed.lease) == (delivery.id, delivery.lease + 1)
    assert await world.storage.repair() == 0
