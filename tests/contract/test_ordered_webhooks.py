"""Webhooks whose deliveries are sent in the order of acceptance, one order or one for each key."""

import json

import pytest

from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY, SUCCESS
from winnerr_webhooks.domain.event_order import order_key
from winnerr_webhooks.storage.road_values import LeaseTerms


async def emit(world, *keys):
    """An event for each key, each accepted by itself; their delivery ids."""
    made = []
    for number, key in enumerate(keys):
        data = json.dumps({"id": key, "n": number}, separators=(",", ":")).encode()
        (answer,) = await world.accept(world.event(data=data))
        assert (answer.deliveries, answer.leased, answer.to_claim) == (1, (), True)
        event = await world.storage.event("org_1", answer.id)
        made += [one.id for one in event.deliveries]
    return made


def ids(deliveries):
    return [one.id for one in deliveries]


async def test_a_run_is_leased_in_order_and_nothing_more_until_it_has_ended(world):
    await world.webhook(order_by="")
    made = await emit(world, *range(20))
    run = await world.claim()
    assert ids(run) == made[:16]
    assert {one.order_key for one in run} == {""}
    assert await world.claim() == []
    assert await world.next_due_in() > 10**6, "what another one holds is not due"
    for one in run[:-1]:
        await world.settle(one)
    assert await world.claim() == []
    await world.settle(run[-1])
    assert ids(await world.claim()) == made[16:]


async def test_a_failure_holds_what_is_behind_it_until_its_retry(world, clock):
    await world.webhook(order_by="")
    made = await emit(world, "a", "b", "c")
    run = await world.claim()
    await world.settle(run[0], RETRY, retry_in=60)
    await world.storage.release(run[1:])
    assert await world.claim() == []
    assert await world.next_due_in() == 60
    await emit(world, "d")
    assert await world.claim() == []
    clock.advance(seconds=60)
    assert ids(await world.claim())[:3] == made


@pytest.mark.parametrize("end", [EXHAUSTED, "skipped"])
async def test_what_failed_or_was_skipped_holds_nothing_any_more(world, end):
    await world.webhook(order_by="")
    made = await emit(world, "a", "b")
    (first,) = await world.claim(room=1)
    if end == EXHAUSTED:
        await world.settle(first, EXHAUSTED)
    else:
        await world.settle(first, RETRY)
        assert await world.claim() == []
        await world.storage.skip("org_1", first.id)
        assert await world.status(first) == "cancelled"
    assert ids(await world.claim()) == made[1:]


async def test_each_value_of_the_path_has_an_order_of_its_own(world):
    await world.webhook(order_by="data.id")
    made = await emit(world, "x", "y", "x", None, "y", None)
    run = await world.claim()
    by_key = {}
    for one in run:
        by_key.setdefault(one.order_key, []).append(made.index(one.id))
    assert sorted(by_key.values()) == [[0, 2], [1, 4], [3, 5]]
    x = [one for one in run if made.index(one.id) in (0, 2)]
    others = [one for one in run if one not in x]
    await world.settle(x[0], RETRY)
    await world.storage.release([x[1]])
    for one in others:
        await world.settle(one)
    new = await emit(world, "x", "y")
    assert ids(await world.claim()) == [new[1]]


async def test_a_claim_takes_only_the_beginning_of_a_run(world):
    await world.webhook(order_by="")
    made = await emit(world, *"abcd")
    first = await world.claim(room=2)
    assert ids(first) == made[:2]
    assert await world.claim() == []
    for one in first:
        await world.settle(one)
    assert ids(await world.claim(room=1)) == made[2:3]


async def test_an_expired_lease_is_taken_over_in_order(world, clock):
    """As after a kill: nobody settles or releases what the dead node had."""
    await world.webhook(order_by="")
    made = await emit(world, *"abc")
    dead = await world.claim()
    await world.settle(dead[0])
    clock.advance(seconds=61)
    await world.storage.repair()
    taken = await world.claim()
    assert ids(taken) == made[1:]
    await world.settle(dead[1])  # late
    for one in taken:
        await world.settle(one)
    assert await world.statuses(made) == ["delivered"] * 3


