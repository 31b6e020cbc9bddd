"""Settler: batches that the database does not take, and attempts that it never takes."""

import asyncio

import apsw
import pytest
import structlog

from winnerr_webhooks.domain.errors import Poisoned, TimedOut, Unavailable, Uncertain
from winnerr_webhooks.pipeline import settler
from winnerr_webhooks.pipeline.settler import SLOW


async def test_a_batch_that_cannot_be_stored_in_time_is_stored_in_parts(world) -> None:
    """Large answers over a slow line: the same batch again and again would never get through."""
    await world.webhook()
    await world.emit(4)
    calls = [await world.egress.next() for _ in range(4)]
    sizes = []

    async def slow(batch) -> None:
        sizes.append(len(batch))
        if len(batch) > 1:
            raise TimedOut("The database did not finish this in time.")

    world.storage.before["settle"] = slow
    for call in calls:
        call.answer()
    await world.settled(4)
    await world.until(lambda: world.metric("unrecorded") == 0)
    assert max(sizes) > 1


async def test_a_batch_that_fails_at_once_is_tried_again_whole(world) -> None:
    await world.webhook()
    await world.emit(4)
    calls = [await world.egress.next() for _ in range(4)]
    sizes = []

    async def away(batch) -> None:
        sizes.append(len(batch))
        if len(sizes) < 3:
            raise Unavailable("The database is away.")

    world.storage.before["settle"] = away
    for call in calls:
        call.answer()
    await world.settled(4)
    assert sizes[0] == sizes[1] == sizes[2]


async def test_delivery_goes_on_only_when_all_that_was_attempted_is_recorded(world) -> None:
    """What is not recorded could be claimed and sent a second time."""
    world.node.recorder._group._queue.limit = 1
    await world.webhook()
    await world.emit(4)
    calls = [await world.egress.next() for _ in range(4)]
    await world.storage.make_read_only(on=True)
    for call in calls:
        call.answer()
    await world.until_stalled()
    resumed = []

    def resume() -> None:
        resumed.append(world.node.recorder.unrecorded)

    world.node.signals.recording_resumed.connect(resume)
    await world.storage.make_read_only(on=False)
    await world.until(lambda: bool(resumed))
    assert resumed == [0]


async def test_a_settling_that_may_have_been_done_is_done_once(world) -> None:
    """The connection was lost during the commit: the batch comes again and changes nothing."""
    await world.webhook()
    (accepted,) = await world.emit()

    async def lose(_settled) -> None:
        del world.storage.after["settle"]
        raise Uncertain("lost in the middle")

    world.storage.after["settle"] = lose
    (await world.egress.next()).answer()
    await world.settled(1)
    await world.until(lambda: not world.node.recorder.unrecorded)
    delivery = await world.delivery(accepted.leased[0].id)
    assert len(delivery.attempts) == 1


@pytest.mark.parametrize("fault", [Poisoned("no"), apsw.SQLError("a fault of ours")])
async def test_an_attempt_that_cannot_be_recorded_stops_nobody_else(world, fault) -> None:
    await world.webhook()
    await world.emit(2)
    bad, good = await world.egress.next(), await world.egress.next()

    async def refuse(batch) -> None:
        if any(item.delivery.id == bad.delivery for item in batch):
            raise fault

    world.storage.before["settle"] = refuse
    bad.answer()
    await world.until(lambda: "settle" in world.storage.counts)
    good.answer()
    await world.settled(1)
    assert (await world.delivery(good.delivery)).status == "delivered"
    assert (await world.delivery(bad.delivery)).status == "pending"
    assert not world.node.recorder.stalled


@pytest.mark.parametrize("fault", [Poisoned("no"), apsw.SQLError("a fault of ours")])
async def test_delivery_goes_on_after_an_attempt_that_cannot_be_recorded_ever(world, fault) -> None:
    """Given an attempt whose settling has to wait for the database.

    When the database is back and refuses it, and nothing else waits to be settled, then other
    deliveries are attempted.
    """
    await world.webhook()
    await world.emit()
    call = await world.egress.next()
    errors = [fault, Unavailable("away")]
    seen = asyncio.Event()

    async def fail(_batch) -> None:
        if len(errors) == 1:
            await seen.wait()
        raise errors.pop()

    world.storage.before["settle"] = fail
    call.answer()
    await world.until_stalled()
    seen.set()
    await world.until(lambda: not errors)
    del world.storage.before["settle"]
    await world.until(lambda: world.node.readiness() is None)
    world.egress.script = lambda call: call.answer()
    await world.emit()
    await world.settled(1)
    await world.until(lambda: world.node.recorder.unrecorded == 0)


