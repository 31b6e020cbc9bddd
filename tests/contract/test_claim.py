"""Storage.claim, release, recover and repair."""

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import EXHAUSTED, MAX_IDLE_LEASES, REPLAY_FAILED, RETRY
from winnerr_webhooks.storage.road_values import Claim

# What an embedded node knows when it starts, that it is alone, no node of several can know.
alone = pytest.mark.parametrize("adapter", ["sqlite"], indirect=True)
one_of_several = pytest.mark.parametrize("adapter", ["postgres"], indirect=True)


async def _let_leases_run_out(world) -> None:
    world.clock.advance(seconds=61)  # they are taken for 60 s
    await world.storage.repair()


async def _free(world, count: int = 1, **options) -> None:
    await world.accept(*(world.event(**options) for _ in range(count)), lease=None)


async def test_a_claim_leases_what_is_due_once(world) -> None:
    await world.webhook()
    await _free(world, 3)
    claimed = await world.claim(lease_seconds=90)
    assert len(claimed) == 3
    assert {one.lease for one in claimed} == {1}
    assert {one.expires for one in claimed} == {world.clock.monotonic() + 90}
    assert await world.claim() == []


async def test_a_lane_gives_no_more_than_its_limit(world) -> None:
    narrow, wide = await world.webhook("deal.created"), await world.webhook("contact.created")
    await _free(world, 5, name="deal.created")
    await _free(world, 5)
    found = await world.claimed(rooms={narrow.id: 2, wide.id: 5})
    per_lane = [one.webhook_id for one in found.deliveries]
    assert (per_lane.count(narrow.id), per_lane.count(wide.id)) == (2, 5)
    assert found.backlogged == {narrow.id}


async def test_a_lane_that_is_not_asked_for_stays_due(world) -> None:
    full = await world.webhook("deal.created")
    open_ = await world.webhook("contact.created")
    await _free(world, 5, name="deal.created")
    world.clock.advance(seconds=1)
    await _free(world, 1)
    found = await world.claimed(rooms={full.id: 0})
    assert [one.webhook_id for one in found.deliveries] == [open_.id]
    assert found.backlogged == frozenset()
    assert await world.next_due_in() == 0
    assert len(await world.claim()) == 5


async def test_of_a_lane_with_nothing_due_nothing_comes(world) -> None:
    """As when another node was quicker, or when the webhook never was."""
    webhook = await world.webhook()
    found = await world.storage.claim(
        Claim(lease_seconds=60, limits={webhook.id: 4, "wh_never": 4}, max_bytes=1000)
    )
    assert (found.deliveries, found.backlogged) == ([], frozenset())


async def test_a_claim_stops_after_the_body_that_crosses_the_sum(world) -> None:
    await world.webhook()
    await _free(world, 5)
    size = len(world.event().body)
    assert len(await world.claim(max_bytes=2 * size)) == 2
    assert len(await world.claim(max_bytes=size + 1)) == 2
    assert len(await world.claim(max_bytes=1)) == 1


async def test_of_an_organization_no_more_bytes_than_are_left(world) -> None:
    """It stops after the body that crosses the sum, and takes what others have waiting."""
    webhook, other = await world.webhook(), await world.webhook(organization="org_2")
    await _free(world, 5)
    world.clock.advance(seconds=1)
    await _free(world, 5, organization="org_2")
    size = len(world.event().body)
    found = await world.claimed(bytes_left={"org_1": 2 * size - 1, "org_2": 3 * size})
    claimed = [one.webhook_id for one in found.deliveries]
    assert (claimed.count(webhook.id), claimed.count(other.id)) == (2, 3)
    assert found.backlogged == {webhook.id, other.id}


async def test_of_an_organization_without_bytes_left_nothing_is_taken(world) -> None:
    for _ in range(4):
        await world.webhook()
    other = await world.webhook(organization="org_2")
    await _free(world, 5)
    world.clock.advance(seconds=1)
    await _free(world, organization="org_2")
    claimed = await world.claim(bytes_left={"org_1": 0})
    assert [one.webhook_id for one in claimed] == [other.id]
    assert len(await world.claim()) == 20


# --- which lanes are due --------------------------------------------------------------------------


