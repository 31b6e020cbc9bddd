"""Rate limits on one node: attempts begin when their turns come, and late ones wait for others."""

import pytest

from winnerr_webhooks.pipeline import dispatch


async def turns_of(world):
    """The turns that claims give, by delivery, as they are given."""
    turns: dict[str, list[float]] = {}

    async def note(claimed) -> None:
        for one in claimed.deliveries:
            turns.setdefault(one.id, []).append(one.turn_at)

    world.storage.after["claim"] = note
    return turns


async def test_no_attempt_begins_before_its_turn(world):
    await world.webhook(rate_limit=20.0)
    turns = await turns_of(world)
    began: list[tuple[str, float]] = []

    def answer(call) -> None:
        began.append((call.delivery, world.clock.monotonic()))
        call.answer()

    world.egress.script = answer
    await world.emit(8)
    await world.settled(8)
    assert all(turns[delivery][-1] <= at for delivery, at in began)
    kept = sorted(turns[delivery][-1] for delivery, _ in began)
    assert kept[-1] - kept[0] == pytest.approx(7 / 20, abs=0.02)


async def test_a_node_alone_claims_at_once_and_without_polls(world, no_polls):
    """Nothing else tells it: the database is its own, and it would poll hours later."""
    await world.webhook(rate_limit=500.0)
    world.egress.script = lambda call: call.answer()
    await world.emit(20)
    await world.settled(20)


async def test_an_attempt_that_is_late_waits_for_another_turn(world, monkeypatch):
    """Those that a hanging receiver has kept waiting must not be sent all at once."""
    monkeypatch.setattr(dispatch, "LATEST_TURN", 0.01)
    webhook = await world.webhook(rate_limit=1000.0)
    turns = await turns_of(world)
    await world.emit(6)
    hanging = [await world.egress.next() for _ in range(4)]
    lane = world.dispatcher.queues.lanes[webhook.id]
    await world.until(lambda: lane.queued == 2)
    world.clock.elapsed += 1.0
    for call in hanging:
        call.answer()
    late = [await world.egress.next() for _ in range(2)]
    assert all(len(turns[call.delivery]) >= 2 for call in late)  # a slow machine is late again
    assert all(turns[call.delivery][-1] <= world.clock.monotonic() for call in late)
    for call in late:
        call.answer()
    await world.settled(6)


async def test_what_waits_for_its_turn_is_released_when_its_webhook_stops(world):
    webhook = await world.webhook(rate_limit=2.0)
    await world.emit(3)
    (await world.egress.next()).answer()
    lane = world.dispatcher.queues.lanes[webhook.id]
    await world.until(lambda: lane.waiting_turns == 2)
    assert not lane.idle
    await world.change(webhook, status="paused")
    await world.until(lambda: lane.waiting_turns == 0)
    await world.settled(3)
    assert len(world.egress.made) == 1


async def test_what_was_leased_before_there_was_a_limit_gets_turns_too(world):
    webhook = await world.webhook()
    turns = await turns_of(world)
    await world.emit(7)
    first = [await world.egress.next() for _ in range(4)]
    assert not turns
    await world.change(webhook, rate_limit=100.0)
    for call in first:
        call.answer()
    others = [await world.egress.next() for _ in range(3)]
    assert all(turns[call.delivery][-1] for call in others)
    for call in others:
        call.answer()
    await world.settled(7)


async def test_a_pause_that_a_receiver_asks_for_empties_the_queue_of_turns(world):
    webhook = await world.webhook(rate_limit=5.0)
    await world.emit(4)
    call = await world.egress.next()
    call.answer(429, Retry_After="3600")
    lane = world.dispatcher.queues.lanes[webhook.id]
    await world.until(lambda: lane.hold is not None and not lane.waiting_turns)
    while not (await world.delivery(call.delivery)).attempts:
        pass
    assert len(world.egress.made) == 1
    assert (await world.claimed()).deliveries == []


async def test_a_test_of_a_webhook_with_a_limit_is_sent_without_polls(world, no_polls):
    webhook = await world.webhook(rate_limit=0.1)
    await world.node.intake.send_test(world.event(), webhook.id)
    (await world.egress.next()).answer()
    await world.settled(1)
