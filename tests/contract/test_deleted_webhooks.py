"""Deleted webhooks: removed once nothing needs them, and in nobody's way until then."""

import pytest

from winnerr_webhooks.domain.delivery import EXHAUSTED
from winnerr_webhooks.storage.values import DeliveryFilter, ReplayFilter


async def _delete(world, webhook) -> None:
    assert await world.storage.delete_webhook(webhook.organization, webhook.id)


async def _forget(world) -> None:
    while await world.storage.run_retention_slice(30):
        pass


async def _exists(world, webhook) -> bool:
    return bool(await world.storage.targets([webhook.id]))


@pytest.fixture
async def deleted(world):
    """A webhook that was deleted, with a newer one beside it that was changed later."""
    webhook = await world.webhook()
    newer = await world.webhook()
    await _delete(world, webhook)
    await world.change(newer, description="The newest change.")
    return webhook


async def test_a_deleted_webhook_that_nothing_needs_is_removed_after_a_day(world, deleted) -> None:
    await world.finish_jobs()
    world.clock.advance(seconds=86_000)
    await _forget(world)
    assert await _exists(world, deleted)
    world.clock.advance(seconds=500)
    await _forget(world)
    assert not await _exists(world, deleted)


async def test_a_deleted_webhook_stays_while_a_job_of_it_waits(world, deleted) -> None:
    world.clock.advance(days=2)
    await _forget(world)
    assert await _exists(world, deleted)
    await world.finish_jobs()
    world.clock.advance(days=1)
    await _forget(world)
    assert not await _exists(world, deleted)


@pytest.mark.parametrize("happened", ["success", EXHAUSTED, None])
async def test_a_deleted_webhook_stays_as_long_as_its_deliveries_do(world, happened) -> None:
    """Whether they were delivered, have failed, or were cancelled by the deletion."""
    webhook = await world.webhook(organization="org_2")
    (answer,) = await world.accept(world.event(organization="org_2"))
    (delivery,) = answer.leased
    if happened is not None:
        await world.settle(delivery, happened)
    await _delete(world, webhook)
    await world.webhook(organization="org_2")
    await world.finish_jobs()
    other = await world.webhook()
    world.clock.advance(days=29)
    await _forget(world)
    assert await world.storage.delivery("org_2", delivery.id) is not None
    assert await _exists(world, webhook)
    await _push_out(world, "org_2")
    world.clock.advance(days=3)
    await _forget(world)
    assert await world.storage.delivery("org_2", delivery.id) is None
    world.clock.advance(days=1)
    await _forget(world)
    assert not await _exists(world, webhook)
    assert await _exists(world, other)


async def _push_out(world, organization: str) -> None:
    """Make 500 newer attempts: those are kept whatever their age."""
    answers = await world.accept(*(world.event(organization=organization) for _ in range(500)))
    await world.storage.settle([world.settlement(answer.leased[0]) for answer in answers])


async def test_what_is_pending_for_a_deleted_webhook_keeps_it_until_the_job_is_through(
    world,
) -> None:
    webhook = await world.webhook()
    await world.accept(lease=None)
    await _delete(world, webhook)
    await world.webhook()
    world.clock.advance(days=2)
    await _forget(world)
    assert await _exists(world, webhook)


@pytest.mark.thorough
async def test_the_number_of_a_removed_webhook_is_never_given_out_again(world) -> None:
    """Deliveries' ids end with it."""
    first = await world.webhook()
    last = await world.webhook()
    delivered = [one.id for one in (await world.accept())[0].leased]
    numbers = {id_[-4:] for id_ in delivered}
    for webhook in (first, last):
        await _delete(world, webhook)
    await world.finish_jobs()
    await _push_out_all(world)
    assert not await _exists(world, first)
    await world.webhook()
    (answer,) = await world.accept()
    (new,) = answer.leased
    assert new.id[-4:] not in numbers


async def _push_out_all(world) -> None:
    for _ in range(2):
        world.clock.advance(days=32)
        await _forget(world)


async def test_no_change_is_missed_because_the_last_changed_webhook_was_removed(world) -> None:
    other = await world.webhook()
    webhook = await world.webhook()
    await world.webhook()
    await world.storage.changed_webhooks(0)
    await _delete(world, webhook)
    await world.finish_jobs()
    mark, _ = await world.storage.changed_webhooks(0)
    await _push_out_all(world)
    await world.change(other, status="paused")
    _, changed = await world.storage.changed_webhooks(mark)
    assert changed == [other.id]


async def test_what_a_deleted_webhook_had_waiting_is_listed_until_and_after_the_job(world) -> None:
    webhook = await world.webhook()
    await world.accept(lease=None)
    (waiting,) = (await world.storage.deliveries(DeliveryFilter(organization="org_1"))).items
    await _delete(world, webhook)
    for _ in range(2):
        for query in ({}, {"status": "cancelled"}, {"webhook": webhook.id}):
            page = await world.storage.deliveries(DeliveryFilter(organization="org_1", **query))
            assert [one.status for one in page.items] == ["cancelled"]
        event = await world.storage.event("org_1", waiting.event_id)
        assert [one.status for one in event.deliveries] == ["cancelled"]
        await world.finish_jobs()


async def test_a_replay_counts_what_was_deleted_since_it_was_asked_for(world) -> None:
    webhook = await world.webhook()
    await world.settle(await world.leased(), EXHAUSTED)
    world.clock.advance(seconds=10)
    asked_at = world.clock.ms
    world.clock.advance(seconds=10)
    await _delete(world, webhook)
    await world.finish_jobs()
    query = ReplayFilter(organization="org_1", asked_at=asked_at)
    assert await world.storage.replay_many(query, dry_run=True) == 1
    now = ReplayFilter(organization="org_1")
    assert await world.storage.replay_many(now, dry_run=True) == 0
