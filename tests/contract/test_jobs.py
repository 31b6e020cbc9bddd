"""Storage.run_job_slice, replay and replay_many."""

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY
from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.storage.road_values import LeaseTerms
from winnerr_webhooks.storage.values import ReplayFilter


async def _failed(world, count: int = 1, **options):
    deliveries = [await world.leased(**options) for _ in range(count)]
    await world.storage.settle([world.settlement(one, EXHAUSTED) for one in deliveries])
    return deliveries


async def test_without_a_job_there_is_nothing_to_do(world) -> None:
    assert not await world.storage.run_job_slice()


async def test_pausing_cancels_everything_that_waits(world) -> None:
    webhook = await world.webhook("contact.created")
    other = await world.webhook("contact.created")
    (answer,) = await world.accept()
    await world.accept(lease=None)
    await world.change(webhook, status="paused")
    of = {one.webhook_id: one for one in answer.leased}
    assert await world.status(of[webhook.id]) == states.CANCELLED
    assert await world.finish_jobs() > 0
    assert await world.status(of[webhook.id]) == states.CANCELLED
    assert (await world.delivery(of[webhook.id])).next_attempt_at is None
    assert await world.status(of[other.id]) == states.PENDING


async def test_a_slice_is_at_most_1000_rows_and_jobs_survive(world) -> None:
    webhook = await world.webhook()
    await world.accept(*(world.event() for _ in range(2_100)), lease=None)
    await world.change(webhook, status="paused")
    assert (await world.storage.figures()).jobs == 1
    left = []
    while await world.storage.run_job_slice():
        left.append((await world.storage.figures()).pending)
    assert left == [1_100, 100, 0]
    assert (await world.storage.figures()).jobs == 0


async def test_jobs_take_turns_so_that_a_huge_one_starves_no_other(world) -> None:
    huge, small = await world.webhook("deal.created"), await world.webhook("contact.created")
    await world.accept(*(world.event("deal.created") for _ in range(3_000)), lease=None)
    (answer,) = await world.accept()
    await world.change(huge, status="paused")
    await world.change(small, status="paused")
    for _ in range(2):
        await world.storage.run_job_slice()
    figures = await world.storage.figures()
    assert (figures.jobs, figures.pending) == (1, 2_000)
    assert await world.status(answer.leased[0]) == states.CANCELLED


async def test_what_a_pause_cancelled_can_be_recovered_on_becoming_active(world) -> None:
    """Also what the cancelling had not written down yet, and what came during the pause."""
    webhook = await world.webhook()
    leased = await world.leased()
    failed, *_ = await _failed(world)
    await world.accept(*(world.event() for _ in range(3)), lease=None)
    await world.change(webhook, status="paused")
    await world.accept(world.event())
    await world.change(webhook, status="active", replay_cancelled=True)
    await world.finish_jobs()
    claimed = await world.claim()
    assert len(claimed) == 5
    assert {(one.trigger, one.retries_used) for one in claimed} == {("automatic", 0)}
    assert leased.id in {one.id for one in claimed}
    assert failed.id not in {one.id for one in claimed}
    await world.storage.settle([world.settlement(one) for one in claimed])
    assert set(await world.statuses(claimed)) == {states.DELIVERED}


async def test_pausing_ends_waiting_replays_and_keeps_the_outcome(world) -> None:
    webhook = await world.webhook()
    (delivery,) = await _failed(world)
    await world.storage.replay("org_1", delivery.id)
    await world.change(webhook, status="paused")
    await world.finish_jobs()
    await world.change(webhook, status="active")
    assert await world.claim() == []
    assert await world.status(delivery) == states.FAILED
    await world.storage.replay("org_1", delivery.id)
    assert len(await world.claim()) == 1


async def test_a_replay_asked_for_after_a_pause_outlives_the_cancelling(world) -> None:
    webhook = await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, RETRY, retry_in=60)
    await world.change(webhook, status="paused")
    await world.change(webhook, status="active")
    await world.storage.replay("org_1", delivery.id)
    await world.finish_jobs()
    assert await world.status(delivery) == states.CANCELLED
    (replay,) = await world.claim()
    await world.settle(replay, EXHAUSTED)
    assert await world.status(delivery) == states.CANCELLED
    world.clock.advance(days=1)
    assert await world.claim() == []


async def test_deleting_cancels_tests_too(world) -> None:
    webhook = await world.webhook()
    await world.storage.send_test(world.event(), webhook.id, None)
    await world.storage.delete_webhook("org_1", webhook.id)
    assert await world.claim() == []
    await world.finish_jobs()
    assert (await world.storage.figures()).pending == 0


# --- one replay -----------------------------------------------------------------------------------


