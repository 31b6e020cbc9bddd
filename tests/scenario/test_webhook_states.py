"""What becomes of deliveries when a webhook is paused, disabled, edited or deleted."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_a_pause_missed_is_kept_and_sent_on_request(server, receiver) -> None:
    hook = await server.webhook(receiver.url)
    path = f"~/webhooks/{hook['id']}"
    assert (await server.ok("PATCH", path, {"status": "paused"}))["status"] == "paused"
    event = await server.emit()
    assert event["deliveries"] == 0
    (kept,) = (await server.ok("GET", f"~/events/{event['id']}"))["deliveries"]
    assert kept["status"] == "cancelled"
    status, _ = await server.call("POST", f"~/deliveries/{kept['id']}/replay")
    assert status == 409
    await server.ok("PATCH", path, {"status": "active", "replayCancelled": True})
    (got,) = await receiver.wait_for(1)
    assert got["X-Winnerr-Delivery"] == kept["id"]
    await server.delivery(kept["id"], "delivered")


async def test_waiting_deliveries_of_a_paused_webhook_become_cancelled(
    server, receiver, answer
) -> None:
    hook = await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(503, {"Retry-After": "1800"})
    event = await server.emit()
    await receiver.wait_for(1)
    await server.until("~/logs", lambda page: page["items"])
    await server.ok("PATCH", f"~/webhooks/{hook['id']}", {"status": "paused"})
    await server.until(
        f"~/events/{event['id']}", lambda e: e["deliveries"][0]["status"] == "cancelled"
    )


async def test_an_answer_of_410_disables_the_webhook_and_says_why(server, receiver, answer) -> None:
    hook = await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(410)
    await server.emit()
    gone = await server.until(f"~/webhooks/{hook['id']}", lambda w: w["status"] == "disabled")
    assert "410" in gone["statusReason"]
    assert (await server.emit())["deliveries"] == 0
    again = await server.ok("PATCH", f"~/webhooks/{hook['id']}", {"status": "active"})
    assert (again["status"], again["statusReason"]) == ("active", None)


async def test_an_edited_webhook_gets_its_waiting_deliveries_at_the_new_url(
    make_server, receivers, answer
) -> None:
    old, new = await receivers(), await receivers()
    server = await make_server(RETRY_SCHEDULE="1,1,1")
    hook = await server.webhook(old.url)
    old.answer = lambda _request: answer(500)
    await server.emit()
    await old.wait_for(1)
    await server.ok("PATCH", f"~/webhooks/{hook['id']}", {"url": new.url, "description": "moved"})
    (got,) = await new.wait_for(1)
    assert got["X-Winnerr-Attempt"] == str(len(old.requests) + 1)
    assert got.body == old.requests[0].body


async def test_a_test_event_goes_out_even_while_paused_and_says_that_it_is_one(
    server, receiver
) -> None:
    hook = await server.webhook(receiver.url, events=["task.created"])
    await server.ok("PATCH", f"~/webhooks/{hook['id']}", {"status": "paused"})
    sent = await server.ok("POST", f"~/webhooks/{hook['id']}/test", {"event": "deal.closed_won"})
    (got,) = await receiver.wait_for(1)
    assert got["X-Winnerr-Test"] == "true"
    assert got["X-Winnerr-Event"] == "deal.closed_won"
    delivery = await server.delivery(sent["deliveryId"], "delivered")
    assert delivery["attempts"][0]["trigger"] == "test"


async def test_a_deleted_webhook_keeps_its_log_but_cannot_be_replayed(server, receiver) -> None:
    hook = await server.webhook(receiver.url)
    await server.emit()
    await receiver.wait_for(1)
    page = await server.until("~/logs", lambda page: page["items"])
    assert (await server.call("DELETE", f"~/webhooks/{hook['id']}"))[0] == 204
    assert (await server.call("GET", f"~/webhooks/{hook['id']}"))[0] == 404
    attempt = await server.ok("GET", f"~/logs/{page['items'][0]['id']}")
    assert attempt["webhookId"] == hook["id"]
    status, problem = await server.call("POST", f"~/logs/{attempt['id']}/replay")
    assert status == 409
    assert problem["detail"]
    assert (await server.emit())["deliveries"] == 0
