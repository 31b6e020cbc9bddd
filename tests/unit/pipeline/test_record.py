"""Record: an attempt that was made is recorded, whatever becomes of the database meanwhile."""

import asyncio

import apsw
import pytest
import structlog

from winnerr_webhooks.domain.errors import Poisoned, TimedOut, Unavailable, Uncertain
from winnerr_webhooks.pipeline import record, settler
from winnerr_webhooks.pipeline.node import CLOSING_SECONDS
from winnerr_webhooks.pipeline.settler import SLOW


async def until_stalled(world) -> None:
    """Return when a settling has failed."""
    await world.until(lambda: world.node.recorder.stalled)


async def test_a_read_only_database_pauses_delivery_and_both_resume_by_themselves(world) -> None:
    """Given attempts in flight.

    When every write fails, then they are kept, events are refused, nothing is attempted;
    when writes work again, then all is recorded, once.
    """
    await world.webhook()
    await world.emit(4)
    calls = [await world.egress.next() for _ in range(4)]
    await world.storage.make_read_only(on=True)
    for call in calls:
        call.answer()
    await until_stalled(world)
    with pytest.raises(Unavailable) as refusal:
        await world.emit()
    assert refusal.value.retry_after > 0
    assert world.dispatcher.in_flight == 0
    assert world.metric("unrecorded") == 4
    assert world.metric("attempt_duration_seconds_count") == 0  # those in the log are counted
    assert world.node.readiness() is not None

    await world.storage.make_read_only(on=False)
    await world.settled(4)
    assert len({call.delivery for call in world.egress.made}) == len(world.egress.made) == 4
    await world.until(lambda: world.node.readiness() is None)
    assert world.metric("unrecorded") == 0
    assert world.metric("attempt_duration_seconds_count") == 4
    world.egress.script = lambda call: call.answer()
    await world.emit()
    await world.settled(5)


async def test_a_database_that_is_only_slow_is_not_called_away(make_world) -> None:
    """Given more attempts than may be unrecorded, then it pauses, but is ready; and it goes on."""
    world = await make_world(limits={"unrecorded_attempts": 2})
    await world.webhook()
    await world.emit(4)
    calls = [await world.egress.next() for _ in range(4)]
    go = asyncio.Event()

    async def slow(_batch) -> None:
        await go.wait()

    world.storage.before["settle"] = slow
    for call in calls:
        call.answer()
    await until_stalled(world)
    assert world.node.readiness() is None
    go.set()
    await world.settled(4)
    await world.until(lambda: not world.node.recorder.stalled)


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
    await until_stalled(world)
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
    await until_stalled(world)
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


async def test_stopping_while_the_database_is_away_ends(make_world) -> None:
    """What could not be recorded is attempted again by the next process."""
    world = await make_world(delivery_timeout=1)
    world.budgets.stop_seconds = CLOSING_SECONDS + 2
    await world.webhook()
    await world.emit()
    call = await world.egress.next()
    await world.storage.make_read_only(on=True)
    call.answer()
    await until_stalled(world)
    async with asyncio.timeout(60):
        await world.node.stop()
    await world.storage.make_read_only(on=False)
    assert await world.storage.recover() == 1


async def test_a_recorded_attempt_keeps_no_body_in_memory(world) -> None:
    await world.webhook()
    await world.emit(size=10_000)
    call = await world.egress.next()
    bodies = []

    async def look(batch) -> None:
        bodies.extend(item.delivery.body for item in batch)

    world.storage.before["settle"] = look
    call.answer()
    await world.settled(1)
    assert bodies == [b""]


async def test_a_410_stops_what_waits_of_the_webhook(world) -> None:
    webhook = await world.webhook()
    await world.emit(10)
    calls = [await world.egress.next() for _ in range(4)]
    calls[0].answer(410)

    async def disabled() -> bool:
        return (await world.storage.webhook("org_1", webhook.id)).status == "disabled"

    await world.until(disabled)
    await world.until(lambda: not world.node.recorder.unrecorded)  # the node has heard of it
    for call in calls[1:]:
        call.answer()
    await world.settled(9)
    await world.until(lambda: world.dispatcher.queues.queued == 0)
    assert len(world.egress.made) < 10


@pytest.mark.parametrize("edited", ["before the attempt", "during the attempt"])
async def test_a_410_is_about_the_webhook_that_the_attempt_was_made_for(world, edited) -> None:
    """Given a delivery leased before its webhook was edited.

    When the URL it is sent to answers 410, then the webhook is disabled, unless that URL is the
    one from before an edit made meanwhile.
    """
    webhook = await world.webhook()
    await world.emit(5)
    calls = [await world.egress.next() for _ in range(4)]
    if edited == "before the attempt":
        await world.change(webhook, url="https://new.example.com/")
    calls[0].answer()
    gone = await world.egress.next()
    if edited == "during the attempt":
        await world.change(webhook, url="https://new.example.com/")
    gone.answer(410)

    async def recorded() -> bool:
        return bool((await world.delivery(gone.delivery)).attempts)

    await world.until(recorded)
    seen = await world.storage.webhook("org_1", webhook.id)
    assert (gone.destination.host == "new.example.com") == (edited == "before the attempt")
    assert seen.status == ("disabled" if edited == "before the attempt" else "active")


