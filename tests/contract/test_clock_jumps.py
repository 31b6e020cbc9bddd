"""A clock that was wrong for a while: what it noted is put right, and nobody is disabled for it."""

import pytest

from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY
from winnerr_webhooks.domain.retry import longest_waits
from winnerr_webhooks.storage.failure_streak import FailureRules

DAY_MS = 86_400_000
HOUR = 3_600


async def test_a_forward_jump_disables_no_webhook(make_world) -> None:
    """Days count as they pass, before the jump and after it."""
    world = await make_world(rules=FailureRules(5, 3))
    webhook = await world.webhook()
    for _ in range(5):
        assert await world.settle(await world.leased(), EXHAUSTED) == ()
    world.clock.advance(days=2)
    world.clock.ahead_ms = 30 * DAY_MS
    assert await world.settle(await world.leased(), EXHAUSTED) == ()
    world.clock.advance(days=2.9)
    assert await world.settle(await world.leased(), EXHAUSTED) == ()
    world.clock.advance(days=0.1)
    assert await world.settle(await world.leased(), EXHAUSTED) == (webhook.id,)


async def test_the_oldest_pending_deliverys_age_is_never_negative(make_world) -> None:
    world = await make_world()
    await world.webhook()
    world.clock.ahead_ms = DAY_MS
    await world.accept(lease=None)
    await world.storage.close()
    world.clock.ahead_ms = 0
    again = await make_world()
    figures = await again.storage.figures()
    assert (figures.pending, figures.oldest_pending_age) == (1, 0.0)


@pytest.mark.parametrize("adapter", ["sqlite"], indirect=True)
async def test_after_a_restart_nothing_waits_longer_than_the_schedule_allows(make_world) -> None:
    """Given a clock a day ahead, set right while the service is stopped.

    Then a new event is due at once, a retry after its step of the schedule or an hour, whichever
    is longer: that is the most a Retry-After may ask for.
    """
    schedule = (60.0, 7_200.0)
    world = await make_world()
    await world.webhook()
    world.clock.ahead_ms = DAY_MS
    twice = await world.leased()
    await world.settle(twice, RETRY, retry_in=60)
    world.clock.advance(seconds=60)
    (second,) = await world.claim()
    await world.settle(second, RETRY, retry_in=7_200)
    once = await world.leased()
    await world.settle(once, RETRY, retry_in=60)
    (new,) = await world.accept(lease=None)
    await world.storage.close()

    world.clock.ahead_ms = 0
    world = await make_world()
    await world.storage.recover(longest_waits(schedule))
    assert [one.event_id for one in await world.claim()] == [new.id]
    world.clock.advance(seconds=HOUR)
    assert [one.id for one in await world.claim()] == [once.id]
    world.clock.advance(seconds=2 * HOUR * 1.2 - HOUR)
    assert [one.id for one in await world.claim()] == [twice.id]


@pytest.mark.parametrize("adapter", ["sqlite"], indirect=True)
async def test_a_restart_measures_a_wait_by_the_webhooks_own_schedule(make_world) -> None:
    """A wait of 7 days stays as it is, and one that only the clock made longer is shortened."""
    world = await make_world()
    for schedule in ((7 * 86_400.0,), "long", "standard"):
        await world.webhook(retry_schedule=schedule)
    (answer,) = await world.accept()
    for delivery in answer.leased:
        await world.settle(delivery, RETRY, retry_in=7 * 86_400)
    await world.storage.recover(longest_waits((60.0,)))
    waits = [
        ((await world.delivery(one)).next_attempt_at - world.clock.ms) / 1000
        for one in answer.leased
    ]
    assert waits == [7 * 86_400, HOUR, HOUR]


@pytest.mark.parametrize("adapter", ["sqlite"], indirect=True)
async def test_a_retry_that_waits_as_it_should_keeps_its_time(make_world) -> None:
    world = await make_world()
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, RETRY, retry_in=60)
    await world.storage.recover(longest_waits((60.0,)))
    assert await world.claim() == []
    world.clock.advance(seconds=60)
    assert [one.id for one in await world.claim()] == [delivery.id]
