"""Dispatch: every webhook has a lane; no lane is stuck for ever, none takes what others need."""

import asyncio

import apsw
import pytest

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.storage.values import WebhookChange

LARGE = 200_000


async def test_an_accepted_event_is_attempted_without_a_claim(make_world) -> None:
    world = await make_world(start=False)
    await world.webhook()
    (accepted,) = await world.emit()
    call = await world.egress.next()
    assert call.delivery == accepted.leased[0].id
    call.answer()
    await world.settled(1)
    assert "claim" not in world.storage.counts


async def test_an_edit_during_the_reading_of_a_webhook_is_not_lost(world) -> None:
    """Given a lane whose configuration is being read.

    When the webhook is edited meanwhile, then the next attempt goes to the new URL, at
    once.
    """
    webhook = await world.webhook()
    edited = asyncio.Event()

    async def edit(_targets) -> None:
        if not edited.is_set():
            edited.set()
            await world.change(webhook, url="https://new.example.com/")

    world.storage.after["targets"] = edit
    await world.emit()
    call = await world.egress.next()
    assert call.destination.host == "new.example.com"


async def test_an_edit_of_an_idle_lane_that_is_being_read_is_not_lost(world) -> None:
    webhook = await world.webhook()
    held = asyncio.Event()

    async def hold(_targets) -> None:
        lane = world.dispatcher.queues.lanes[webhook.id]
        world.dispatcher.queues.shed(lane, 0)  # as a hold does
        await world.change(webhook, url="https://new.example.com/")
        del world.storage.after["targets"]
        held.set()

    world.storage.after["targets"] = hold
    await world.emit()
    await held.wait()
    await world.emit()
    call = await world.egress.next()
    assert call.destination.host == "new.example.com"


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


def answer_all_after(world, count: int) -> None:
    """Answer every call but the first `count`, as soon as it is made.

    A test that sets this before a receiver asks for a second's pause depends on no clock: on a busy
    machine the pause may be over before the test goes on.
    """
    world.egress.script = lambda call: call.answer() if len(world.egress.made) > count else None


async def test_a_held_lane_releases_its_queue_and_delivers_it_after_the_hold(world) -> None:
    webhook = await world.webhook()
    answer_all_after(world, 4)
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


async def test_a_webhook_that_cannot_be_read_stops_nobody_else(world) -> None:
    """Given a webhook whose stored secret is damaged.

    When it and another have work, then the other's is delivered and its own waits.
    """
    broken = await world.webhook("https://broken.example.com/", secret="a secret of some length")
    await world.storage.storage._threads.write(
        lambda db: db.apsw.execute(
            "UPDATE webhook SET secret = x'0102030405060708' WHERE id = ?", (broken.id,)
        )
    )
    await world.webhook("https://fine.example.com/")
    await world.emit()
    call = await world.egress.next()
    assert call.destination.host == "fine.example.com"
    call.answer()
    await world.settled(1)
    await world.emit()
    assert (await world.egress.next()).destination.host == "fine.example.com"


async def test_what_a_repaired_webhook_had_waiting_is_delivered(world) -> None:
    webhook = await world.webhook(secret="a secret of some length")
    sealed = await world.storage.storage._threads.write(
        lambda db: db.apsw.execute("SELECT secret FROM webhook").fetchone()[0]
    )
    await world.storage.storage._threads.write(
        lambda db: db.apsw.execute("UPDATE webhook SET secret = x'0102030405060708'")
    )
    await world.emit()
    await world.storage.reached("release")
    await world.storage.storage._threads.write(
        lambda db: db.apsw.execute("UPDATE webhook SET secret = ?", (sealed,))
    )
    await world.change(webhook, description="repaired")
    assert (await world.egress.next()).header("X-Winnerr-Signature")


async def test_a_webhook_deleted_while_it_is_read_drops_its_lane(world) -> None:
    webhook = await world.webhook()

    async def delete(*_args) -> None:
        del world.storage.before["targets"]
        await world.storage.delete_webhook("org_1", webhook.id)
        world.node.signals.webhook_changed(webhook.id)

    world.storage.before["targets"] = delete
    (accepted,) = await world.emit()
    await world.storage.reached("release")
    assert len(world.dispatcher.queues.lanes) == 0
    assert world.dispatcher.queues.queued == 0
    await world.settled(1)
    assert (await world.delivery(accepted.leased[0].id)).status == "cancelled"


async def test_a_pause_and_a_resume_leave_the_lane_running(world) -> None:
    webhook = await world.webhook()
    await world.emit(10)
    under_way = [await world.egress.next() for _ in range(4)]
    await world.change(webhook, status="paused")
    await world.change(webhook, status="active")
    await world.emit(3)
    world.egress.script = lambda call: call.exchange.done() or call.answer()
    for call in under_way:
        call.answer()
    await world.settled(13)
    assert world.dispatcher.queues.queued == 0


