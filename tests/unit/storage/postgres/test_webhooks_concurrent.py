"""Webhooks, replays, jobs and sign-in while several nodes are at them at once."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY, SUCCESS
from winnerr_webhooks.domain.errors import Conflict
from winnerr_webhooks.storage import accepting, jobs, replays, webhook_queries
from winnerr_webhooks.storage.accepting import AcceptTerms
from winnerr_webhooks.storage.failure_streak import FailureRules
from winnerr_webhooks.storage.postgres import postgres_accept, postgres_claim, postgres_settle
from winnerr_webhooks.storage.postgres.known_filters import KnownFilters
from winnerr_webhooks.storage.road_values import Claim
from winnerr_webhooks.storage.values import DeliveryFilter, Grant, ReplayFilter, WebhookChange

PATIENT = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0;"


@asynccontextmanager
async def under_way(node, work: Callable) -> AsyncIterator[asyncio.Future]:
    """`work` done in a transaction that does not commit before the end of the block."""
    done: asyncio.Future = asyncio.get_running_loop().create_future()
    may_commit = asyncio.Event()

    async def held(db):
        done.set_result(await work(db))
        await may_commit.wait()

    task = asyncio.create_task(node._aside.transact(held, seconds=60, settings=PATIENT))
    await asyncio.wait([task, done], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield done
    finally:
        may_commit.set()
        await task


async def value_of(node, sql: str, *values):
    async def ask(db):
        return await db.connection.fetchval(sql, *values)

    return await node._aside.transact(ask)


async def blocked(node, verb: Awaitable) -> asyncio.Task:
    """`verb` as a task that waits for a lock by now."""
    task = asyncio.ensure_future(verb)
    waits = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )
    while not await value_of(node, waits):
        assert not task.done(), "it waited for nobody"
    return task


@pytest.fixture
async def worlds(world, open_world) -> tuple:
    """Two nodes on one database."""
    return world, await open_world()


async def _failed(world, **options):
    delivery = await world.leased(**options)
    await world.settle(delivery, EXHAUSTED)
    return delivery


def _settling(world, *items):
    return lambda db: postgres_settle.settle(
        db, items, rules=FailureRules(0, 0), node="node_x", now=world.clock.ms
    )


# --- webhooks -------------------------------------------------------------------------------------


async def test_two_nodes_together_keep_to_the_limit(worlds) -> None:
    made = await asyncio.gather(
        *(worlds[at % 2].webhook(limit=5) for at in range(12)), return_exceptions=True
    )
    refused = [one for one in made if isinstance(one, Exception)]
    assert {type(one) for one in refused} == {Conflict}
    assert len(refused) == 7
    assert len(await worlds[0].storage.webhooks("org_1")) == 5


async def test_webhooks_made_at_once_have_numbers_of_their_own(worlds) -> None:
    await asyncio.gather(*(worlds[at % 2].webhook() for at in range(10)))
    (answer,) = await worlds[0].accept()
    assert len({one.id for one in answer.leased}) == 10


async def test_edits_of_two_nodes_both_count(worlds) -> None:
    webhook = await worlds[0].webhook()
    await asyncio.gather(
        worlds[0].change(webhook, url="https://new.example.com/"),
        worlds[1].change(webhook, description="Zapier"),
    )
    seen = await worlds[0].storage.webhook("org_1", webhook.id)
    assert (seen.url, seen.description) == ("https://new.example.com/", "Zapier")
    assert seen.version == webhook.version + 2


async def test_a_mark_is_not_seen_before_those_below_it(worlds) -> None:
    """A reader that has seen the later of two changes has seen the earlier one, too."""
    one, other = worlds
    first, second = await one.webhook(), await one.webhook()
    mark, _ = await one.storage.changed_webhooks(0)

    def edit(db):
        change = WebhookChange(url="https://new.example.com/")
        return webhook_queries.change(
            db,
            "org_1",
            first.id,
            change,
            one.clock.ms,
            keyring=one.storage._keyring,
            recovery_id=None,
        )

    async with under_way(one.storage, edit):
        later = await blocked(
            other.storage, other.storage.set_secret("org_1", second.id, "a secret of ours", 0)
        )
        assert await other.storage.changed_webhooks(mark) == (mark, [])
    await later
    _, changed = await other.storage.changed_webhooks(mark)
    assert set(changed) == {first.id, second.id}


async def test_a_reader_that_follows_the_mark_misses_no_change(worlds) -> None:
    made = [await worlds[0].webhook() for _ in range(8)]
    mark, _ = await worlds[0].storage.changed_webhooks(0)
    told: list[str] = []
    over = asyncio.Event()

    async def follow():
        nonlocal mark
        while True:
            last = over.is_set()
            mark, changed = await worlds[0].storage.changed_webhooks(mark)
            told.extend(changed)
            if last:
                return

    async def edit(webhook, at):
        for turn in range(5):
            await worlds[at % 2].change(webhook, description=f"{turn}")

    follower = asyncio.create_task(follow())
    await asyncio.gather(*(edit(webhook, at) for at, webhook in enumerate(made)))
    over.set()
    await follower
    assert set(told) == {webhook.id for webhook in made}
    assert await worlds[1].storage.changed_webhooks(mark) == (mark, [])


async def test_a_webhook_paused_at_that_moment_is_not_disabled(worlds) -> None:
    one, other = worlds
    webhook = await one.webhook()
    delivery = await one.leased()

    def pause(db):
        change = WebhookChange(status="paused")
        return webhook_queries.change(
            db,
            "org_1",
            webhook.id,
            change,
            one.clock.ms,
            keyring=one.storage._keyring,
            recovery_id=None,
        )

    async with under_way(one.storage, pause):
        gone = await blocked(other.storage, other.settle(delivery, EXHAUSTED, disable="gone"))
    await gone
    seen = await one.storage.webhook("org_1", webhook.id)
    assert (seen.status, seen.status_reason) == ("paused", None)
    assert (await one.storage.figures()).jobs == 1


async def test_of_two_nodes_that_consume_a_link_one_gets_the_session(worlds) -> None:
    for at in range(10):
        link, sessions = bytes([at]) * 32, (bytes([at, 1]) * 16, bytes([at, 2]) * 16)
        granted = Grant(
            organization="org_1", role="admin", user=None, expires_at=worlds[0].clock.ms + 1000
        )
        await worlds[0].storage.create_link(granted, link)
        both = await asyncio.gather(
            *(
                world.storage.consume_link(link, session, 60)
                for world, session in zip(worlds, sessions, strict=True)
            )
        )
        assert sorted(one is None for one in both) == [False, True]
        begun = [await worlds[0].storage.session(session) for session in sessions]
        assert begun == list(both)


# --- one replay -----------------------------------------------------------------------------------


@pytest.mark.parametrize("happened", [RETRY, EXHAUSTED])
async def test_a_replay_asked_for_while_its_attempt_is_settled_is_kept(worlds, happened) -> None:
    one, other = worlds
    await one.webhook()
    delivery = await one.leased()
    failed = one.settlement(delivery, happened)
    async with under_way(one.storage, _settling(one, failed)):
        asked = await blocked(other.storage, other.storage.replay("org_1", delivery.id))
    await asked
    (replay,) = await other.claim()
    assert (replay.trigger, replay.attempt) == ("replay", 2)


async def test_a_replay_asked_for_while_its_success_is_settled_comes_after_it(worlds) -> None:
    one, other = worlds
    await one.webhook()
    delivery = await one.leased()
    async with under_way(one.storage, _settling(one, one.settlement(delivery))):
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


# --- jobs -----------------------------------------------------------------------------------------


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
    async with under_way(one.storage, _settling(one, one.settlement(delivery))):
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
    async with under_way(one.storage, _settling(one, one.settlement(delivery, RETRY))):
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


class Storm:
    """What people, their CRM and their receivers do, by chance."""

    def __init__(self, made: list, seed: int) -> None:
        self.made = made
        self.chance = random.Random(seed)
        self.deliveries: list[str] = []

    async def accept(self, world) -> None:
        name = self.chance.choice(("contact.created", "deal.created"))
        (answer,) = await world.accept(world.event(name), lease=None)
        event = await world.storage.event("org_1", answer.id)
        self.deliveries.extend(delivery.id for delivery in event.deliveries)

    async def toggle(self, world) -> None:
        webhook = self.chance.choice(self.made)
        if self.chance.random() < 0.5:
            await world.change(webhook, status="paused")
        else:
            again = self.chance.random() < 0.5
            await world.change(webhook, status="active", replay_cancelled=again)

    async def replay(self, world) -> None:
        if self.deliveries:
            with suppress(Conflict):  # its webhook is paused at this moment
                await world.storage.replay("org_1", self.chance.choice(self.deliveries))
        await world.storage.run_job_slice()

    async def send(self, world) -> None:
        taken = await world.claim(limit=5)
        outcomes = self.chance.choices((SUCCESS, RETRY, EXHAUSTED), k=len(taken))
        await world.storage.settle(
            [
                world.settlement(delivery, outcome, retry_in=0)
                for delivery, outcome in zip(taken, outcomes, strict=True)
            ]
        )


async def _often(part: Callable, world) -> None:
    for _ in range(25):
        await part(world)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.thorough
async def test_a_storm_of_everything_loses_nothing(worlds, seed) -> None:
    """Pauses, resumptions, replays, jobs, claims and settlements of two nodes at once.

    When it is over and everybody has been replayed, each delivery is delivered, and nothing waits.
    """
    one = worlds[0]
    made = [await one.webhook(name) for name in ("contact.created", "deal.created", "*")]
    storm = Storm(made, seed)
    parts = (storm.accept, storm.toggle, storm.replay, storm.send)
    await asyncio.gather(*(_often(part, world) for part in parts for world in worlds))

    for webhook in made:
        await one.change(webhook, status="active")
    await one.finish_jobs()
    await _drain(one)
    await one.storage.replay_many(ReplayFilter(organization="org_1"), dry_run=False)
    await one.finish_jobs()
    await _drain(one)
    assert len(storm.deliveries) == len(set(storm.deliveries)) > 50
    assert set(await one.statuses(storm.deliveries)) == {states.DELIVERED}
    assert await value_of(one.storage, "SELECT count(*) FROM pending") == 0
    assert (await one.storage.figures()).jobs == 0


async def _drain(world) -> None:
    world.clock.advance(seconds=120)
    await world.storage.repair()
    while taken := await world.claim():
        await world.storage.settle([world.settlement(delivery) for delivery in taken])
