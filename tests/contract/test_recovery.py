"""Storage.plan_recovery, recover_since, jobs, job and cancel_job."""

import asyncio

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


async def _recover(world, webhook, *, since: int | None = None, until: int | None = None) -> str:
    """Start a recovery as `management.recoveries` does; return the job's id."""
    query = ReplayFilter(
        organization="org_1",
        webhook=webhook.id,
        since=world.clock.ms - 86_400_000 if since is None else since,
        until=until,
    )
    plan = await world.storage.plan_recovery(query)
    job = world.ids.new("job")
    await world.storage.recover_since(query, job, plan.count)
    return job


async def _figures(world, job: str) -> tuple[int, int, int, dict[str, int]]:
    report = await world.storage.job("org_1", job)
    return report.to_come, report.delivered, report.failed_again, report.not_sent


async def test_a_recovered_delivery_has_its_whole_retry_schedule_anew(world) -> None:
    webhook = await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, RETRY, retry_in=60)
    world.clock.advance(seconds=60)
    (again,) = await world.claim()
    await world.settle(again, EXHAUSTED)
    job = await _recover(world, webhook)
    assert await _figures(world, job) == (1, 0, 0, {})
    assert await world.status(delivery) == states.FAILED
    await world.finish_jobs()
    assert await world.status(delivery) == states.PENDING
    (first,) = await world.claim()
    assert (first.id, first.trigger, first.attempt, first.retries_used) == (
        delivery.id,
        "automatic",
        3,
        0,
    )
    await world.settle(first, RETRY, retry_in=60)
    assert await world.claim() == []
    world.clock.advance(seconds=60)
    (second,) = await world.claim()
    assert (second.attempt, second.retries_used) == (4, 1)
    assert await _figures(world, job) == (1, 0, 0, {})
    await world.settle(second)
    assert await world.status(delivery) == states.DELIVERED
    assert await _figures(world, job) == (0, 1, 0, {})
    assert (await world.storage.job("org_1", job)).status == "done"


async def test_a_plan_counts_what_is_missing_and_what_arrived_since_a_time(world) -> None:
    webhook = await world.webhook("contact.created")
    await world.webhook("deal.created")
    await _failed(world)
    world.clock.advance(days=1)
    since = world.clock.ms
    await _failed(world, 2)
    await _failed(world, 3, name="deal.created")
    for _ in range(4):
        await world.settle(await world.leased())
    await world.leased()  # it is still being tried
    query = ReplayFilter(organization="org_1", webhook=webhook.id, since=since)
    plan = await world.storage.plan_recovery(query)
    assert (plan.count, plan.arrived, plan.arrived_is_partial) == (2, 4, False)
    assert not await world.storage.run_job_slice()
    job = await _recover(world, webhook, since=since)
    await world.finish_jobs()
    assert len(await world.claim()) == 2
    assert await _figures(world, job) == (2, 0, 0, {})


async def test_a_recovery_takes_failed_and_cancelled_ones_and_leaves_the_rest(world) -> None:
    webhook = await world.webhook()
    failed, *_ = await _failed(world)
    delivered, retried = await world.leased(), await world.leased()
    await world.settle(delivered)
    await world.settle(retried, RETRY, retry_in=3_600)
    test = await world.storage.send_test(world.event(), webhook.id, LeaseTerms(seconds=60))
    await world.settle(test.leased[0], EXHAUSTED)
    await world.change(webhook, status="paused")
    (missed,) = await world.accept()
    await world.finish_jobs()
    await world.change(webhook, status="active")
    later = await world.leased()
    job = await _recover(world, webhook)
    world.clock.advance(seconds=1)
    await world.settle(later, EXHAUSTED)  # after the recovery was requested: no part of it
    await world.finish_jobs()
    claimed = await world.claim()
    assert missed.deliveries == 0
    assert len(claimed) == 3  # the failed one, the retried one that the pause cancelled, the missed
    assert {failed.id, retried.id} < {one.id for one in claimed}
    assert await world.status(delivered) == states.DELIVERED
    assert await _figures(world, job) == (3, 0, 0, {})


async def test_each_delivery_is_counted_once_as_it_ends(world) -> None:
    webhook = await world.webhook()
    await _failed(world, 3)
    job = await _recover(world, webhook)
    await world.finish_jobs()
    good, bad, late = await world.claim()
    await world.storage.settle(
        [world.settlement(good), world.settlement(bad, EXHAUSTED), world.settlement(late, RETRY)]
    )
    assert await _figures(world, job) == (1, 1, 1, {})
    await world.storage.replay("org_1", bad.id)
    (replay,) = await world.claim()
    await world.settle(replay)
    assert await _figures(world, job) == (1, 1, 1, {})


