"""Storage.settle: every verdict, with the lease and without it, in every state."""

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import EXHAUSTED, REPLAY_FAILED, RETRY, SUCCESS
from winnerr_webhooks.domain.duration_classes import duration_class
from winnerr_webhooks.storage.failure_streak import FailureRules
from winnerr_webhooks.storage.road_values import LeaseTerms
from winnerr_webhooks.storage.values import ReplayFilter


async def test_a_success_makes_it_delivered(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery)
    seen = await world.delivery(delivery)
    assert (seen.status, seen.next_attempt_at) == (states.DELIVERED, None)
    assert [one.outcome for one in seen.attempts] == ["succeeded"]
    assert (await world.storage.figures()).pending == 0


async def test_a_failure_with_retries_left_waits_for_its_time(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, RETRY, retry_in=60)
    seen = await world.delivery(delivery)
    assert (seen.status, seen.next_attempt_at) == (states.PENDING, world.clock.ms + 60_000)
    world.clock.advance(seconds=59.999)
    assert await world.claim() == []
    world.clock.advance(seconds=0.001)
    (again,) = await world.claim()
    assert (again.id, again.attempt, again.retries_used) == (delivery.id, 2, 1)
    assert again.lease > delivery.lease


async def test_a_failure_without_retries_left_fails(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, EXHAUSTED)
    seen = await world.delivery(delivery)
    assert (seen.status, seen.next_attempt_at) == (states.FAILED, None)
    world.clock.advance(days=1)
    assert await world.claim() == []


async def _stale(world, delivery):
    """The lease runs out and another one takes the delivery; its new lease."""
    world.clock.advance(seconds=61)
    await world.storage.repair()
    (taken,) = await world.claim()
    assert taken.id == delivery.id
    return taken


@pytest.mark.parametrize("happened", [RETRY, EXHAUSTED])
async def test_a_late_failure_is_recorded_and_moves_nothing(world, happened) -> None:
    await world.webhook()
    delivery = await world.leased()
    current = await _stale(world, delivery)
    await world.settle(delivery, happened)
    seen = await world.delivery(delivery)
    assert seen.status == states.PENDING
    assert len(seen.attempts) == 1
    assert await world.claim() == []
    await world.settle(current, RETRY, retry_in=1)
    world.clock.advance(seconds=1)
    (again,) = await world.claim()
    assert (again.attempt, again.retries_used) == (3, 1)