async def test_a_replay_names_its_webhook(world) -> None:
    webhook = await world.webhook()
    (delivery,) = await _failed(world)
    assert await world.storage.replay("org_1", delivery.id) == webhook.id


@pytest.mark.parametrize("id_", ["", "dlv_", "dlv_!!!!", "dlv_" + "0" * 30, "x" * 300])
async def test_replaying_the_unknown_is_not_found(world, id_) -> None:
    await world.webhook()
    with pytest.raises(NotFound):
        await world.storage.replay("org_1", id_)


async def test_replaying_anothers_delivery_is_not_found(world) -> None:
    await world.webhook()
    await world.webhook(organization="org_2")
    (delivery,) = await _failed(world)
    with pytest.raises(NotFound):
        await world.storage.replay("org_2", delivery.id)


@pytest.mark.parametrize(
    ("how", "says"), [("paused", "paused"), ("410", "disabled"), ("deleted", "deleted")]
)
async def test_a_webhook_that_is_not_active_is_not_replayed(world, how, says) -> None:
    webhook = await world.webhook()
    (delivery,) = await _failed(world)
    if how == "410":
        await world.settle(await world.leased(), EXHAUSTED, disable="gone")
    elif how == "deleted":
        await world.storage.delete_webhook("org_1", webhook.id)
    else:
        await world.change(webhook, status=how)
    with pytest.raises(Conflict, match=says):
        await world.storage.replay("org_1", delivery.id)


async def test_a_test_is_replayed_as_a_replay(world) -> None:
    webhook = await world.webhook()
    answer = await world.storage.send_test(world.event(), webhook.id, LeaseTerms(seconds=60))
    await world.settle(answer.leased[0], EXHAUSTED)
    await world.storage.replay("org_1", answer.leased[0].id)
    (replay,) = await world.claim()
    assert (replay.trigger, replay.attempt) == ("replay", 2)
    assert await world.storage.health("org_1", 0) == []


# --- many -----------------------------------------------------------------------------------------


async def test_replaying_many_takes_failed_and_cancelled_ones_of_active_webhooks(world) -> None:
    active = await world.webhook("contact.created")
    paused = await world.webhook("deal.created")
    failed = await _failed(world, 2)
    await _failed(world, 2, name="deal.created")
    delivered = await world.leased()
    await world.settle(delivered)
    await world.leased()
    await world.change(paused, status="paused")
    await world.change(active, status="paused")
    (missed,) = await world.accept()
    await world.finish_jobs()
    await world.change(active, status="active")
    query = ReplayFilter(organization="org_1")
    assert missed.deliveries == 0
    assert await world.storage.replay_many(query, dry_run=True) == 4
    assert not await world.storage.run_job_slice()
    assert await world.storage.replay_many(query, dry_run=False) == 4
    await world.finish_jobs()
    claimed = await world.claim()
    assert len(claimed) == 4
    assert {one.id for one in failed} < {one.id for one in claimed}
    assert {one.webhook_id for one in claimed} == {active.id}


async def test_replaying_many_takes_filters(world) -> None:
    one = await world.webhook("contact.created")
    two = await world.webhook("deal.created")
    await _failed(world)
    world.clock.advance(seconds=10)
    middle = world.clock.ms
    await _failed(world)
    world.clock.advance(seconds=10)
    await _failed(world, name="deal.created")
    count = world.storage.replay_many

    async def of(**fields) -> int:
        return await count(ReplayFilter(organization="org_1", **fields), dry_run=True)

    assert await of() == 3
    assert await of(webhook=one.id) == 2
    assert await of(webhook=two.id) == 1
    assert await of(event="deal.created") == 1
    assert await of(since=middle) == 2
    assert await of(until=middle) == 1
    assert await of(since=middle, until=middle + 1) == 1
    assert await of(failed_only=True) == 3
    assert await of(cancelled_only=True) == 0
    assert await count(ReplayFilter(organization="org_2"), dry_run=True) == 0
    await count(ReplayFilter(organization="org_1", since=middle, until=middle + 1), dry_run=False)
    await world.finish_jobs()
    assert len(await world.claim()) == 1


async def test_what_fails_after_the_request_is_not_replayed_by_it(world) -> None:
    await world.webhook()
    early = await world.leased()
    await _failed(world)
    await world.storage.replay_many(ReplayFilter(organization="org_1"), dry_run=False)
    world.clock.advance(seconds=1)
    await world.settle(early, EXHAUSTED)
    await world.finish_jobs()
    assert len(await world.claim()) == 1


async def test_a_replay_of_many_skips_webhooks_not_active_by_then(world) -> None:
    webhook = await world.webhook()
    await _failed(world)
    await world.storage.replay_many(ReplayFilter(organization="org_1"), dry_run=False)
    await world.change(webhook, status="paused")
    await world.finish_jobs()
    await world.change(webhook, status="active")
    assert await world.claim() == []