async def test_settling_a_batch_again_counts_nothing_twice(world) -> None:
    webhook = await world.webhook()
    await _failed(world, 2)
    job = await _recover(world, webhook)
    await world.finish_jobs()
    one, two = await world.claim()
    batch = [world.settlement(one), world.settlement(two, EXHAUSTED)]
    await world.storage.settle(batch)
    await world.storage.settle(batch)
    assert await _figures(world, job) == (0, 1, 1, {})


@pytest.mark.parametrize("subscribed", [("contact.created",), ("contact.*",)])
async def test_what_is_no_longer_subscribed_to_is_not_sent(world, subscribed) -> None:
    webhook = await world.webhook("contact.created", "deal.created")
    kept, *_ = await _failed(world)
    dropped, *_ = await _failed(world, name="deal.created")
    await world.change(webhook, events=subscribed)
    job = await _recover(world, webhook)
    await world.finish_jobs()
    assert [one.id for one in await world.claim()] == [kept.id]
    assert await world.status(dropped) == states.FAILED
    assert await _figures(world, job) == (1, 0, 0, {"unsubscribed": 1})


@pytest.mark.parametrize("how", ["paused", "disabled", "deleted"])
@pytest.mark.parametrize("when", ["before it is collected", "after"])
async def test_a_webhook_that_stops_meanwhile_says_so_in_the_figures(world, how, when) -> None:
    webhook = await world.webhook()
    open_one = await world.leased()
    await _failed(world, 3)
    job = await _recover(world, webhook)
    if when == "after":
        await world.finish_jobs()
        (first, *_) = await world.claim(limit=1)
        await world.settle(first)
    if how == "disabled":
        await world.settle(open_one, EXHAUSTED, disable="gone")
    elif how == "deleted":
        await world.storage.delete_webhook("org_1", webhook.id)
    else:
        await world.change(webhook, status="paused")
    await world.finish_jobs()
    delivered = int(when == "after")
    assert await _figures(world, job) == (0, delivered, 0, {how: 3 - delivered})


async def test_an_attempt_in_flight_when_the_webhook_was_paused_still_counts(world) -> None:
    webhook = await world.webhook()
    await _failed(world, 3)
    job = await _recover(world, webhook)
    await world.finish_jobs()
    good, bad, _ = await world.claim()
    await world.change(webhook, status="paused")
    await world.settle(good)  # before the pause is written down
    await world.finish_jobs()
    await world.settle(bad, EXHAUSTED)  # and after
    assert await _figures(world, job) == (0, 1, 0, {"paused": 2})


async def test_a_success_that_comes_late_corrects_the_figures(world) -> None:
    webhook = await world.webhook()
    await _failed(world, 2)
    job = await _recover(world, webhook)
    await world.finish_jobs()
    good, _ = await world.claim()
    await world.change(webhook, status="paused")
    await world.finish_jobs()
    assert await _figures(world, job) == (0, 0, 0, {"paused": 2})
    await world.settle(good)
    assert await _figures(world, job) == (0, 1, 0, {"paused": 1})


async def test_cancelling_stops_what_is_not_sent_and_says_what_was(world) -> None:
    webhook = await world.webhook()
    await _failed(world, 4)
    other = await world.leased()
    job = await _recover(world, webhook)
    await world.finish_jobs()
    delivered, failed, in_flight, free = await world.claim(limit=4)
    await world.settle(delivered)
    await world.settle(failed, EXHAUSTED)
    await world.storage.release([free])
    cancelled = await world.storage.cancel_job("org_1", job)
    assert cancelled.status == "cancelled"
    await world.finish_jobs()
    assert await _figures(world, job) == (0, 1, 1, {"stopped": 2})
    await world.settle(in_flight)
    assert await _figures(world, job) == (0, 2, 1, {"stopped": 1})
    assert await world.status(free) == states.CANCELLED
    assert await world.status(other) == states.PENDING
    assert (await world.storage.cancel_job("org_1", job)).not_sent == {"stopped": 1}
    again = await _recover(world, webhook)
    await world.finish_jobs()
    assert {one.id for one in await world.claim()} == {failed.id, free.id}
    assert await _figures(world, again) == (2, 0, 0, {})


async def test_cancelling_before_all_is_collected_ends_the_collecting(world) -> None:
    webhook = await world.webhook()
    answers = await world.accept(*(world.event() for _ in range(1_500)))
    await world.storage.settle([world.settlement(one.leased[0], EXHAUSTED) for one in answers])
    job = await _recover(world, webhook)
    assert await world.storage.run_job_slice()
    assert (await world.storage.job("org_1", job)).collecting
    await world.storage.cancel_job("org_1", job)
    await world.finish_jobs()
    assert await world.claim(limit=2_000, room=2_000) == []
    assert await _figures(world, job) == (0, 0, 0, {"stopped": 1_500})
    assert (await world.storage.figures()).jobs == 0


