"""Lease releaser: leases go back in slices that fit the database as it is now."""

import asyncio

import apsw
import pytest

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import TimedOut, Unavailable
from winnerr_webhooks.pipeline.lease_releaser import RELEASE_SLICE
from winnerr_webhooks.storage.road_values import Claim

LARGE = 200_000


async def test_after_a_slow_moment_leases_are_released_in_whole_slices_again(make_world) -> None:
    """Given a database so slow that slices came down to a few leases, then it recovers."""
    world = await make_world(start=False)
    webhook = await world.webhook()
    storage = world.storage.storage
    await storage.accept([world.event() for _ in range(2 * RELEASE_SLICE)], None)
    claimed = await storage.claim(
        Claim(lease_seconds=60, limits={webhook.id: 2 * RELEASE_SLICE}, max_bytes=1 << 30)
    )
    sizes: list[int] = []

    async def slow(batch) -> None:
        sizes.append(len(batch))
        if len(sizes) <= 6:
            raise TimedOut("The database did not finish this in time.")

    world.storage.before["release"] = slow
    for delivery in claimed.deliveries:
        world.dispatcher.queues.releaser.add(delivery)
    await world.until(
        lambda: not world.dispatcher.queues.releaser._queue and sum(sizes[6:]) >= 1000
    )
    assert sizes[6] < RELEASE_SLICE // 16
    assert len(sizes) < 20


async def test_what_is_released_while_the_database_is_away_is_released_later(world) -> None:
    await world.webhook()
    world.answer_all_after(4)
    await world.emit(6)
    calls = [await world.egress.next() for _ in range(4)]
    away = asyncio.Event()

    async def fail(*_args) -> None:
        away.set()
        del world.storage.before["release"]
        raise Unavailable("away")

    world.storage.before["release"] = fail
    calls[0].answer(503, Retry_After="1")
    await away.wait()
    for call in calls[1:]:
        call.answer()
    await world.settled(6)


async def test_a_fault_while_leases_are_released_does_not_end_releasing_them(world) -> None:
    """Given a batch that cannot be released, when others are, then those are free again."""
    webhook = await world.webhook()
    await world.emit(6)
    calls = [await world.egress.next() for _ in range(4)]

    async def fail(*_args) -> None:
        del world.storage.before["release"]
        raise apsw.SQLError("a fault of ours")

    world.storage.before["release"] = fail
    calls[0].answer(503, Retry_After="60")
    await world.storage.reached("settle")
    assert world.dispatcher.queues.lanes[webhook.id].hold is not None
    for call in calls[1:]:
        call.answer()
    await world.settled(3)


async def offered_at_once(world, count: int, size: int = 0) -> list[LeasedDelivery]:
    """Deliveries of one commit, however little room their lane has."""
    events = [world.event(size=size) for _ in range(count)]
    answers = await world.storage.accept(events, world.dispatcher.lease_terms())
    leased = [delivery for answer in answers for delivery in answer.leased]
    for delivery in leased:
        delivery.expires = world.clock.monotonic() + 60
    world.dispatcher.add_accepted(leased)
    return leased


async def test_much_is_released_in_slices_that_a_statement_has_time_for(world) -> None:
    await world.webhook()
    released = []

    async def look(batch) -> None:
        released.append([delivery.id for delivery in batch])

    world.storage.before["release"] = look
    leased = await offered_at_once(world, 600)
    await world.until(lambda: sum(map(len, released)) == 600 - 32)
    assert max(map(len, released)) == 500
    ids = [id_ for batch in released for id_ in batch]
    assert ids == [delivery.id for delivery in leased[32:]]


@pytest.mark.parametrize("size", [0, LARGE])
async def test_what_is_released_holds_no_body(world, size) -> None:
    await world.webhook()
    seen = []

    async def look(batch) -> None:
        seen.extend(batch)

    world.storage.before["release"] = look
    await offered_at_once(world, 40, size)
    await world.until(lambda: len(seen) == 8)
    assert all(not delivery.body for delivery in seen)