async def _begun(world) -> ReplayFilter:
    """Replay all that failed or was cancelled; what asks how many of it are not delivered."""
    query = ReplayFilter(organization="org_1", asked_at=world.clock.ms)
    await world.storage.replay_many(query, dry_run=False)
    world.clock.advance(seconds=1)
    return query


@pytest.mark.parametrize("how", ["paused", "410", "deleted"])
async def test_of_a_webhook_stopped_since_what_was_to_be_replayed_is_not_delivered(
    world, how
) -> None:
    before = await world.webhook("deal.created")
    await _failed(world, 3, name="deal.created")
    await world.change(before, status="paused")
    world.clock.advance(seconds=2)
    webhook = await world.webhook("contact.created")
    late = await world.leased()
    await _failed(world, 2)
    query = await _begun(world)
    left = [await world.storage.replay_many(query, dry_run=True)]
    if how == "410":
        await world.settle(late, EXHAUSTED, disable="gone")
    elif how == "deleted":
        await world.storage.delete_webhook("org_1", webhook.id)
    else:
        await world.change(webhook, status=how)
    left.append(await world.storage.replay_many(query, dry_run=True))
    await world.finish_jobs()
    left.append(await world.storage.replay_many(query, dry_run=True))
    assert left == [2, 2, 2]
    assert await world.storage.replay_many(ReplayFilter(organization="org_1"), dry_run=True) == 0


async def test_what_fails_once_it_was_asked_for_is_no_part_of_a_replay_but_what_fails_again_is(
    world,
) -> None:
    webhook = await world.webhook()
    early = await world.leased()
    await _failed(world, 3)
    await world.leased()
    query = await _begun(world)
    await world.settle(early, EXHAUSTED)
    await world.finish_jobs()
    again, delivered, _ = await world.claim()
    await world.settle(again, EXHAUSTED)
    await world.settle(delivered)
    assert await world.storage.replay_many(query, dry_run=True) == 2
    await world.change(webhook, status="paused")  # which cancels the one that waits
    assert await world.storage.replay_many(query, dry_run=True) == 2
    await world.finish_jobs()
    assert await world.storage.replay_many(query, dry_run=True) == 2


async def test_what_was_cancelled_before_is_part_of_a_replay_though_no_job_has_written_it(
    world,
) -> None:
    webhook = await world.webhook()
    await world.leased()
    await world.change(webhook, status="paused")
    await world.change(webhook, status="active")
    await world.leased()
    query = await _begun(world)
    await world.change(webhook, status="paused")
    assert await world.storage.replay_many(query, dry_run=True) == 1
    await world.finish_jobs()
    assert await world.storage.replay_many(query, dry_run=True) == 1


async def test_what_failed_after_the_time_it_is_asked_for_as_of_is_not_replayed(world) -> None:
    await world.webhook()
    await _failed(world)
    query = ReplayFilter(organization="org_1", asked_at=world.clock.ms)
    world.clock.advance(seconds=1)
    await _failed(world)
    assert await world.storage.replay_many(query, dry_run=False) == 1
    await world.finish_jobs()
    assert len(await world.claim()) == 1


async def test_the_progress_of_a_replay_tells_what_waits_from_what_failed_again(world) -> None:
    webhook = await world.webhook()
    await _failed(world, 4)
    query = await _begun(world)

    async def progress() -> tuple[int, int, int]:
        found = await world.storage.replay_progress(query)
        return found.undelivered, found.waiting, found.failed_again

    assert await progress() == (4, 4, 0)  # the job has not begun
    await world.finish_jobs()
    assert await progress() == (4, 4, 0)
    claimed = await world.claim()
    assert await progress() == (4, 4, 0)
    await world.settle(claimed[0])
    await world.settle(claimed[1], EXHAUSTED)
    await world.settle(claimed[2], RETRY)
    assert await progress() == (3, 1, 2)
    await world.change(webhook, status="paused")
    assert await progress() == (3, 0, 2)
    await world.finish_jobs()
    assert await progress() == (3, 0, 2)


async def test_a_replay_of_many_goes_on_slice_by_slice(world) -> None:
    await world.webhook()
    answers = await world.accept(*(world.event() for _ in range(1_500)))
    await world.storage.settle([world.settlement(one.leased[0], EXHAUSTED) for one in answers])
    count = await world.storage.replay_many(ReplayFilter(organization="org_1"), dry_run=False)
    assert (count, await world.finish_jobs()) == (1_500, 2)
    assert len(await world.claim(limit=2_000, room=2_000)) == 1_500
