"""Jobs of several nodes, and what happens to deliveries at the same moment."""

import asyncio

from tests.unit.storage.postgres.two_nodes import blocked, settling, under_way, value_of

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import RETRY
from winnerr_webhooks.storage import accepting, jobs, replays
from winnerr_webhooks.storage.accepting import AcceptTerms
from winnerr_webhooks.storage.postgres import postgres_accept
from winnerr_webhooks.storage.postgres.known_filters import KnownFilters


async def test_nodes_share_the_slices_of_several_jobs(worlds) -> None:
    names = ("contact.created", "deal.created", "task.created")
    made = [await worlds[0].webhook(name) for name in names]
    for name in names:
        await worlds[0].accept(*(worlds[0].event(name) for _ in range(1_300)), lease=None)
    for webhook in made:
        await worlds[0].change(webhook, status="paused")
    while (await worlds[0].storage.figures()).jobs:
        await asyncio.gather(*(world.finish_jobs() for world in worlds))
    assert (await worlds[0].storage.figures()).pending == 0
    counts = [await worlds[1].storage.cancelled("org_1", webhook.id) for webhook in made]
    assert counts == [1_300] * 3


async def test_another_node_runs_another_webhooks_job_but_no_later_one_of_the_same(worlds) -> None:
    one, other = worlds
    busy, free = await one.webhook("deal.created"), await one.webhook("contact.created")
    await one.accept(one.event("deal.created"), lease=None)
    (delivery,) = (await one.accept())[0].leased
    await one.change(busy, status="paused")
    async with under_way(one.storage, lambda db: jobs.run_slice(db, one.clock.ms)):
        await other.change(busy, status="active", replay_cancelled=True)
        await other.change(free, status="paused")
        assert await other.storage.run_job_slice()
        await other.finish_jobs()
        jobs_left = "SELECT array_agg(kind ORDER BY id) FROM job WHERE webhook_id = $1"
        assert await value_of(other.storage, jobs_left, busy.id) == ["cancel", "recover"]
    await other.finish_jobs()
    assert await one.status(delivery) == states.CANCELLED
    assert [(found.webhook_id, found.trigger) for found in await other.claim()] == [
        (busy.id, "automatic")
    ]


async def test_a_success_that_is_being_settled_is_not_cancelled(worlds) -> None:
    one, other = worlds
    webhook = await one.webhook()
    delivery = await one.leased()
    await one.change(webhook, status="paused")
    async with under_way(one.storage, settling(one, one.settlement(delivery))):
        await _blocked_job(other)
    await other.finish_jobs()
    assert await one.status(delivery) == states.DELIVERED
    assert len((await one.delivery(delivery)).attempts) == 1


async def _blocked_job(world) -> None:
    """A job that waits for transactions that began before it, however often it is tried."""
    assert await world.storage.run_job_slice()
    assert not await world.storage.run_job_slice()


async def test_a_failure_that_is_being_settled_counts_as_an_attempt_of_the_cancelled(
    worlds,
) -> None:
    """The slice meets the row while it is locked: it takes what became of it."""
    one, other = worlds
    webhook = await one.webhook()
    delivery = await one.leased()
    await one.change(webhook, status="paused")
    # seen before, so that it does not wait for the settlement to begin with
    await value_of(one.storage, "UPDATE job SET seen_at = '-infinity' RETURNING 1")
    async with under_way(one.storage, settling(one, one.settlement(delivery, RETRY))):
        slice_ = await blocked(other.storage, other.storage.run_job_slice())
    assert await slice_
    assert await one.status(delivery) == states.CANCELLED
    attempts = "SELECT attempts FROM delivery WHERE id = $1"
    assert await value_of(one.storage, attempts, delivery.id) == 1
    assert (await one.storage.figures()).pending == 0


async def test_a_success_settled_while_its_row_is_being_cancelled_is_delivered(worlds) -> None:
    one, other = worlds
    webhook = await one.webhook()
    delivery = await one.leased()
    await one.change(webhook, status="paused")
    async with under_way(one.storage, lambda db: jobs.run_slice(db, one.clock.ms)):
        settled = await blocked(other.storage, other.settle(delivery))
    await settled
    assert await one.status(delivery) == states.DELIVERED
    assert (await one.storage.figures()).pending == 0


