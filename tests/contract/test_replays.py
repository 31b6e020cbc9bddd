"""Storage.replay: one delivery again, beside its retries, leases and attempts."""

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import EXHAUSTED, MAX_IDLE_LEASES, REPLAY_FAILED, RETRY


async def test_a_failed_replay_of_a_waiting_delivery_leaves_its_schedule(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, RETRY, retry_in=60)
    retry_at = world.clock.ms + 60_000
    await world.storage.replay("org_1", delivery.id)
    (replay,) = await world.claim()
    assert (replay.trigger, replay.attempt, replay.retries_used) == ("replay", 2, 1)
    await world.settle(replay, REPLAY_FAILED)
    seen = await world.delivery(delivery)
    assert (seen.status, seen.next_attempt_at) == (states.PENDING, retry_at)
    assert await world.claim() == []
    world.clock.ms = retry_at
    (retry,) = await world.claim()
    assert (retry.trigger, retry.attempt, retry.retries_used) == ("automatic", 3, 1)


async def test_a_successful_replay_ends_the_retries(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, RETRY, retry_in=60)
    await world.storage.replay("org_1", delivery.id)
    (replay,) = await world.claim()
    await world.settle(replay)
    assert await world.status(delivery) == states.DELIVERED
    world.clock.advance(days=1)
    assert await world.claim() == []


@pytest.mark.parametrize("happened", [states.SUCCESS, RETRY, EXHAUSTED])
async def test_a_delivery_being_attempted_is_replayed_after_that_attempt(world, happened) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.storage.replay("org_1", delivery.id)
    assert await world.claim() == []
    await world.settle(delivery, happened)
    (replay,) = await world.claim()
    assert (replay.trigger, replay.attempt) == ("replay", 2)
    await world.settle(replay, REPLAY_FAILED)
    assert await world.status(delivery) == states.next_state(states.PENDING, happened)
    assert await world.claim() == []


async def test_a_replay_asked_for_while_a_replay_runs_is_not_lost_with_it(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, EXHAUSTED)
    await world.storage.replay("org_1", delivery.id)
    (first,) = await world.claim()
    await world.storage.replay("org_1", delivery.id)
    await world.settle(first, REPLAY_FAILED)
    (second,) = await world.claim()
    assert (second.trigger, second.attempt) == ("replay", 3)
    await world.settle(second, REPLAY_FAILED)
    assert await world.claim() == []
    assert len((await world.delivery(delivery)).attempts) == 3


async def test_replays_asked_for_twice_before_one_starts_are_one(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, EXHAUSTED)
    await world.storage.replay("org_1", delivery.id)
    await world.storage.replay("org_1", delivery.id)
    (only,) = await world.claim()
    await world.settle(only, REPLAY_FAILED)
    assert await world.claim() == []


async def test_an_old_lease_does_not_come_back_to_life_with_a_replay(world) -> None:
    """The fence goes on counting when a finished delivery is replayed."""
    await world.webhook()
    first = await world.leased()
    world.clock.advance(seconds=61)
    await world.storage.repair()
    (second,) = await world.claim()
    await world.settle(second, EXHAUSTED)
    await world.storage.replay("org_1", first.id)
    (replay,) = await world.claim()
    assert replay.lease > second.lease
    await world.settle(first, EXHAUSTED)
    await world.settle(replay)
    assert await world.status(first) == states.DELIVERED
    assert len((await world.delivery(first)).attempts) == 3


async def test_a_late_success_does_not_lose_a_replay_asked_for_since(world) -> None:
    await world.webhook()
    first = await world.leased()
    world.clock.advance(seconds=61)
    await world.storage.repair()
    (second,) = await world.claim()
    await world.storage.replay("org_1", first.id)
    await world.settle(first)
    await world.settle(second, RETRY)
    assert await world.status(first) == states.DELIVERED
    (replay,) = await world.claim()
    assert replay.trigger == "replay"


async def test_a_replay_survives_a_crash_and_is_given_up_like_any_other(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, EXHAUSTED)
    await world.storage.replay("org_1", delivery.id)
    (replay,) = await world.claim()
    counted = 0
    if not await world.storage.recover():  # one of several: its lease runs out, and counts
        await world.let_leases_run_out()
        counted = 1
    for _ in range(MAX_IDLE_LEASES - counted):
        (replay,) = await world.claim()
        assert replay.trigger == "replay"
        await world.let_leases_run_out()
    assert await world.claim() == []
    assert await world.status(delivery) == states.FAILED


async def test_an_attempt_from_before_a_pause_does_not_use_up_a_replay_asked_for_after_it(
    world,
) -> None:
    webhook = await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, EXHAUSTED)
    await world.storage.replay("org_1", delivery.id)
    (old,) = await world.claim()
    await world.change(webhook, status="paused")
    await world.finish_jobs()
    await world.change(webhook, status="active")
    await world.storage.replay("org_1", delivery.id)
    await world.settle(old, REPLAY_FAILED)
    (replay,) = await world.claim()
    assert (replay.trigger, replay.attempt) == ("replay", 3)
