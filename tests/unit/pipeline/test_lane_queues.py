"""Lane queues: how much a lane may hold, and that no receiver takes the memory of others."""

import asyncio

LARGE = 200_000


async def test_a_backlog_that_is_done_is_asked_for_no_more(world) -> None:
    """Given a lane that once had a backlog.

    When nothing of it waits, then fresh events have the whole queue again and their
    attempts set off no claims.
    """
    webhook = await world.webhook()
    await world.emit(1)
    await world.egress.next()
    await world.emit(19)  # just what its queue takes
    assert world.dispatcher.queues.lanes[webhook.id].fresh_room == 0
    world.egress.script = lambda call: call.exchange.done() or call.answer()
    for call in list(world.egress.made):
        call.answer()
    await world.settled(20)
    for _ in range(2):
        await world.storage.reached("due_lanes")
    lane = world.dispatcher.queues.lanes[webhook.id]
    assert not lane.has_backlog
    assert lane.fresh_room == lane.capacity


async def test_a_congested_lane_keeps_no_more_than_its_window_allows(world) -> None:
    """When a receiver hangs, its surplus goes back to the database."""
    webhook = await world.webhook()
    await world.emit(20)
    calls = [await world.egress.next() for _ in range(4)]
    lane = world.dispatcher.queues.lanes[webhook.id]
    assert lane.queued > 4
    for call in calls:
        call.time_out()
    await world.storage.reached("settle")
    assert lane.window == 1
    assert lane.queued <= lane.capacity


async def test_a_lane_that_answers_slowly_of_late_releases_what_it_cannot_send_soon(
    world,
) -> None:
    """Given a long queue of a receiver that was quick.

    When it takes 9 s, without failing, then most of its queue waits in the database.
    """
    webhook = await world.webhook()
    world.egress.script = lambda call: call.answer()
    await world.emit(40)
    await world.settled(40)
    lane = world.dispatcher.queues.lanes[webhook.id]
    assert lane.capacity == 1_024
    world.egress.script = None
    await world.emit(500)
    assert lane.queued > 400

    async def answer_slowly() -> None:
        while True:
            call = await world.egress.next()
            if not call.exchange.done():
                call.answer(ms=9_000)

    answering = asyncio.create_task(answer_slowly())
    await world.storage.reached("release")
    answering.cancel()
    assert lane.queued <= lane.capacity == 64


async def test_hanging_receivers_with_large_bodies_leave_memory_for_the_others(make_world) -> None:
    """Given receivers that hang and have filled the memory.

    When they have timed out once, then a healthy receiver's events are attempted.
    """
    world = await make_world(limits={"queued_bytes": 20 * LARGE})
    for number in range(4):
        await world.webhook(f"https://hang{number}.example.com/", organization="org_2")
    await world.webhook("https://healthy.example.com/")
    await world.emit(40, size=LARGE, organization="org_2")
    for _ in range(4):
        await world.egress.next()
    world.egress.script = lambda call: (
        call.exchange.done() or (call.answer() if "healthy" in call.head else None)
    )
    (first,) = await world.emit()
    for call in [call for call in world.egress.made if "hang" in call.head]:
        call.time_out()
    await world.settled(1)
    (delivery,) = (await world.storage.event("org_1", first.id)).deliveries
    assert delivery.status == "delivered"


async def call_of(world, host: str):
    """The next call of this receiver; those of others stay without an answer."""
    while (call := await world.egress.next()).destination.host != host:
        pass
    return call


async def test_a_receiver_that_answers_well_but_slowly_leaves_memory_for_others(make_world) -> None:
    """Given a receiver whose window is wide open, and more large bodies for it than memory takes.

    When it takes long to answer, then its organization holds a quarter of the memory, and
    another one's event is attempted at once; when it has answered, then all of its own is.
    """
    world = await make_world(limits={"queued_bytes": 40 * LARGE})
    slow = await world.webhook("https://slow.example.com/", organization="org_2")
    await world.webhook("https://healthy.example.com/")
    world.egress.script = lambda call: call.answer()
    await world.emit(20, organization="org_2")
    await world.settled(20)
    assert world.dispatcher.queues.lanes[slow.id].fully_open
    world.egress.script = None
    await world.emit(60, size=LARGE, organization="org_2")
    assert 10 * LARGE <= world.budgets.queued_bytes.used < 12 * LARGE
    (further,) = await world.emit(size=LARGE, organization="org_2")
    assert not further.leased
    (accepted,) = await world.emit()
    assert accepted.leased
    (await call_of(world, "healthy.example.com")).answer()
    world.egress.script = lambda call: call.exchange.done() or call.answer()
    for call in world.egress.made:
        world.egress.script(call)
    await world.settled(82)


async def test_an_older_backlog_of_many_webhooks_keeps_nobody_from_being_claimed(
    make_world,
) -> None:
    """Given more work of one organization in the database than memory takes, longest due.

    When its receivers do not answer, then what another organization has waiting is attempted.
    """
    world = await make_world(start=False, limits={"queued_bytes": 40 * LARGE})
    for number in range(40):
        await world.webhook(f"https://slow{number}.example.com/", organization="org_2")
    await world.webhook("https://healthy.example.com/")
    for _ in range(2):
        await world.storage.accept([world.event(LARGE, organization="org_2")], None)
    await world.storage.accept([world.event()], None)
    await world.node.start()
    (await call_of(world, "healthy.example.com")).answer()
    assert world.budgets.queued_bytes.used < 12 * LARGE


async def test_while_memory_is_tight_lanes_hold_what_they_can_attempt_at_once(make_world) -> None:
    world = await make_world(limits={"queued_bytes": 40 * LARGE})
    for number in range(3):
        await world.webhook(f"https://slow{number}.example.com/", organization=f"slow_{number}")
        await world.emit(10, size=LARGE, organization=f"slow_{number}")
    assert world.budgets.queued_bytes.under_pressure
    webhook = await world.webhook("https://healthy.example.com/")
    answers = await world.emit(10)
    assert world.dispatcher.queues.lanes[webhook.id].queued == 4
    answers += await world.emit(10)
    assert [bool(one.leased) for one in answers[10:]] == [False] * 10
    world.egress.script = lambda call: call.exchange.done() or call.answer()
    for call in world.egress.made:
        world.egress.script(call)
    await world.settled(50)
    assert not world.budgets.queued_bytes.under_pressure


async def test_bodies_under_way_count_toward_the_memory(world) -> None:
    await world.webhook()
    await world.emit(size=LARGE)
    call = await world.egress.next()
    assert world.dispatcher.queues.queued == 0
    assert world.budgets.queued_bytes.used > LARGE
    call.answer()
    await world.settled(1)
    assert world.budgets.queued_bytes.used == 0