async def test_delivery_goes_on_when_the_last_half_of_a_refused_batch_is_recorded(world) -> None:
    await world.webhook()
    await world.emit(4)
    calls = [await world.egress.next() for _ in range(4)]
    bad, away, resumed = calls[1].delivery, [Unavailable("away")], []

    async def refuse(batch) -> None:
        if away:
            raise away.pop()
        if any(item.delivery.id == bad for item in batch):
            raise Poisoned("no")

    world.storage.before["settle"] = refuse
    world.node.signals.recording_resumed.connect(
        lambda: resumed.append(world.node.recorder.unrecorded)
    )
    for call in calls:
        call.answer()
    await world.settled(3)
    await world.until(lambda: bool(resumed))
    assert resumed == [0]
    assert not world.node.recorder.stalled


async def test_an_attempt_that_is_always_too_much_is_set_aside_and_stops_nobody_else(world) -> None:
    """Its lease runs out by itself; the database is not called away for it."""
    await world.webhook()
    await world.emit(4)
    calls = [await world.egress.next() for _ in range(4)]
    bad, tries = calls[2].delivery, []

    async def too_much(batch) -> None:
        assert not world.node.recorder.away
        if any(item.delivery.id == bad for item in batch):
            tries.append(len(batch))
            raise TimedOut("The database did not finish this in time.")

    world.storage.before["settle"] = too_much
    with structlog.testing.capture_logs() as lines:
        for call in calls:
            call.answer()
        await world.settled(3)
        world.egress.script = lambda call: call.answer()
        stored = 3
        while world.node.recorder.unrecorded:
            await world.emit()
            await world.settled(stored := stored + 1)
    assert tries.count(1) >= 3
    (told,) = [line for line in lines if "set aside" in line["event"]]
    assert (told["delivery"], told["organization"]) == (bad, "org_1")
    assert {"attempt", "webhook"} <= told.keys()
    assert (await world.delivery(bad)).status == "pending"
    assert not world.node.recorder.stalled
    assert world.metric("unrecorded") == 0


async def test_while_nothing_can_be_stored_in_time_no_attempt_is_blamed_and_none_is_lost(
    world, monkeypatch
) -> None:
    """A database that is slow for everybody says nothing about any attempt."""
    for wait in ("FIRST_WAIT", "LONGEST_WAIT"):  # what counts is how often it is tried
        monkeypatch.setattr(settler, wait, 0.0)
    await world.webhook()
    await world.emit(16)
    slow, tries = True, []

    async def settle(batch) -> None:
        tries.append(len(batch))
        if slow:
            raise TimedOut("The database did not finish this in time.")

    world.storage.before["settle"] = settle
    world.egress.script = lambda call: call.answer()
    for call in [world.egress.calls.get_nowait() for _ in range(world.egress.calls.qsize())]:
        call.answer() if not call.exchange.done() else None
    with structlog.testing.capture_logs() as lines:
        await world.until(lambda: len(tries) > 2 * SLOW)
        assert world.node.recorder.stalled
        assert not world.node.recorder.away
        slow = False
        await world.settled(16)
        await world.until(lambda: not world.node.recorder.unrecorded)
    assert not [line for line in lines if "set aside" in line["event"]]
    assert len({call.delivery for call in world.egress.made}) == len(world.egress.made) == 16


async def test_stopping_tries_to_record_until_its_time_is_over(world) -> None:
    """Given a database that comes back while the node stops, then what was made is recorded."""
    await world.webhook()
    await world.emit()
    call = await world.egress.next()
    tries = []

    async def away(_batch) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise Unavailable("The database is away.")

    world.storage.before["settle"] = away
    call.answer()
    await world.node.stop()
    assert len(tries) == 3
    await world.settled(1)