async def test_what_follows_from_attempts_may_fail_without_their_coming_again(world) -> None:
    await world.webhook()
    await world.emit(4)
    calls = [await world.egress.next() for _ in range(4)]
    failed = []

    def fail(seconds: float) -> None:
        failed.append(seconds)
        raise RuntimeError("a fault of ours")

    world.node.signals.work_due.connect(fail)
    for call in calls:
        call.answer(500)
    await world.until(lambda: bool(failed) and world.node.recorder.unrecorded <= 0)
    assert world.node.recorder.unrecorded == 0
    assert world.storage.counts["settle"] <= min(len(failed), len(calls))  # polls fail by it, too
    for call in calls:
        assert len((await world.delivery(call.delivery)).attempts) == 1


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


async def test_large_answers_are_cut_while_many_wait_to_be_recorded(make_world) -> None:
    """Given answers over half of the bytes budget, then later ones are logged cut; none stalls."""
    world = await make_world(limits={"unrecorded_bytes": 50_000})
    await world.webhook()
    await world.emit(4)
    calls = [await world.egress.next() for _ in range(4)]
    go, seen = asyncio.Event(), []

    async def hold(batch) -> None:
        seen.extend(batch)
        await go.wait()

    world.storage.before["settle"] = hold
    for call in calls:
        call.answer()
        call.exchange.result().response_body = b"x" * 16_000
    await world.until(lambda: world.node.recorder.unrecorded == 4)
    assert not world.node.recorder.stalled
    assert world.budgets.unrecorded_bytes.used < 50_000
    go.set()
    await world.settled(4)
    await world.until(lambda: not world.node.recorder.unrecorded)
    assert world.budgets.unrecorded_bytes.used == 0
    answers = [item.record.exchange for item in seen]
    assert sorted(len(one.response_body) for one in answers) == [1_024, 1_024, 1_024, 16_000]
    assert [one.truncated for one in answers if len(one.response_body) == 1_024] == [True] * 3


async def test_attempts_that_are_too_many_bytes_pause_delivery_until_they_are_recorded(
    make_world,
) -> None:
    world = await make_world(limits={"unrecorded_bytes": 3_000})
    await world.webhook()
    await world.emit(2)
    calls = [await world.egress.next() for _ in range(2)]
    go = asyncio.Event()

    async def hold(_batch) -> None:
        await go.wait()

    world.storage.before["settle"] = hold
    for call in calls:
        call.answer()
    await until_stalled(world)
    assert world.budgets.unrecorded_bytes.refused == 1
    assert world.node.readiness() is None
    go.set()
    await world.until(lambda: not world.node.recorder.stalled)


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


async def test_what_somebody_waits_for_is_recorded_at_once(make_world, monkeypatch) -> None:
    monkeypatch.setattr(record, "GATHER_SECONDS", 3_600.0)
    world = await make_world()
    webhook = await world.webhook()
    test = await world.node.intake.send_test(world.event(), webhook.id)
    (await world.egress.next()).answer()
    await world.settled(1)
    assert (await world.delivery(test.leased[0].id)).status == "delivered"


async def test_an_attempt_whose_lease_is_nearly_over_is_recorded_at_once(
    make_world, monkeypatch
) -> None:
    """A process that slept wakes up: its deliveries would soon be claimed again."""
    monkeypatch.setattr(record, "GATHER_SECONDS", 3_600.0)
    world = await make_world()
    await world.webhook()
    await world.emit()
    call = await world.egress.next()
    world.clock.elapsed = 57.0
    call.answer()
    await world.settled(1)


async def test_attempts_wait_for_others_and_share_a_commit_which_a_stop_makes_at_once(
    make_world, monkeypatch
) -> None:
    """At a low rate too: no caller waits for the record, and each commit costs the same."""
    monkeypatch.setattr(record, "GATHER_SECONDS", 3_600.0)
    world = await make_world()
    await world.webhook()
    accepted = await world.emit(3)
    for _ in range(3):
        (await world.egress.next()).answer()
    await world.until(lambda: world.metric("unrecorded") == 3)
    await world.node.stop()
    assert world.storage.counts["settle"] == 1
    for one in accepted:
        assert (await world.delivery(one.leased[0].id)).status == "delivered"
