"""A replay that is asked for while its delivery is settled, claimed or replayed elsewhere."""

import asyncio

import pytest
from tests.unit.storage.postgres.two_nodes import blocked, settling, under_way

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY
from winnerr_webhooks.storage.postgres import postgres_claim
from winnerr_webhooks.storage.road_values import Claim
from winnerr_webhooks.storage.values import DeliveryFilter


async def _failed(world, **options):
    delivery = await world.leased(**options)
    await world.settle(delivery, EXHAUSTED)
    return delivery


@pytest.mark.parametrize("happened", [RETRY, EXHAUSTED])
async def test_a_replay_asked_for_while_its_attempt_is_settled_is_kept(worlds, happened) -> None:
    one, other = worlds
    await one.webhook()
    delivery = await one.leased()
    failed = one.settlement(delivery, happened)
    async with under_way(one.storage, settling(one, failed)):
        asked = await blocked(other.storage, other.storage.replay("org_1", delivery.id))
    await asked
    (replay,) = await other.claim()
    assert (replay.trigger, replay.attempt) == ("replay", 2)


async def test_a_replay_asked_for_while_its_success_is_settled_comes_after_it(worlds) -> None:
    one, other = worlds
    await one.webhook()
    delivery = await one.leased()
    async with under_way(one.storage, settling(one, one.settlement(delivery))):
        asked = await blocked(other.storage, other.storage.replay("org_1", delivery.id))
    await asked
    (replay,) = await other.claim()
    assert (replay.trigger, replay.attempt, replay.lease > delivery.lease) == ("replay", 2, True)
    assert await one.status(delivery) == states.DELIVERED


async def test_a_replay_asked_for_during_a_claim_follows_the_attempt_it_took(worlds) -> None:
    one, other = worlds
    webhook = await one.webhook()
    await one.accept(lease=None)
    terms = Claim(lease_seconds=60, limits={webhook.id: 10}, max_bytes=1 << 20)
    (made,) = (
        await one.storage.deliveries(DeliveryFilter(organization="org_1", webhook=webhook.id))
    ).items
    async with under_way(
        one.storage,
        lambda db: postgres_claim.claim(
            db, terms, one.clock.monotonic() + 60, one.clock.ms, one.clock.monotonic()
        ),
    ) as done:
        (taken,) = done.result().deliveries
        asked = await blocked(other.storage, other.storage.replay("org_1", made.id))
    await asked
    assert await other.claim() == []
    await one.settle(taken, RETRY, retry_in=3600)
    (replay,) = await other.claim()
    assert (replay.id, replay.trigger, replay.attempt) == (taken.id, "replay", 2)


async def test_replays_asked_for_by_two_nodes_at_once_are_one_row(worlds) -> None:
    one, other = worlds
    await one.webhook()
    delivery = await _failed(one)
    await asyncio.gather(*(world.storage.replay("org_1", delivery.id) for world in worlds * 3))
    (replay,) = await other.claim()
    await other.settle(replay)
    assert await one.claim() == []
    assert await one.status(delivery) == states.DELIVERED
