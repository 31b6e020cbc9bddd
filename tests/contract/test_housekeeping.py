"""Keys, retention, figures, check and close."""

import asyncio

import pytest

from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.storage.values import ApiKey, Figures, LogFilter


async def test_keys_are_found_by_hash_until_revoked(world) -> None:
    storage = world.storage
    service = ApiKey(id="key_1", name="CI", organization=None, created_at=1, revoked_at=None)
    own = ApiKey(id="key_2", name="CRM", organization="org_1", created_at=2, revoked_at=None)
    await storage.create_key(own, b"2" * 32)
    await storage.create_key(service, b"1" * 32)
    assert await storage.keys() == [service, own]
    assert await storage.key_by_hash(b"2" * 32) == own
    assert await storage.key_by_hash(b"2" * 32, aside=True) == own
    assert await storage.key_by_hash(b"3" * 32) is None
    assert await storage.key_by_hash(b"3" * 32, aside=True) is None
    assert await storage.revoke_key("key_2")
    assert not await storage.revoke_key("key_2")
    assert not await storage.revoke_key("key_3")
    assert await storage.key_by_hash(b"2" * 32) is None
    assert await storage.key_by_hash(b"2" * 32, aside=True) is None
    assert [key.revoked_at for key in await storage.keys()] == [None, world.clock.ms]


# --- retention ------------------------------------------------------------------------------------


async def _forget(world) -> int:
    gone = 0
    while slice_ := await world.storage.run_retention_slice(30):
        gone += slice_
    return gone


async def _settled(world, count: int, *, organization: str = "org_1", happened="success"):
    answers = await world.accept(*(world.event(organization=organization) for _ in range(count)))
    deliveries = [answer.leased[0] for answer in answers]
    await world.storage.settle([world.settlement(one, happened) for one in deliveries])
    return deliveries


async def _count(world, organization: str = "org_1") -> int:
    count, before = 0, None
    while True:
        query = LogFilter(organization=organization, limit=500, before=before)
        page = await world.storage.log(query)
        count += len(page.items)
        before = page.next
        if before is None:
            return count


async def test_young_things_stay(world) -> None:
    await world.webhook()
    await _settled(world, 600)
    world.clock.advance(days=29)
    assert await world.storage.run_retention_slice(30) == 0
    assert await _count(world) == 600


async def test_the_newest_500_attempts_of_each_organization_stay_whatever_their_age(world) -> None:
    await world.webhook()
    await world.webhook(organization="org_2")
    old = await _settled(world, 1_700)
    await _settled(world, 500, organization="org_2")
    world.clock.advance(days=31)
    await _forget(world)
    assert (await _count(world), await _count(world, "org_2")) == (500, 500)
    assert await world.storage.delivery("org_1", old[0].id) is None
    assert await world.storage.event("org_1", old[0].event_id) is None
    kept = await world.delivery(old[-1])
    assert (kept.body, len(kept.attempts)) == (old[-1].body, 1)
    assert await world.storage.event("org_1", old[-1].event_id) is not None


async def test_old_attempts_make_room_for_young_ones(world) -> None:
    await world.webhook()
    old = await _settled(world, 100)
    world.clock.advance(days=31)
    await _settled(world, 450)
    await _forget(world)
    assert await _count(world) == 500
    assert await world.storage.delivery("org_1", old[49].id) is None
    assert await world.storage.delivery("org_1", old[50].id) is not None


async def test_what_is_pending_stays_whatever_its_age(world) -> None:
    await world.webhook()
    waiting = await world.leased()
    await world.settle(waiting, RETRY, retry_in=90 * 86_400)
    replayed = (await _settled(world, 1, happened=EXHAUSTED))[0]
    await world.storage.replay("org_1", replayed.id)
    await _settled(world, 600)
    world.clock.advance(days=31)
    await _forget(world)
    for delivery in (waiting, replayed):
        seen = await world.delivery(delivery)
        assert (seen.body, seen.attempts) == (delivery.body, [])


async def test_events_without_deliveries_go_when_old(world) -> None:
    (lonely,) = await world.accept()
    webhook = await world.webhook()
    await world.change(webhook, status="paused")
    (missed,) = await world.accept()
    world.clock.advance(days=29)
    await _forget(world)
    assert await world.storage.event("org_1", lonely.id) is not None
    world.clock.advance(days=2)
    await _forget(world)
    assert await world.storage.event("org_1", lonely.id) is None
    assert await world.storage.event("org_1", missed.id) is None


async def test_health_figures_go_after_31_days(world) -> None:
    await world.webhook()
    await _settled(world, 1)
    world.clock.advance(days=30)
    await _forget(world)
    assert await world.storage.health("org_1", 0) != []
    world.clock.advance(days=2)
    await _forget(world)
    assert await world.storage.health("org_1", 0) == []


# --- figures, check, close ------------------------------------------------------------------------


async def test_figures_count_what_waits(world) -> None:
    empty = await world.storage.figures()
    assert empty == Figures(pending=0, oldest_pending_age=0.0, lanes=0, jobs=0, bytes=empty.bytes)
    assert empty.bytes > 0
    webhook = await world.webhook()
    await world.accept(lease=None)
    world.clock.advance(seconds=5)
    await world.leased()
    (replayed,) = await _settled(world, 1, happened=EXHAUSTED)
    await world.storage.replay("org_1", replayed.id)
    figures = await world.storage.figures()
    assert (figures.pending, figures.oldest_pending_age) == (2, 5.0)
    assert (figures.lanes, figures.jobs) == (1, 0)
    await world.change(webhook, status="paused")
    assert (await world.storage.figures()).jobs == 1


async def test_a_working_storage_passes_its_check(world) -> None:
    await asyncio.gather(*(world.storage.check() for _ in range(5)))
    world.clock.advance(seconds=2)
    await world.storage.check()


async def test_closing_finishes_what_was_handed_in(world) -> None:
    await world.webhook()
    calls = [world.accept() for _ in range(20)]
    *answers, _ = await asyncio.gather(*calls, world.storage.close())
    assert [answer.deliveries for (answer,) in answers] == [1] * 20
    with pytest.raises(Unavailable):
        await world.accept()
    await world.storage.close()
