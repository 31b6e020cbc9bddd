"""Webhooks with a rate limit: turns over all nodes, in the database's time."""

import itertools

import msgspec
import pytest

from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY
from winnerr_webhooks.storage.road_values import Claim, LeaseTerms
from winnerr_webhooks.storage.values import LogFilter

NODES = 3


def turns(clock, deliveries):
    """Milliseconds from now until the attempts may begin."""
    return [round((one.turn_at - clock.monotonic()) * 1000) for one in deliveries]


async def test_only_deliveries_of_other_webhooks_are_leased_at_once(world):
    paced, other = await world.webhook(rate_limit=2.0), await world.webhook()
    (answer,) = await world.accept()
    assert answer.deliveries == 2
    assert [one.webhook_id for one in answer.leased] == [other.id]
    assert answer.to_claim
    (answer,) = await world.accept(
        lease=LeaseTerms(seconds=60, full={"org_1": frozenset((other.id,))})
    )
    assert not answer.leased
    (answer,) = await world.accept(
        lease=LeaseTerms(seconds=60, full={"org_1": frozenset((paced.id,))})
    )
    assert not answer.to_claim, "its lane asks when it has room"


async def test_an_event_for_webhooks_without_a_limit_leaves_nothing_to_claim(world):
    await world.webhook()
    (answer,) = await world.accept()
    assert (len(answer.leased), answer.to_claim) == (1, False)


async def test_turns_are_even_and_taken_one_second_ahead(world, clock):
    await world.webhook(rate_limit=2.0)
    await world.accept(*(world.event() for _ in range(9)))
    assert turns(clock, await world.claim()) == [0, 500, 1000]
    assert await world.claim() == []
    assert await world.next_due_in() == 1.0
    clock.advance(seconds=1)
    assert turns(clock, await world.claim()) == [500, 1000]
    clock.advance(seconds=1)
    assert turns(clock, await world.claim(room=1)) == [500], "no more than the lane has room for"
    assert turns(clock, await world.claim(room=1)) == [1000]


@pytest.mark.parametrize("rate", [0.1, 1.0, 7.3, 250.0])
async def test_all_nodes_together_keep_the_rate_however_often_they_claim(world, clock, rate):
    await world.webhook(rate_limit=rate)
    seconds = max(10.0, 30 / rate) if rate < 100 else 4.0
    await world.accept(
        *(world.event() for _ in range(round(rate * seconds) + round(rate) + 5)),
        lease=None,
    )
    began, starts = clock.monotonic(), []
    while clock.monotonic() - began < seconds:
        for _ in range(NODES):
            starts += [one.turn_at for one in await world.claim()]
        clock.advance(seconds=0.31)
    within = [at for at in starts if at - began <= seconds]
    assert abs(len(within) - rate * seconds) <= 1 + rate * 0.01 * seconds
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    assert min(gaps) * rate == pytest.approx(1, rel=0.01)


async def test_what_was_not_sent_in_time_is_not_made_up_for_in_a_burst(world, clock):
    """As when the node that had taken the turns was killed."""
    await world.webhook(rate_limit=4.0)
    await world.accept(*(world.event() for _ in range(40)))
    assert len(await world.claim()) == 5
    clock.advance(seconds=30)
    assert turns(clock, await world.claim()) == [0, 250, 500, 750, 1000]


async def test_a_lane_that_waits_for_its_turn_is_not_taken_for_a_lost_one(world, clock):
    await world.webhook(rate_limit=0.1)
    await world.accept(*(world.event() for _ in range(3)))
    assert len(await world.claim()) == 1
    clock.advance(seconds=2)
    assert await world.storage.repair() == 0
    assert await world.next_due_in() == 7.5
    clock.advance(seconds=7.5)
    assert turns(clock, await world.claim()) == [500]


async def test_a_receiver_that_asks_for_a_pause_gets_it_from_all_nodes(world, clock):
    await world.webhook(rate_limit=10.0)
    await world.accept(*(world.event() for _ in range(20)), lease=None)
    first, *others = await world.claim(room=2)
    held = world.settlement(first, RETRY, retry_in=60, status=429)
    held = msgspec.structs.replace(
        held, verdict=msgspec.structs.replace(held.verdict, hold_lane=60.0)
    )
    await world.storage.settle([held])
    await world.storage.release(others)
    assert await world.claim() == []
    assert await world.next_due_in() == 59.5
    clock.advance(seconds=59.5)
    assert turns(clock, await world.claim())[:2] == [500, 600]