async def test_a_replay_asked_for_while_its_row_is_being_cancelled_is_kept(worlds) -> None:
    one, other = worlds
    webhook = await one.webhook()
    delivery = await one.leased()
    await one.change(webhook, status="paused")
    await one.change(webhook, status="active")
    async with under_way(one.storage, lambda db: jobs.run_slice(db, one.clock.ms)):
        asked = await blocked(other.storage, other.storage.replay("org_1", delivery.id))
    await asked
    (replay,) = await other.claim()
    assert (replay.id, replay.trigger) == (delivery.id, "replay")
    assert await one.status(delivery) == states.CANCELLED


async def test_a_slice_that_meets_a_replay_asked_for_at_that_moment_leaves_it(worlds) -> None:
    one, other = worlds
    webhook = await one.webhook()
    delivery = await one.leased()
    await one.change(webhook, status="paused")
    await one.change(webhook, status="active")
    await value_of(one.storage, "UPDATE job SET seen_at = '-infinity' RETURNING 1")
    async with under_way(
        one.storage, lambda db: replays.replay(db, "org_1", delivery.id, one.clock.ms)
    ):
        slice_ = await blocked(other.storage, other.storage.run_job_slice())
    assert await slice_
    assert await one.status(delivery) == states.CANCELLED
    await one.settle(delivery, RETRY)
    (replay,) = await other.claim()
    assert (replay.id, replay.trigger, replay.attempt) == (delivery.id, "replay", 2)


def _accepting(world, event):
    terms = AcceptTerms(None, world.clock.monotonic(), None)
    return lambda db: postgres_accept.accept(
        db, postgres_accept.Batch([event]), terms, world.clock.ms, KnownFilters()
    )


async def test_an_event_accepted_while_its_webhook_is_paused_is_cancelled_with_the_rest(
    worlds,
) -> None:
    """An accept may have read the webhook before its change: the job waits until it ends."""
    one, other = worlds
    webhook = await one.webhook()
    event = one.event()
    async with under_way(one.storage, _accepting(one, event)):
        await other.change(webhook, status="paused")
        await _blocked_job(other)
    await other.finish_jobs()
    assert await one.storage.cancelled("org_1", webhook.id) == 1
    assert (await one.storage.figures()).pending == 0


async def test_an_event_accepted_for_a_paused_webhook_while_it_resumes_is_replayed(worlds) -> None:
    one, other = worlds
    webhook = await one.webhook()
    await one.change(webhook, status="paused")
    await one.finish_jobs()
    async with under_way(one.storage, _accepting(one, one.event())):
        await other.change(webhook, status="active", replay_cancelled=True)
        await _blocked_job(other)
    await other.finish_jobs()
    (replay,) = await other.claim()
    assert (replay.trigger, replay.retries_used) == ("automatic", 0)


async def test_a_webhook_deleted_while_a_test_is_sent_leaves_nothing_waiting(worlds) -> None:
    one, other = worlds
    webhook = await one.webhook()
    terms = AcceptTerms(None, one.clock.monotonic(), None)
    event = one.event()
    async with under_way(
        one.storage, lambda db: accepting.send_test(db, event, webhook.id, terms, one.clock.ms)
    ):
        await other.storage.delete_webhook("org_1", webhook.id)
        await _blocked_job(other)
    await other.finish_jobs()
    assert (await one.storage.figures()).pending == 0


async def test_one_job_that_has_to_wait_keeps_no_other_from_its_turn(worlds) -> None:
    one, other = worlds
    first, second = await one.webhook("deal.created"), await one.webhook("contact.created")
    (delivery,) = (await one.accept())[0].leased
    async with under_way(one.storage, _accepting(one, one.event("deal.created"))):
        await other.change(first, status="paused")
        await other.change(second, status="paused")
        await value_of(
            one.storage,
            "UPDATE job SET seen_at = '-infinity' WHERE webhook_id = $1 RETURNING 1",
            second.id,
        )
        await other.finish_jobs()
        left = await value_of(other.storage, "SELECT array_agg(webhook_id) FROM job")
        assert left == [first.id]
    assert await one.status(delivery) == states.CANCELLED