async def test_what_was_leased_too_often_for_nothing_lets_the_next_one_go(world, clock):
    await world.webhook(order_by="")
    made = await emit(world, "a", "b")
    for _ in range(5):
        assert ids(await world.claim(room=1)) == made[:1]
        clock.advance(seconds=61)
        await world.storage.repair()
    claimed = await world.claim(room=1) + await world.claim(room=1)
    assert ids(claimed) == made[1:]
    assert await world.status(made[0]) == "failed"


async def test_replays_and_tests_are_outside_the_order(world):
    webhook = await world.webhook(order_by="")
    (gone,) = await emit(world, "a")
    (run,) = await world.claim()
    await world.settle(run, EXHAUSTED)
    made = await emit(world, "b", "c", "d")
    run = await world.claim(room=1)
    await world.settle(run[0], RETRY, retry_in=600)
    assert await world.claim() == []
    await world.storage.replay("org_1", gone)
    await world.storage.replay("org_1", made[2])
    sent = await world.storage.send_test(world.event(), webhook.id, LeaseTerms(seconds=60))
    assert len(sent.leased) == 1
    replays = await world.claim()
    assert {(one.id, one.trigger) for one in replays} == {(gone, "replay"), (made[2], "replay")}
    for one in replays:
        await world.settle(one)
    await world.settle(sent.leased[0])
    assert await world.claim() == []
    assert await world.statuses([gone, made[2]]) == ["delivered"] * 2
    await world.storage.replay("org_1", made[0])
    (first,) = await world.claim()
    await world.settle(first)
    assert ids(await world.claim()) == [made[1]]


async def test_a_failed_replay_of_what_is_held_goes_back_to_its_place(world, clock):
    await world.webhook(order_by="")
    made = await emit(world, "a", "b", "c")
    (first,) = await world.claim(room=1)
    await world.settle(first, RETRY, retry_in=60)
    await world.storage.replay("org_1", made[2])
    (replay,) = await world.claim()
    await world.settle(replay, "replay failed")
    assert await world.claim() == []
    assert await world.next_due_in() == 60
    clock.advance(seconds=60)
    assert ids(await world.claim()) == made


async def test_a_pause_cancels_what_waits_and_begins_a_new_order(world):
    webhook = await world.webhook(order_by="")
    old = await emit(world, "a", "b")
    (first,) = await world.claim(room=1)
    await world.settle(first, RETRY, retry_in=600)
    await world.change(webhook, status="paused")
    await world.change(webhook, status="active")
    new = await emit(world, "c", "d")
    assert ids(await world.claim()) == new
    await world.finish_jobs()
    assert await world.statuses(old) == ["cancelled"] * 2


async def test_a_changed_order_counts_for_the_events_after_it(world):
    webhook = await world.webhook(order_by="")
    made = await emit(world, "a", "b")
    (first,) = await world.claim(room=1)
    await world.settle(first, RETRY, retry_in=600)
    await world.change(webhook, order_by=None)
    (answer,) = await world.accept()
    assert len(answer.leased) == 1
    assert await world.claim() == []
    await world.storage.skip("org_1", made[0])
    assert ids(await world.claim()) == made[1:]
    await world.change(webhook, order_by="data.id")
    await world.settle(answer.leased[0])
    by_path = await emit(world, "a", "b")
    assert ids(await world.claim()) == by_path


async def test_a_recovery_is_outside_the_order(world):
    webhook = await world.webhook(order_by="")
    (lost,) = await emit(world, "a")
    (first,) = await world.claim()
    await world.settle(first, EXHAUSTED)
    (waits,) = await emit(world, "b")
    (second,) = await world.claim()
    await world.settle(second, RETRY, retry_in=600)
    await world.change(webhook, status="paused")
    await world.finish_jobs()
    await world.change(webhook, status="active", replay_cancelled=True)
    await world.finish_jobs()
    assert [(one.id, one.order_key) for one in await world.claim()] == [(waits, None)]
    assert await world.status(lost) == "failed"