async def test_a_second_recovery_waits_until_the_first_has_collected(world) -> None:
    webhook = await world.webhook()
    await _failed(world, 2)
    first = await _recover(world, webhook)
    with pytest.raises(Conflict, match="wait"):
        await _recover(world, webhook)
    await world.finish_jobs()
    again, _ = await world.claim()
    await world.settle(again, EXHAUSTED)
    second = await _recover(world, webhook)
    await world.finish_jobs()
    assert await _figures(world, first) == (1, 0, 1, {})
    assert await _figures(world, second) == (1, 0, 0, {})


async def test_of_two_recoveries_at_once_one_is_refused(world) -> None:
    webhook = await world.webhook()
    await _failed(world, 2)
    ended = await asyncio.gather(
        *(_recover(world, webhook) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(one, str) for one in ended) == 1
    assert sum(isinstance(one, Conflict) for one in ended) == 3
    await world.finish_jobs()
    assert len(await world.claim()) == 2


async def test_a_waiting_replay_is_served_by_the_recovery(world) -> None:
    webhook = await world.webhook()
    waiting, in_flight = await _failed(world, 2)
    await world.storage.replay("org_1", in_flight.id)
    (replay,) = await world.claim()
    await world.storage.replay("org_1", waiting.id)
    job = await _recover(world, webhook)
    await world.finish_jobs()
    (one,) = await world.claim()
    assert (one.id, one.trigger, one.attempt) == (waiting.id, "automatic", 2)
    await world.settle(one)
    await world.settle(replay, states.REPLAY_FAILED)
    assert await world.status(in_flight) == states.PENDING
    (again,) = await world.claim()
    assert (again.id, again.trigger, again.retries_used) == (in_flight.id, "automatic", 0)
    await world.settle(again)
    assert await _figures(world, job) == (0, 2, 0, {})


async def test_leases_without_an_attempt_fail_a_recovered_delivery_too(world) -> None:
    webhook = await world.webhook()
    await _failed(world)
    job = await _recover(world, webhook)
    await world.finish_jobs()
    for _ in range(5):
        assert len(await world.claim()) == 1
        world.clock.advance(seconds=3_600)
        await world.storage.repair()
    assert await world.claim() == []
    assert await _figures(world, job) == (0, 0, 1, {})


async def test_a_recovery_goes_on_slice_by_slice_where_another_node_left_it(
    world, make_world, adapter
) -> None:
    webhook = await world.webhook()
    answers = await world.accept(*(world.event() for _ in range(2_500)))
    await world.storage.settle([world.settlement(one.leased[0], EXHAUSTED) for one in answers])
    job = await _recover(world, webhook)
    assert await world.storage.run_job_slice()
    if adapter == "sqlite":
        await world.storage.close()
    other = await make_world()
    assert await _figures(other, job) == (2_500, 0, 0, {})
    await other.finish_jobs()
    claimed = await other.claim(limit=3_000, room=3_000)
    assert len({one.id for one in claimed}) == 2_500
    await other.storage.settle([other.settlement(one) for one in claimed])
    assert await _figures(other, job) == (0, 2_500, 0, {})


@pytest.mark.parametrize(("how", "says"), [("paused", "set it active"), ("410", "set it active")])
async def test_a_webhook_that_is_not_active_is_not_recovered(world, how, says) -> None:
    webhook = await world.webhook()
    await _failed(world)
    if how == "410":
        await world.settle(await world.leased(), EXHAUSTED, disable="gone")
    else:
        await world.change(webhook, status=how)
    with pytest.raises(Conflict, match=says):
        await _recover(world, webhook)


async def test_jobs_belong_to_an_organization_and_a_webhook(world) -> None:
    one, two = await world.webhook("contact.created"), await world.webhook("deal.created")
    await _failed(world)
    await _failed(world, name="deal.created")
    first, second = await _recover(world, one), await _recover(world, two)
    listed = await world.storage.jobs("org_1", None, 10)
    assert [job.id for job in listed] == [second, first]
    assert [job.id for job in await world.storage.jobs("org_1", one.id, 10)] == [first]
    assert await world.storage.jobs("org_2", None, 10) == []
    assert await world.storage.job("org_2", first) is None
    with pytest.raises(NotFound):
        await world.storage.cancel_job("org_2", first)
    with pytest.raises(NotFound):
        await world.storage.recover_since(
            ReplayFilter(organization="org_2", webhook=one.id), world.ids.new("job"), 1
        )


async def test_reports_go_after_30_days(world) -> None:
    webhook = await world.webhook()
    await _failed(world)
    job = await _recover(world, webhook)
    await world.finish_jobs()
    (again,) = await world.claim()
    await world.settle(again)
    world.clock.advance(days=29)
    await world.storage.run_retention_slice(90)
    assert await _figures(world, job) == (0, 1, 0, {})
    world.clock.advance(days=2)
    await world.storage.run_retention_slice(90)
    assert await world.storage.job("org_1", job) is None
