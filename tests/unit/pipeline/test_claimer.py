"""Claimer: lanes without room do not delay the others, and claims give way to calls."""

import asyncio
import itertools

import pytest

from winnerr_webhooks.pipeline import claimer, foreground

HELD = 400


async def call_of(world, host: str):
    """The next call of this receiver."""
    while (call := await world.egress.next()).destination.host != host:
        pass
    return call


async def test_hundreds_of_held_lanes_keep_nobody_elses_work_waiting(make_world) -> None:
    """Given a provider that answers 429 to all webhooks of one organization, and more is due.

    Then nothing is claimed for them, however often is looked; and when another organization's
    delivery waits, the next claim is of just that one.
    """
    world = await make_world(start=False)
    for number in range(HELD):
        await world.webhook(f"https://held{number}.example.com/", organization="org_2")
    await world.webhook("https://healthy.example.com/")
    for _ in range(20):
        await world.storage.accept([world.event(organization="org_2")], None)
    world.egress.script = lambda call: (
        call.answer(429, Retry_After="3600") if "held" in call.head else None
    )
    await world.node.start()
    lanes = world.dispatcher.queues.lanes
    await world.until(
        lambda: len(lanes) == HELD and all(one.hold is not None for one in lanes.values())
    )
    await world.until(lambda: not world.dispatcher.queues.releaser._queue)
    for _ in range(3):
        await world.storage.reached("due_lanes")
    assert len((await world.storage.due_lanes(None, 1_000)).lanes) == HELD
    before = world.storage.counts["claim"]
    for _ in range(3):
        await world.storage.reached("due_lanes")
    assert world.storage.counts["claim"] == before
    asked = []

    async def note(claim) -> None:
        asked.append(len(claim.limits))

    world.storage.before["claim"] = note
    await world.storage.accept([world.event()], None)
    world.dispatcher.queues.backlog.request_poll()
    (await call_of(world, "healthy.example.com")).answer()
    assert asked == [1]


async def test_a_lane_is_claimed_of_again_without_a_look_when_it_has_room(
    no_polls, make_world, monkeypatch
) -> None:
    """Given a backlog of many claims, then one look finds its lane, and it drains."""
    monkeypatch.setattr(claimer, "BUSY_POLL", 3_600.0)
    world = await make_world(start=False)
    await world.webhook()
    for _ in range(5):
        await world.storage.accept([world.event() for _ in range(100)], None)
    world.egress.script = lambda call: call.answer()
    await world.node.start()
    await world.settled(500)
    assert world.storage.counts["due_lanes"] == 1
    assert world.storage.counts["claim"] > 2


async def test_while_calls_come_in_claims_are_small_and_leave_time_between(
    make_world, monkeypatch
) -> None:
    """Given a call just now, and a claim whose work took all the time since.

    Then the next claim waits until as much time was idle, or for LONGEST_PAUSE.
    """
    monkeypatch.setattr(foreground, "WINDOW", 3_600.0)
    world = await make_world(start=False)
    for number in range(10):
        await world.webhook(f"https://hook{number}.example.com/")
    await world.storage.accept([world.event() for _ in range(20)], None)
    loop = asyncio.get_running_loop()
    at: list[float] = []
    sizes: list[int] = []

    async def begins(_claim) -> None:
        at.append(loop.time())

    async def ends(claimed) -> None:
        sizes.append(len(claimed.deliveries))

    world.storage.before["claim"] = begins
    world.storage.after["claim"] = ends
    world.node._loops._claimer._busy = world.clock.monotonic
    world.node.foreground.note("org_9")
    await world.node.start()
    await world.until(lambda: len(sizes) >= 3)
    assert sizes[:2] == [claimer.FOREGROUND_LIMIT] * 2
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert min(gaps) >= 0.9 * claimer.LONGEST_PAUSE


@pytest.mark.parametrize("calls", [False, True])
async def test_without_work_nothing_is_claimed(make_world, calls) -> None:
    world = await make_world()
    await world.webhook()
    if calls:
        world.node.foreground.note("org_1")
    for _ in range(3):
        await world.storage.reached("due_lanes")
    assert "claim" not in world.storage.counts


async def test_a_poll_that_took_long_puts_the_next_one_off_for_seconds_only(world) -> None:
    """Given a poll that took a minute, because the machine or its disk stood still.

    When a delivery becomes due, then it is found within five seconds, and not ten minutes later.
    """
    await world.webhook()

    async def slow(*_args) -> None:
        del world.storage.before["due_lanes"]
        world.clock.elapsed += 60.0

    world.storage.before["due_lanes"] = slow
    await world.until(lambda: "due_lanes" not in world.storage.before)
    await world.storage.accept([world.event()], None)
    world.clock.elapsed += 5.0
    world.dispatcher.queues.backlog.request_poll()
    (await world.egress.next()).answer()
    await world.settled(1)