async def test_due_lanes_come_in_pages_longest_due_first(world) -> None:
    """Lanes that became due at the same instant come each once."""
    webhooks = [await world.webhook("deal.created") for _ in range(5)]
    late = await world.webhook("contact.created", organization="org_2")
    await _free(world, name="deal.created")
    world.clock.advance(seconds=1)
    await _free(world, organization="org_2")
    seen, after = [], None
    while page := (await world.storage.due_lanes(after, 2)).lanes:
        seen += page
        after = page[-1]
    assert [one.webhook_id for one in seen] == [*sorted(one.id for one in webhooks), late.id]
    assert [one.organization for one in seen] == ["org_1"] * 5 + ["org_2"]
    assert [seen[-1].due_at - one.due_at for one in seen] == [1_000] * 5 + [0]


async def test_the_lane_that_is_due_longest_goes_first(world) -> None:
    late = await world.webhook("deal.created")
    early = await world.webhook("contact.created")
    await _free(world, 1)
    world.clock.advance(seconds=1)
    await _free(world, 1, name="deal.created")
    assert [one.webhook_id for one in await world.claim(limit=1)] == [early.id]
    assert [one.webhook_id for one in await world.claim(limit=1)] == [late.id]


async def test_an_old_backlog_leaves_others_a_part_of_every_claim(world) -> None:
    """In number and in bytes."""
    backlogged = await world.webhook("contact.created")
    others = [await world.webhook("deal.created") for _ in range(3)]
    await _free(world, 100)
    world.clock.advance(seconds=1)
    await _free(world, 2, name="deal.created")
    size = len(world.event().body)
    few = await world.claim(limit=8, max_bytes=4 * size)
    assert {one.webhook_id for one in few} >= {one.id for one in others}
    found = await world.claimed(limit=40)
    claimed = [one.webhook_id for one in found.deliveries]
    assert [claimed.count(one.id) for one in (backlogged, *others)] == [10, 1, 1, 1]
    assert found.backlogged == {backlogged.id}
    assert len(await world.claim(limit=100, room=100)) == 106 - len(few) - 13


async def test_many_old_backlogs_leave_a_new_lane_its_part_of_the_next_claim(world) -> None:
    for _ in range(12):
        await world.webhook("contact.created")
    await _free(world, 20)
    world.clock.advance(seconds=1)
    new = await world.webhook("deal.created")
    await _free(world, 1, name="deal.created")
    claimed = await world.claim(limit=40)
    assert len(claimed) >= 37  # the new lane has fewer than its part
    assert new.id in {one.webhook_id for one in claimed}
    seen = len(claimed)
    while claimed := await world.claim(limit=40, room=6):
        seen += len(claimed)
    assert seen == 241


async def test_what_is_due_first_in_a_lane_goes_first(world) -> None:
    await world.webhook()
    one, other = await world.leased(), await world.leased()
    await world.settle(one, RETRY, retry_in=20)
    await world.settle(other, RETRY, retry_in=10)
    world.clock.advance(seconds=30)
    assert [claimed.id for claimed in await world.claim()] == [other.id, one.id]


async def test_it_says_when_the_next_is_due(world) -> None:
    await world.webhook()
    assert await world.next_due_in() is None
    await world.settle(await world.leased(), RETRY, retry_in=42)
    assert await world.next_due_in() == 42
    assert await world.claim() == []
    world.clock.advance(seconds=42)
    assert await world.next_due_in() == 0
    assert len(await world.claim()) == 1
    assert await world.next_due_in() is None


async def test_many_lanes_share_one_claim(world) -> None:
    for _ in range(200):
        await world.webhook()
    await _free(world, 1)
    claimed = await world.claim(limit=1000)
    assert len({one.webhook_id for one in claimed}) == 200
    assert len({one.event_id for one in claimed}) == 1


@pytest.mark.parametrize("how", ["paused", "deleted"])
async def test_a_webhook_that_is_not_active_yields_nothing(world, how) -> None:
    """From the moment its status changes, before any job has run."""
    webhook = await world.webhook()
    await _free(world, 3)
    if how == "deleted":
        await world.storage.delete_webhook("org_1", webhook.id)
    else:
        await world.change(webhook, status=how)
    assert (await world.claimed()).deliveries == []
    await world.finish_jobs()
    assert await world.claim() == []
    assert (await world.storage.figures()).pending == 0


async def test_what_a_pause_cancelled_stays_cancelled_though_the_webhook_is_active_again(
    world,
) -> None:
    webhook = await world.webhook()
    await _free(world, 2)
    await world.change(webhook, status="paused")
    await world.change(webhook, status="active")
    fresh = await world.leased()
    assert await world.claim() == []
    await world.finish_jobs()
    assert await world.claim() == []
    assert await world.status(fresh) == states.PENDING
    assert (await world.storage.figures()).pending == 1


