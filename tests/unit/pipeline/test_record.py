"""Record: when attempts are recorded, and what delivery does while they cannot be."""

import asyncio

import pytest

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.pipeline import record
from winnerr_webhooks.pipeline.node import CLOSING_SECONDS


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
    await world.until_stalled()
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
    await world.until_stalled()
    assert world.node.readiness() is None
    go.set()
    await world.settled(4)
    await world.until(lambda: not world.node.recorder.stalled)


async def test_stopping_while_the_database_is_away_ends(make_world) -> None:
    """What could not be recorded is attempted again by the next process."""
    world = await make_world(delivery_timeout=1)
    world.budgets.stop_seconds = CLOSING_SECONDS + 2
    await world.webhook()
    await world.emit()
    call = await world.egress.next()
    await world.storage.make_read_only(on=True)
    call.answer()
    await world.until_stalled()
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
    await world.until_stalled()
    assert world.budgets.unrecorded_bytes.refused == 1
    assert world.node.readiness() is None
    go.set()
    await world.until(lambda: not world.node.recorder.stalled)


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