async def test_what_a_pause_cancelled_is_not_sent_after_a_resume(world) -> None:
    """Given four attempts in flight and six that wait, when the webhook is paused and resumed."""
    webhook = await world.webhook()
    await world.emit(10)
    under_way = [await world.egress.next() for _ in range(4)]
    await world.change(webhook, status="paused")
    await world.until(lambda: world.dispatcher.queues.queued == 0)
    await world.change(webhook, status="active")
    for call in under_way:
        call.answer()
    await world.settled(10)
    assert len(world.egress.made) == 4


async def test_a_test_of_a_paused_webhook_is_sent_at_once(world) -> None:
    webhook = await world.webhook()
    await world.change(webhook, status="paused")
    released = []

    async def note(deliveries) -> None:
        released.extend(deliveries)

    world.storage.before["release"] = note
    await world.node.intake.send_test(world.event(), webhook.id)
    (await world.egress.next()).answer()
    await world.settled(1)
    assert released == []


async def test_a_test_of_a_paused_webhook_survives_a_crash(make_world, open_storage) -> None:
    """Given a test delivery in flight when the process died, then the next process sends it."""
    world = await make_world(start=False)
    webhook = await world.webhook()
    await world.storage.change_webhook("org_1", webhook.id, WebhookChange(status="paused"))
    await world.storage.send_test(world.event(), webhook.id, world.dispatcher.lease_terms())
    await world.node.start()
    call = await world.egress.next()
    assert call.header("X-Winnerr-Test") == "true"


async def test_an_attempt_that_crashes_does_not_stop_its_lane(world) -> None:
    await world.webhook()

    def crash(call) -> None:
        world.egress.script = None
        call.exchange.set_exception(RuntimeError("a fault of ours"))

    world.egress.script = crash
    await world.emit(2)
    await world.egress.next()
    (await world.egress.next()).answer()
    await world.settled(1)
    assert world.dispatcher.in_flight == 0


async def test_what_is_released_while_the_database_is_away_is_released_later(world) -> None:
    await world.webhook()
    answer_all_after(world, 4)
    await world.emit(6)
    calls = [await world.egress.next() for _ in range(4)]
    away = asyncio.Event()

    async def fail(*_args) -> None:
        away.set()
        raise_ = world.storage.before.pop("release")
        assert raise_ is fail
        raise world_unavailable()

    world.storage.before["release"] = fail
    calls[0].answer(503, Retry_After="1")
    await away.wait()
    for call in calls[1:]:
        call.answer()
    await world.settled(6)


def world_unavailable() -> Exception:
    from winnerr_webhooks.domain.errors import Unavailable

    return Unavailable("away")


async def test_a_fault_while_giving_back_does_not_end_giving_back(world) -> None:
    """Given a batch that cannot be released, when others are, then those are free again."""
    webhook = await world.webhook()
    await world.emit(6)
    calls = [await world.egress.next() for _ in range(4)]

    async def fail(*_args) -> None:
        del world.storage.before["release"]
        raise apsw.SQLError("a fault of ours")

    world.storage.before["release"] = fail
    calls[0].answer(503, Retry_After="60")
    await world.storage.reached("settle")
    assert world.dispatcher.queues.lanes[webhook.id].hold is not None
    for call in calls[1:]:
        call.answer()
    await world.settled(3)


async def offered_at_once(world, count: int, size: int = 0) -> list[LeasedDelivery]:
    """Deliveries of one commit, however little room their lane has."""
    events = [world.event(size=size) for _ in range(count)]
    answers = await world.storage.accept(events, world.dispatcher.lease_terms())
    leased = [delivery for answer in answers for delivery in answer.leased]
    for delivery in leased:
        delivery.expires = world.clock.monotonic() + 60
    world.dispatcher.add_accepted(leased)
    return leased


async def test_much_is_released_in_slices_that_a_statement_has_time_for(world) -> None:
    await world.webhook()
    released = []

    async def look(batch) -> None:
        released.append([delivery.id for delivery in batch])

    world.storage.before["release"] = look
    leased = await offered_at_once(world, 600)
    await world.until(lambda: sum(map(len, released)) == 600 - 32)
    assert max(map(len, released)) == 500
    ids = [id_ for batch in released for id_ in batch]
    assert ids == [delivery.id for delivery in leased[32:]]


@pytest.mark.parametrize("size", [0, LARGE])
async def test_what_is_released_holds_no_body(world, size) -> None:
    await world.webhook()
    seen = []

    async def look(batch) -> None:
        seen.extend(batch)

    world.storage.before["release"] = look
    await offered_at_once(world, 40, size)
    await world.until(lambda: len(seen) == 8)
    assert all(not delivery.body for delivery in seen)