@pytest.mark.parametrize("born", ["leased", "free"])
async def test_the_fifth_lease_without_a_settled_attempt_is_the_last(world, born) -> None:
    await world.webhook()
    if born == "leased":
        id_ = (await world.leased()).id
        leases = 1
    else:
        await _free(world)
        leases = 0
    for _ in range(MAX_IDLE_LEASES - leases):
        await _let_leases_run_out(world)
        (claimed,) = await world.claim()
        id_ = claimed.id
    await _let_leases_run_out(world)
    assert await world.claim() == []
    assert await world.status(id_) == states.FAILED
    await world.storage.replay("org_1", id_)
    assert len(await world.claim()) == 1


async def test_no_lease_is_handed_out_twice_however_often_replays_are_given_up(world) -> None:
    """Else who still holds the first could settle for who has the second."""
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, EXHAUSTED)
    leases = [delivery.lease]
    for _ in range(2):
        await world.storage.replay("org_1", delivery.id)
        while claimed := await world.claim():
            leases += [one.lease for one in claimed]
            await _let_leases_run_out(world)
    assert len(leases) == 1 + 2 * MAX_IDLE_LEASES
    assert leases == sorted(set(leases))
    assert await world.status(delivery) == states.FAILED


@alone
async def test_a_lease_that_ended_with_its_process_does_not_count(world) -> None:
    """However often the service is killed, what it answered 202 is not given up for it."""
    await world.webhook()
    delivery = await world.leased()
    for _ in range(2 * MAX_IDLE_LEASES):
        await world.storage.recover()
        (delivery,) = await world.claim()
    assert await world.status(delivery) == states.PENDING


async def test_a_settled_attempt_starts_the_count_of_leases_anew(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    for _ in range(MAX_IDLE_LEASES + 2):
        await world.settle(delivery, RETRY, retry_in=0)
        (delivery,) = await world.claim()
    assert await world.status(delivery) == states.PENDING


async def test_a_lease_released_does_not_count(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    for _ in range(MAX_IDLE_LEASES + 2):
        await world.storage.release([delivery])
        (delivery,) = await world.claim()
    assert await world.status(delivery) == states.PENDING


# --- release, recover, repair -------------------------------------------------------------------


async def test_what_is_released_is_free_at_once(world) -> None:
    await world.webhook()
    deliveries = [await world.leased() for _ in range(3)]
    await world.storage.release(deliveries)
    claimed = await world.claim()
    assert {one.id for one in claimed} == {one.id for one in deliveries}
    assert {one.attempt for one in claimed} == {1}


async def test_giving_back_a_lost_lease_changes_nothing(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.storage.release([delivery])
    await world.claim()
    await world.storage.release([delivery])
    assert await world.claim() == []
    settled = await world.leased()
    await world.settle(settled)
    await world.storage.release([settled])
    assert await world.status(settled) == states.DELIVERED


@alone
async def test_recovery_frees_leases_and_leaves_waiting_retries_their_time(world) -> None:
    await world.webhook()
    leased, waiting = await world.leased(), await world.leased()
    await world.settle(waiting, RETRY, retry_in=60)
    assert await world.storage.recover() == 1
    assert [one.id for one in await world.claim()] == [leased.id]
    world.clock.advance(seconds=60)
    assert [one.id for one in await world.claim()] == [waiting.id]


@one_of_several
async def test_a_start_leaves_the_leases_of_others_alone_until_they_run_out(world) -> None:
    await world.webhook()
    leased, waiting = await world.leased(), await world.leased()
    await world.settle(waiting, RETRY, retry_in=90)
    assert await world.storage.recover() == 0
    assert await world.claim() == []
    world.clock.advance(seconds=60.001)
    assert await world.claim() == []
    assert await world.storage.repair() == 1
    assert [one.id for one in await world.claim()] == [leased.id]
    world.clock.advance(seconds=30)
    assert [one.id for one in await world.claim()] == [waiting.id]


async def test_a_lease_that_ran_out_is_made_claimable(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    assert await world.storage.repair() == 0
    world.clock.advance(seconds=60.001)
    assert await world.storage.repair() == 1
    (claimed,) = await world.claim()
    assert (claimed.id, claimed.lease) == (delivery.id, delivery.lease + 1)
    assert await world.storage.repair() == 0


# --- replay ---------------------------------------------------------------------------------------


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
        await _let_leases_run_out(world)
        counted = 1
    for _ in range(MAX_IDLE_LEASES - counted):
        (replay,) = await world.claim()
        assert replay.trigger == "replay"
        await _let_leases_run_out(world)
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