async def test_a_late_success_delivers(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    current = await _stale(world, delivery)
    await world.settle(delivery)
    assert await world.status(delivery) == states.DELIVERED
    await world.settle(current, EXHAUSTED)
    seen = await world.delivery(delivery)
    assert seen.status == states.DELIVERED
    assert len(seen.attempts) == 2
    assert await world.claim() == []


async def test_a_lease_that_ran_out_is_still_the_current_one_until_taken(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    world.clock.advance(seconds=61)
    await world.storage.repair()
    await world.settle(delivery, EXHAUSTED)
    assert await world.status(delivery) == states.FAILED
    assert await world.claim() == []


@pytest.mark.parametrize("state", [states.FAILED, states.CANCELLED, states.DELIVERED])
@pytest.mark.parametrize("happened", [SUCCESS, REPLAY_FAILED])
async def test_a_replay_moves_a_settled_delivery_on_success_only(world, state, happened) -> None:
    webhook = await world.webhook()
    delivery = await world.leased()
    if state == states.CANCELLED:
        await world.change(webhook, status="paused")
        await world.finish_jobs()
        await world.change(webhook, status="active")
    else:
        await world.settle(delivery, SUCCESS if state == states.DELIVERED else EXHAUSTED)
    await world.storage.replay("org_1", delivery.id)
    assert await world.status(delivery) == state
    (replay,) = await world.claim()
    assert (replay.trigger, replay.id) == ("replay", delivery.id)
    await world.settle(replay, happened)
    assert await world.status(delivery) == states.next_state(state, happened)
    assert await world.claim() == []
    assert (await world.delivery(delivery)).next_attempt_at is None


@pytest.mark.parametrize("happened", [SUCCESS, RETRY, EXHAUSTED])
async def test_what_settles_while_its_webhook_is_paused(world, happened) -> None:
    """A late success delivers; a failure is recorded, and the delivery stays cancelled."""
    webhook = await world.webhook()
    before, after = await world.leased(), await world.leased()
    await world.change(webhook, status="paused")
    await world.settle(before, happened)
    await world.finish_jobs()
    await world.settle(after, happened)
    expected = states.DELIVERED if happened == SUCCESS else states.CANCELLED
    assert await world.statuses([before, after]) == [expected, expected]
    assert len((await world.delivery(after)).attempts) == 1
    await world.change(webhook, status="active")
    world.clock.advance(days=1)
    assert await world.claim() == []


async def test_the_same_attempt_settled_again_is_recorded_once(world) -> None:
    webhook = await world.webhook()
    first, second, third = [await world.leased() for _ in range(3)]
    batch = [world.settlement(first), world.settlement(second, EXHAUSTED)]
    await world.storage.settle(batch)
    await world.storage.settle([*batch, world.settlement(third)])
    await world.storage.settle(batch)
    for one in (first, second, third):
        assert len((await world.delivery(one)).attempts) == 1
    (bucket,) = await world.storage.health("org_1", 0)
    assert (bucket.webhook_id, bucket.succeeded, bucket.failed, bucket.exhausted) == (
        webhook.id,
        2,
        1,
        1,
    )


async def test_a_batch_may_hold_one_attempt_twice(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    one = world.settlement(delivery)
    await world.storage.settle([one, one])
    assert len((await world.delivery(delivery)).attempts) == 1


async def test_a_batch_may_hold_several_attempts_of_one_delivery(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    current = await _stale(world, delivery)
    await world.storage.settle([world.settlement(delivery), world.settlement(current, EXHAUSTED)])
    seen = await world.delivery(delivery)
    assert (seen.status, len(seen.attempts)) == (states.DELIVERED, 2)


async def test_large_batches_settle_whole(world) -> None:
    await world.webhook()
    answers = await world.accept(*(world.event() for _ in range(200)))
    deliveries = [answer.leased[0] for answer in answers]
    await world.storage.settle(
        [world.settlement(one, SUCCESS if n % 3 else RETRY) for n, one in enumerate(deliveries)]
    )
    assert (await world.storage.figures()).pending == 67


async def test_every_attempt_is_recorded_as_it_was(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    item = world.settlement(delivery, EXHAUSTED, body=b"\xff\x00no", message="503 Nope")
    await world.storage.settle([item])
    seen = await world.storage.attempt("org_1", item.record.id)
    exchange = item.record.exchange
    assert seen.timings == exchange.timings
    assert (seen.id, seen.attempt, seen.trigger, seen.outcome) == (
        item.record.id,
        1,
        "automatic",
        "failed",
    )
    assert (seen.started_at, seen.duration_ms) == (exchange.started_at, 12.5)
    assert (seen.status, seen.reason) == (503, "Service Unavailable")
    assert (seen.request_head, seen.request_body) == (item.record.request_head, delivery.body)
    assert (seen.response_head, seen.response_body) == (exchange.response_head, b"\xff\x00no")
    assert (seen.error_kind, seen.error_message, seen.url) == (
        "status",
        "503 Nope",
        item.record.url,
    )
    assert (seen.event_id, seen.delivery_id, seen.webhook_id, seen.event) == (
        delivery.event_id,
        delivery.id,
        delivery.webhook_id,
        delivery.event,
    )
    assert (seen.delivery_status, seen.next_attempt_at) == (states.FAILED, None)


async def test_an_attempt_of_a_forgotten_delivery_is_recorded(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    delivery.id = delivery.id[:-8] + "zzzz" + delivery.id[-4:]
    item = world.settlement(delivery)
    await world.storage.settle([item])
    assert (await world.storage.attempt("org_1", item.record.id)).delivery_status == "delivered"


# --- health ---------------------------------------------------------------------------------------


async def test_health_is_counted_by_five_minutes_and_duration(world) -> None:
    webhook = await world.webhook()
    start = world.clock.ms - world.clock.ms % 300_000
    for happened, ms in ((SUCCESS, 5), (SUCCESS, 5), (RETRY, 5), (EXHAUSTED, 900)):
        await world.settle(await world.leased(), happened, duration_ms=ms)
    world.clock.advance(seconds=300)
    await world.settle(await world.leased(), duration_ms=5)
    found = {
        (one.starts_at, one.duration_class): (one.succeeded, one.failed, one.exhausted)
        for one in await world.storage.health("org_1", start)
        if one.webhook_id == webhook.id
    }
    assert found == {
        (start, duration_class(5)): (2, 1, 0),
        (start, duration_class(900)): (0, 1, 1),
        (start + 300_000, duration_class(5)): (1, 0, 0),
    }
    assert len(await world.storage.health("org_1", start + 1)) == 1
    assert await world.storage.health("org_2", 0) == []


async def test_tests_are_left_out_of_health_and_of_replaying_many(world) -> None:
    webhook = await world.webhook()
    answer = await world.storage.send_test(world.event(), webhook.id, LeaseTerms(seconds=60))
    await world.settle(answer.leased[0], EXHAUSTED)
    assert await world.storage.health("org_1", 0) == []
    query = ReplayFilter(organization="org_1")
    assert await world.storage.replay_many(query, dry_run=True) == 0


# --- disabling ------------------------------------------------------------------------------------


async def test_a_410_disables_the_webhook_with_its_reason(world) -> None:
    webhook = await world.webhook()
    gone, waiting = await world.leased(), await world.leased()
    await world.settle(waiting, RETRY)
    disabled = await world.settle(gone, EXHAUSTED, status=410, disable="It answered 410 Gone.")
    assert disabled == (webhook.id,)
    seen = await world.storage.webhook("org_1", webhook.id)
    assert (seen.status, seen.status_reason) == ("disabled", "It answered 410 Gone.")
    assert seen.version > webhook.version
    assert await world.status(waiting) == states.CANCELLED
    assert await world.status(gone) == states.FAILED


async def test_a_410_from_before_an_edit_disables_nothing(world) -> None:
    webhook = await world.webhook()
    gone = await world.leased()
    await world.change(webhook, url="https://new.example.com/")
    assert await world.settle(gone, EXHAUSTED, status=410, disable="It answered 410.") == ()


async def test_a_test_never_disables(world) -> None:
    webhook = await world.webhook()
    answer = await world.storage.send_test(world.event(), webhook.id, LeaseTerms(seconds=60))
    assert await world.settle(answer.leased[0], EXHAUSTED, disable="It answered 410.") == ()


async def _fail(world, times: int, happened: str = EXHAUSTED) -> tuple[str, ...]:
    disabled: tuple[str, ...] = ()
    for _ in range(times):
        disabled += await world.settle(await world.leased(), happened)
    return disabled


async def test_days_of_nothing_but_failures_disable(make_world) -> None:
    world = await make_world(rules=FailureRules(5, 3))
    webhook = await world.webhook()
    assert await _fail(world, 5) == ()
    world.clock.advance(days=4.9)
    assert await _fail(world, 1) == ()
    world.clock.advance(days=0.1)
    assert await _fail(world, 1) == (webhook.id,)
    seen = await world.storage.webhook("org_1", webhook.id)
    assert seen.status == "disabled"
    assert "7 attempts" in seen.status_reason


async def test_few_failures_do_not_disable(make_world) -> None:
    world = await make_world(rules=FailureRules(5, 3))
    await world.webhook()
    await _fail(world, 1)
    world.clock.advance(days=9)
    assert await _fail(world, 1) == ()
    assert len(await _fail(world, 1)) == 1


async def test_a_success_ends_a_streak_of_failures(make_world) -> None:
    world = await make_world(rules=FailureRules(5, 2))
    await world.webhook()
    await _fail(world, 5)
    world.clock.advance(days=6)
    await world.settle(await world.leased())
    assert await _fail(world, 5) == ()


async def test_0_days_never_disable(make_world) -> None:
    world = await make_world(rules=FailureRules(0, 1))
    await world.webhook()
    await _fail(world, 5)
    world.clock.advance(days=100)
    assert await _fail(world, 5) == ()


async def test_becoming_active_starts_the_count_anew(make_world) -> None:
    world = await make_world(rules=FailureRules(5, 2))
    webhook = await world.webhook()
    await _fail(world, 5)
    world.clock.advance(days=6)
    assert await _fail(world, 1) == (webhook.id,)
    seen = await world.change(webhook, status="active")
    assert (seen.status, seen.status_reason) == ("active", None)
    assert await _fail(world, 5) == ()
