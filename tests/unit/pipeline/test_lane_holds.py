"""Lanes that a receiver asked to wait: held for as long as it asked, and empty meanwhile."""

import asyncio


async def test_the_longest_retry_after_of_several_answers_holds_the_lane(world):
    """Given attempts in flight.

    When one answer asks for a second and the next for an hour, then the lane is held for
    the hour.
    """
    webhook = await world.webhook()
    await world.emit(2)
    short, long = await world.egress.next(), await world.egress.next()
    short.answer(503, Retry_After="1")
    await asyncio.sleep(0)
    long.answer(503, Retry_After="3600")
    await world.storage.reached("settle")
    lane = world.dispatcher.queues.lanes[webhook.id]
    assert lane.hold is not None
    assert lane.hold.when() - asyncio.get_running_loop().time() > 3_000


async def test_a_hold_that_was_lifted_does_not_end_the_next_one(world) -> None:
    """Given a held lane.

    When an edit lifts the hold and the receiver asks for another, then the first one's end
    means nothing.
    """
    webhook = await world.webhook()
    await world.emit()
    (await world.egress.next()).answer(503, Retry_After="60")
    await world.storage.reached("settle")
    lane = world.dispatcher.queues.lanes[webhook.id]
    first = lane.hold
    await world.change(webhook, description="new")
    await world.emit()
    (await world.egress.next()).answer()
    assert lane.hold is None
    assert first.cancelled()


async def test_a_held_lane_releases_its_queue_and_delivers_it_after_the_hold(world) -> None:
    webhook = await world.webhook()
    world.answer_all_after(4)
    await world.emit(8)
    calls = [await world.egress.next() for _ in range(4)]
    released = []

    async def look(batch) -> None:
        released.append((len(batch), world.dispatcher.queues.lanes[webhook.id].hold is not None))

    world.storage.before["release"] = look
    calls[0].answer(429, Retry_After="1")
    await world.until(lambda: bool(released))
    assert released == [(4, True)]
    for call in calls[1:]:
        call.answer()
    await world.settled(8)


async def test_what_is_claimed_for_a_lane_that_was_just_held_goes_back(world) -> None:
    """Else it would take the organization's share of memory for as long as the receiver asked."""
    webhook = await world.webhook()
    await world.emit()
    call = await world.egress.next()
    claimed, go = asyncio.Event(), asyncio.Event()

    async def wait(answer) -> None:
        if answer.deliveries:
            claimed.set()
            await go.wait()

    world.storage.after["claim"] = wait
    await world.storage.accept([world.event() for _ in range(3)], None)
    world.dispatcher.queues.backlog.request_poll()
    await claimed.wait()
    call.answer(503, Retry_After="60")
    lane = world.dispatcher.queues.lanes[webhook.id]
    await world.until(lambda: lane.hold is not None)
    go.set()
    await world.storage.reached("release")
    assert world.dispatcher.queues.queued == 0
    assert world.budgets.queued_bytes.used == 0
    assert lane.has_backlog