async def test_a_replay_or_a_change_ends_the_pause(world, clock):
    webhook = await world.webhook("contact.created", rate_limit=10.0)
    other = await world.webhook("deal.won", rate_limit=10.0)
    for name in ("contact.created", "deal.won"):
        await world.accept(world.event(name), world.event(name), lease=None)
    claimed = await world.claim()
    batch = []
    for one in claimed:
        item = world.settlement(one, EXHAUSTED, status=429)
        verdict = msgspec.structs.replace(item.verdict, hold_lane=3000.0)
        batch.append(msgspec.structs.replace(item, verdict=verdict))
    await world.storage.settle(batch)
    await world.accept(world.event("deal.won"), lease=None)
    assert (len(claimed), await world.claim()) == (4, [])
    await world.change(other, rate_limit=5.0)
    failed = next(one for one in claimed if one.webhook_id == webhook.id)
    await world.storage.replay("org_1", failed.id)
    found = {one.webhook_id: one for one in await world.claim()}
    assert found[webhook.id].trigger == "replay"
    assert turns(clock, [found[webhook.id], found[other.id]]) == [100, 200]


async def test_a_test_waits_for_a_turn_but_not_for_the_backlog(world, clock):
    webhook = await world.webhook(rate_limit=1.0)
    await world.accept(*(world.event() for _ in range(5)))
    clock.advance(seconds=1)
    sent = await world.storage.send_test(world.event(), webhook.id, LeaseTerms(seconds=60))
    assert (sent.leased, sent.to_claim) == ((), True)
    first, second = await world.claim()
    assert (first.trigger, second.trigger) == ("test", "automatic")
    assert turns(clock, [first, second]) == [0, 1000]


async def test_a_limit_that_is_lifted_lets_everything_go_that_waits(world, clock):
    webhook = await world.webhook(rate_limit=0.1)
    await world.accept(*(world.event() for _ in range(4)))
    assert len(await world.claim()) == 1
    await world.change(webhook, rate_limit=None)
    assert [one.turn_at for one in await world.claim()] == [0.0, 0.0, 0.0]
    (answer,) = await world.accept()
    assert len(answer.leased) == 1


async def test_a_paused_webhook_keeps_its_limit(world, clock):
    webhook = await world.webhook(rate_limit=1.0)
    await world.accept(*(world.event() for _ in range(4)))
    assert len(await world.claim()) == 2
    await world.change(webhook, status="paused")
    clock.advance(seconds=1)
    assert await world.claim() == []
    resumed = await world.change(webhook, status="active")
    assert resumed.rate_limit == 1.0
    await world.accept(*(world.event() for _ in range(4)))
    assert turns(clock, await world.claim()) == [1000]


async def test_what_waits_says_when_its_turn_is(world, clock):
    await world.webhook(rate_limit=0.5)
    answers = []
    for _ in range(4):
        answers += await world.accept()
        clock.advance(seconds=0.001)
    began = clock.now_ms()
    (first,) = await world.claim()
    shown = []
    for answer in answers[1:]:
        event = await world.storage.event("org_1", answer.id)
        shown.append(event.deliveries[0].next_attempt_at - began)
    assert shown == [2000, 4000, 6000]
    await world.settle(first, RETRY, retry_in=60)
    page = await world.storage.log(LogFilter(organization="org_1"))
    assert page.items[0].next_attempt_at == began + 60_000, "later than its turn would be"


async def test_a_released_delivery_takes_another_turn(world, clock):
    await world.webhook(rate_limit=1.0)
    await world.accept(*(world.event() for _ in range(2)))
    claimed = await world.claim()
    await world.storage.release(claimed)
    assert await world.claim() == []
    clock.advance(seconds=1.5)
    assert turns(clock, await world.claim()) == [500]


async def test_a_claim_for_several_lanes_gives_turns_to_those_with_a_limit_only(world, clock):
    webhooks = [await world.webhook(rate_limit=rate) for rate in (None, 1.0, 2.0)]
    await world.accept(*(world.event() for _ in range(4)), lease=None)
    claimed = await world.storage.claim(
        Claim(lease_seconds=60, limits={one.id: 3 for one in webhooks}, max_bytes=1 << 20)
    )
    by_webhook = {
        webhook.id: [one.turn_at for one in claimed.deliveries if one.webhook_id == webhook.id]
        for webhook in webhooks
    }
    now = clock.monotonic()
    assert list(by_webhook.values()) == [[0.0] * 3, [now, now + 1], [now, now + 0.5, now + 1]]
    assert claimed.backlogged == {webhooks[0].id}