async def test_what_waits_says_for_which_delivery(world):
    await world.webhook(order_by="data.id")
    made = await emit(world, "a", "b", "a", "a")
    first, *_ = run = await world.claim(room=1)
    await world.settle(first, RETRY, retry_in=600)
    assert len(run) == 1
    await world.claim()
    shown = [await world.delivery(one) for one in made]
    assert [one.waits_for for one in shown] == [None, None, made[0], made[0]]
    assert shown[2].next_attempt_at is None
    event = await world.storage.event("org_1", shown[3].event_id)
    assert event.deliveries[0].waits_for == made[0]


@pytest.mark.parametrize("how", ["delivered", "leased", "unknown", "other organization"])
async def test_only_what_waits_can_be_skipped(world, how):
    await world.webhook(order_by="")
    (made,) = await emit(world, "a")
    (leased,) = await world.claim()
    if how == "delivered":
        await world.settle(leased, SUCCESS)
    organization = "org_2" if how == "other organization" else "org_1"
    asked = made[:-1] + "z" if how == "unknown" else made
    with pytest.raises(Exception, match=r"There is no delivery|has ended|is being made"):
        await world.storage.skip(organization, asked)


async def test_an_order_and_a_rate_limit_go_together(world, clock):
    await world.webhook(order_by="", rate_limit=4.0)
    made = await emit(world, *range(12))
    run = await world.claim()
    assert ids(run) == made[:5]
    waits = [round((one.turn_at - clock.monotonic()) * 1000) for one in run]
    assert waits == [0, 250, 500, 750, 1000]
    clock.advance(seconds=1)
    for one in run:
        await world.settle(one)
    assert ids(await world.claim()) == made[5:9]


async def test_events_of_one_commit_are_in_their_own_order_behind_earlier_ones(world, clock):
    """Even if the clock is set back in between: ids would sort otherwise."""
    await world.webhook(order_by="")
    first = await world.accept(*(world.event() for _ in range(3)))
    clock.ms -= 3_600_000
    again = type(world)(world.storage, clock)
    second = await again.accept(*(again.event() for _ in range(3)), lease=None)
    clock.ms += 7_200_000
    expected = [answer.id for answer in (*first, *second)]
    assert [one.event_id for one in await world.claim()] == expected


@pytest.mark.parametrize(
    ("data", "same"),
    [
        (b'{"id":"a"}', b'{"other":1,"id":"a"}'),
        (b'{"id":1.50}', b'{"n":0,"id":1.50}'),
        (b'{"id":null}', b"{}"),
        (b'{"id":{"a":[1]}}', b'{"id":{"a":[1]},"x":2}'),
        (b'{"id":"\\u0000"}', b'{"x":"\\ud800","id":"\\u0000"}'),
        (b'{"id":"\\\\u0041"}', b'{"x":"\\\\","id":"\\\\u0041"}'),
        ('{"id":"é"}'.encode(), '{"x":1,"id":"é"}'.encode()),
        (b'{"id":"a","id":"b"}', b'{"id":"b"}'),
        (b'{"id":true}', b'{"id":true,"x":[]}'),
        (b"[1]", b'"text"'),
    ],
)
async def test_equal_values_are_in_one_order_on_both_databases(world, adapter, data, same):

    await world.webhook(order_by="data.id")
    events = [world.event(data=one) for one in (data, same, b'{"id":"another"}')]
    await world.accept(*events)
    run = {one.event_id: one.order_key for one in await world.claim()}
    keys = [run[event.id] for event in events]
    assert keys[0] == keys[1] != keys[2]
    assert keys == [order_key(event.body, "data.id") for event in events]
