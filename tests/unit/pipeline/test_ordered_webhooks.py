"""Ordered webhooks on one node: one delivery of an order at a time, in the order of acceptance."""

import asyncio
import json

from winnerr_webhooks.domain.event import encode_payload


async def emit(world, *values):
    """One event for each value of `data.id`, each stored before the next; their event ids."""
    ids = []
    for number, value in enumerate(values):
        event = world.event()
        data = json.dumps({"id": value, "n": number}, separators=(",", ":")).encode()
        body = encode_payload(event.name, "2027-01-15T08:00:00Z", "org_1", data)
        (answer,) = await world.node.intake.accept_many(
            [type(event)(id=event.id, organization="org_1", name=event.name, body=body)]
        )
        ids.append(answer.id)
    return ids


def event_of(call) -> str:
    return call.header("webhook-id")


async def test_deliveries_go_one_after_the_other_without_polls(world, no_polls):
    """More than one run, so that the end of one has to wake the next."""
    await world.webhook(order_by="")
    made = await emit(world, *range(40))
    for expected in made:
        call = await world.egress.next()
        assert event_of(call) == expected
        assert world.egress.calls.empty()
        assert world.dispatcher.in_flight == 1
        call.answer()
    await world.settled(40)


async def test_a_failure_holds_what_is_behind_it_and_other_keys_go_on(world):
    await world.webhook(order_by="data.id", retry_schedule=(0.5, 0.5))
    seen: list[str] = []

    def answer(call) -> None:
        seen.append(event_of(call))
        is_first = b'"n":0' in call.body
        call.answer(500 if is_first and seen.count(seen[-1]) < 3 else 200)

    world.egress.script = answer
    a1, b1, a2, b2 = await emit(world, "a", "b", "a", "b")
    await world.settled(4)
    assert [one for one in seen if one in (a1, a2)] == [a1, a1, a1, a2]
    assert [one for one in seen if one in (b1, b2)] == [b1, b2]
    assert seen.index(b2) < seen.index(a2)


async def test_what_is_behind_a_delivery_without_retries_left_goes(world, no_polls):
    await world.webhook(order_by="", retry_schedule=())
    first, second = await emit(world, "a", "b")
    call = await world.egress.next()
    assert event_of(call) == first
    call.answer(500)
    call = await world.egress.next()
    assert event_of(call) == second
    call.answer()
    await world.settled(2)


async def test_what_is_skipped_lets_the_next_one_go(world, no_polls):
    webhook = await world.webhook(order_by="", retry_schedule=(600.0,))
    first, second = await emit(world, "a", "b")
    (await world.egress.next()).answer(500)
    skipped = f"dlv_{first[4:]}0001"
    await world.until(lambda: world.storage.counts.get("settle", 0) > 0)
    delivery = await world.delivery(skipped)
    while not delivery.attempts:
        delivery = await world.delivery(skipped)
    await world.storage.skip("org_1", skipped)
    world.node.signals.work_requested(webhook.id)
    call = await world.egress.next()
    assert event_of(call) == second
    call.answer()
    await world.settled(2)


async def test_an_order_with_a_rate_limit_keeps_both(world):
    await world.webhook(order_by="", rate_limit=50.0)
    seen, times = [], []

    def answer(call) -> None:
        seen.append(event_of(call))
        times.append(world.clock.monotonic())
        call.answer()

    world.egress.script = answer
    made = await emit(world, *range(12))
    await world.settled(12)
    assert seen == made
    assert times[-1] - times[0] > 0.15


async def test_what_waits_behind_others_is_released_when_the_node_stops(make_world):
    world = await make_world()
    await world.webhook(order_by="")
    made = await emit(world, *range(5))
    call = await world.egress.next()
    await world.until(
        lambda: sum(lane.behind for lane in world.dispatcher.queues.lanes.values()) > 0
    )
    stopping = asyncio.ensure_future(world.node.stop())
    await world.until(
        lambda: not any(lane.behind for lane in world.dispatcher.queues.lanes.values())
    )
    call.answer()
    await stopping
    assert len(world.egress.made) == 1
    assert [one.event_id for one in (await world.claimed()).deliveries] == made[1:]
