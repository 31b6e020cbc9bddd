"""Dispatch: a lane for each webhook; what happens to a webhook stops neither it nor others."""

import asyncio

from winnerr_webhooks.storage.values import WebhookChange


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
