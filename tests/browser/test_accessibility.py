"""Every page in every state: nothing for axe-core to find, nothing wider than a phone.

WCAG 2.2 AA and axe's best practices; light and dark, 1280 and 360 wide.
"""

import asyncio

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.thorough]


async def test_the_doors(visit, server, check):
    """Signed out, a link, a used link, signing in, and an address that does not exist."""
    page = await visit(role=None)
    await check(page)
    link = await server.ok("POST", "~/portal-sessions", {"role": "admin", "user": "Jane"})
    await page.goto(link["url"])
    await check(page)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()
    await check(page)
    await page.goto(link["url"])
    await check(page)
    await page.goto("/settings/webhooks/logs")
    await check(page)
    await page.goto("/settings/webhooks/no/such/page")
    await check(page)
    await page.goto("/settings/webhooks")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    await check(page)


async def test_the_form(visit, server, receiver, check):
    """Empty, with errors, with a URL that was checked, with a generated secret, on editing."""
    page = await visit("/new")
    await check(page)
    await page.get_by_label("Destination URL").fill("http://10.0.0.1/")
    await page.get_by_label("Description").focus()
    await expect(page.locator("#url-check")).not_to_be_empty()
    await page.get_by_label("Signature").select_option("none")
    await page.get_by_role("button", name="Generate").click()
    await expect(page.get_by_role("textbox", name="Secret")).not_to_have_value("")
    await expect(page.get_by_label("Signature")).to_have_value("hmac")
    await check(page)
    await page.get_by_role("textbox", name="Secret").fill("short")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#error-summary")).to_be_visible()
    await check(page)
    webhook = await server.webhook(
        receiver.url,
        filter={"data": {"amount": {"$gte": 100}, "title": {"$startsWith": "A long one " * 9}}},
        headers={"X-Tenant": "t-1"},
        ordered="data.id",
    )
    await page.goto(f"/settings/webhooks/{webhook['id']}/edit")
    await check(page)


async def test_a_webhook_in_every_state(visit, server, receiver, answer, check):
    """New, tested, failing, rotating, revealed, paused with missed events, about to be deleted."""
    name = "a-rather-long-name-of-a-customer-that-goes-on/and/on" * 4
    webhook = await server.webhook(
        f"{receiver.url}/{name}", generateSecret=True, description="The sales team's mirror " * 8
    )
    path = f"/{webhook['id']}"
    page = await visit(path)
    await check(page)
    await page.get_by_role("button", name="Send test event").click()
    await expect(page.get_by_text("Test event delivered")).to_be_visible()
    for part in ("", "/deliveries", "/settings", "/signing"):
        await page.goto(f"/settings/webhooks{path}{part}")
        await check(page)
    await page.get_by_text("Python", exact=True).click()
    await check(page)
    await page.get_by_text("Rotate the secret").click()
    await page.get_by_role("textbox", name="New secret").fill("short")
    await page.get_by_role("button", name="Rotate").click()
    await expect(page.get_by_role("textbox", name="New secret")).to_have_attribute(
        "aria-invalid", "true"
    )
    await check(page)
    await page.get_by_role("textbox", name="New secret").fill("")
    await page.get_by_role("button", name="Rotate").click()
    await expect(page.get_by_role("button", name="Switch now")).to_be_visible()
    await check(page)
    receiver.answer = lambda _request: answer(503)
    await server.emit()
    await server.until("~/deliveries?status=failed", lambda found: found["items"])
    await page.goto(f"/settings/webhooks{path}")
    await expect(page.get_by_text("See the first failure")).to_be_visible()
    await check(page)
    await page.goto("/settings/webhooks")
    await check(page)
    await page.goto(f"/settings/webhooks{path}")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("button", name="Resume")).to_be_visible()
    await server.emit()
    await page.reload()
    await expect(page.get_by_text("you missed")).to_be_visible()
    await check(page)
    await page.get_by_role("link", name="Delete").click()
    await check(page)


async def test_signature_check_and_receiver_check(visit, server, receiver, check):
    """Empty, with errors, with mistakes, valid; before a check, and a report card."""
    webhook = await server.webhook(receiver.url, generateSecret=True)
    page = await visit(f"/{webhook['id']}/signature-check")
    await check(page)
    await page.get_by_role("button", name="Check signature").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await check(page)
    await page.get_by_label("Body").fill('{"event": "contact.created", "data": {}}\n')
    await page.get_by_label("Headers or signature").fill("X-Winnerr-Signature: " + "ab" * 32)
    await page.get_by_role("button", name="Check signature").click()
    await expect(page.get_by_role("heading", name="prefix")).to_be_visible()
    await check(page)
    await page.goto(f"/settings/webhooks/{webhook['id']}/check-receiver")
    await check(page)
    await page.get_by_role("button", name="Check receiver").click()
    await expect(page.get_by_role("heading", name="1 problem, 1 risk")).to_be_visible()
    await check(page)


async def test_the_log_and_its_attempts(visit, server, receiver, answer, check):
    """Empty, filtered to nothing, wrong filters, full, an attempt that failed, one that did not."""
    page = await visit("/logs")
    await check(page)
    await server.webhook(receiver.url)
    await page.goto("/settings/webhooks/logs?q=nothing-has-this")
    await check(page)
    await page.goto("/settings/webhooks/logs?status=banana&event=deal.lost&slower=fast")
    await check(page)
    await server.emit("deal.closed_won", data={"title": "A long one " * 90})
    await receiver.wait_for(1)
    failure = answer(503, {"Content-Type": "text/html"}, b"<html>upstream timed out</html>" * 30)
    receiver.answer = lambda _request: failure
    await server.emit()
    await server.until("~/deliveries?status=failed", lambda found: found["items"])
    page = await visit("/logs")
    await expect(page.locator("#rows > tr")).to_have_count(5)
    await check(page)
    await page.locator("#rows .result a").first.click()
    await expect(page.locator("#attempt-title")).to_be_focused()
    await check(page)
    await page.get_by_role("link", name="Compare…").click()
    await expect(page.get_by_role("heading", name="Compare two attempts")).to_be_visible()
    await check(page)
    await page.goto("/settings/webhooks/logs/replay?status=5xx&q=timed")
    await expect(page.get_by_role("button", name="Replay 1 delivery")).to_be_visible()
    await check(page)
    await page.get_by_role("button", name="Replay 1 delivery").click()
    await expect(page.get_by_text("Replay requested for 1 delivery.")).to_be_visible()
    await check(page)
    await page.goto("/settings/webhooks/logs")
    await page.locator("#rows .result.is-bad a").first.click()
    await expect(page.locator("#attempt-title")).to_be_focused()
    await page.reload()
    await check(page)
    await page.goto("/settings/webhooks/logs")
    await page.locator("#rows .result.is-ok a").click()
    await expect(page.locator("#attempt-title")).to_contain_text("200")
    await page.reload()
    await check(page)
    await page.goto("/settings/webhooks/logs")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await check(page)


async def test_replaying_all_that_failed(visit, server, receiver, answer, check):
    """Nothing to replay, a count, the progress."""
    page = await visit("/logs/replay")
    await check(page)
    await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(503)
    await server.emit()
    await server.until("~/deliveries?status=failed", lambda found: found["items"])
    await page.reload()
    await check(page)
    receiver.answer = lambda _request: answer()
    await page.get_by_role("button", name="Replay 1 delivery").click()
    await expect(page.get_by_text("1 of 1 done.")).to_be_visible()
    await check(page)


async def test_what_a_viewer_sees(visit, server, receiver, check):
    page = await visit(role="viewer")
    await check(page)
    webhook = await server.webhook(receiver.url)
    await server.emit()
    (attempt,) = (await server.until("~/logs", lambda found: found["items"]))["items"]
    for path in ("", f"/{webhook['id']}", f"/logs/{attempt['id']}"):
        await page.goto(f"/settings/webhooks{path}")
        await check(page)


async def test_recovering_what_was_missed(visit, server, receiver, answer, check):
    """Nothing to recover, a count, a wrong time, the progress, and its line on the webhook."""
    webhook = await server.webhook(receiver.url)
    page = await visit(f"/{webhook['id']}/recover")
    await check(page)
    receiver.answer = lambda _request: answer(503)
    await server.emit()
    await server.until("~/deliveries?status=failed", lambda found: found["items"])
    await page.goto(f"/settings/webhooks/{webhook['id']}/recover?since=nonsense")
    await check(page)
    await page.goto(f"/settings/webhooks/{webhook['id']}/recover")
    await check(page)
    receiver.answer = lambda _request: answer()
    await page.get_by_role("button", name="Recover 1 delivery").click()
    await expect(page.get_by_text("Done.")).to_be_visible()
    await check(page)
    await page.goto(f"/settings/webhooks/{webhook['id']}/deliveries")
    await expect(page.get_by_text("1 delivered, 0 failed again")).to_be_visible()
    await check(page)


async def test_the_activity(visit, server, receiver, check):
    """Nothing that matches, and entries of a key and a user, with changes and a deleted webhook."""
    webhook = await server.webhook("http://127.0.0.1:9/" + "long-path/" * 20, description="A")
    path = f"~/webhooks/{webhook['id']}"
    await server.ok("PATCH", path, {"name": "Data warehouse", "events": ["contact.created"]})
    page = await visit("/activity")
    await expect(page.get_by_role("table").get_by_text("Edited the webhook")).to_be_visible()
    await check(page)
    await page.get_by_label("Who").fill("Nobody")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.get_by_role("heading", name="No matching entries")).to_be_visible()
    await check(page)
    await server.ok("DELETE", path)
    await page.goto("/settings/webhooks/activity?action=webhook.deleted")
    await expect(page.get_by_text("deleted", exact=True).first).to_be_visible()
    await check(page)


async def test_the_alerts(visit, check):
    """The form as it begins, with a wrong address, and saved."""
    page = await visit("/alerts")
    await check(page)
    await page.get_by_label("Mail addresses").fill("nonsense")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("is no mail address")).to_be_visible()
    await expect(page.get_by_label("Mail addresses")).to_be_focused()
    await check(page)
    await page.get_by_label("Mail addresses").fill("jane@example.com")
    await page.get_by_label("The retries of deliveries are used up").check()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("The alerts were saved.")).to_be_visible()
    await expect(page.get_by_label("Mail addresses")).to_have_value("jane@example.com")
    await check(page)


async def test_a_rehearsal(visit, server, receivers, answer, check):
    """Nothing to rehearse, the form with an error, a rehearsal that runs, and its answers."""
    receiver, other = await receivers(), await receivers()
    webhook = await server.webhook(receiver.url)
    page = await visit(f"/{webhook['id']}/rehearse")
    await check(page)
    for number in range(3):
        await server.emit(data={"n": number})
    await server.until("~/deliveries?status=delivered", lambda found: len(found["items"]) == 3)
    await page.goto(f"/settings/webhooks/{webhook['id']}/rehearse")
    await page.get_by_label("Other URL").fill("not a URL")
    await page.get_by_role("button", name="Rehearse").click()
    await expect(page.locator("#url-error")).to_be_visible()
    await check(page)
    gate = asyncio.Event()

    async def second_waits(_request):
        if len(other.requests) > 1:
            await gate.wait()
        return answer(500)

    other.answer = second_waits
    await page.get_by_label("Other URL").fill(other.url)
    await page.get_by_role("button", name="Rehearse").click()
    await other.wait_for(2)
    await expect(page.get_by_role("button", name="Stop sending")).to_be_visible()
    await check(page)
    gate.set()
    await expect(page.get_by_text("Done.")).to_be_visible()
    await check(page)


async def test_the_event_types(visit, server, receiver, check):
    """The list with one that is open, and the choice of a webhook to send it to."""
    await server.webhook(receiver.url)
    page = await visit("/event-types")
    await check(page)
    await page.locator("summary").first.click()
    await check(page)
    await page.get_by_role("link", name="Send this to a webhook contact.created").click()
    await check(page)
    await page.get_by_role("button", name="Send test event").click()
    await expect(page.locator("#test")).to_be_visible()
    await check(page)


async def test_an_event_and_its_replays(visit, server, receiver, answer, check):
    """Delivered, failed and paused, with a menu open; and after a replay."""
    long = await server.webhook(receiver.url + "/" + "long-path/" * 20, name="Warehouse")
    await server.webhook(receiver.url)
    accepted = await server.emit()
    event = f"~/events/{accepted['id']}"
    await server.until(
        event, lambda found: all(one["status"] == "delivered" for one in found["deliveries"])
    )
    await server.ok("PATCH", f"~/webhooks/{long['id']}", {"status": "paused"})
    page = await visit(f"/events/{accepted['id']}")
    await check(page)
    await page.get_by_text("Replay to all…").click()
    await expect(page.get_by_role("button", name="Replay to 1 webhook")).to_be_visible()
    await check(page)
    await page.get_by_role("button", name="Replay to 1 webhook").click()
    await expect(page.get_by_text("Replay requested for 1 delivery.")).to_be_visible()
    await check(page)


async def test_a_long_list_and_a_test_with_data_of_its_own(visit, server, receiver, check):
    """Chips, search without a result, pages; the form with an example and with an error."""
    for number in range(60):
        url = f"http://127.0.0.1:{9 + number}/" + "long-path/" * (number % 30)
        await server.webhook(url, description="word " * (number % 90) or None)
    page = await visit()
    await expect(page.get_by_text("1 to 50 of 60")).to_be_visible()
    await check(page)
    await page.get_by_role("link", name="Next").click()
    await expect(page.get_by_text("51 to 60 of 60")).to_be_visible()
    await page.get_by_label("Search by name, URL or description").fill("nothing like this")
    await page.get_by_role("button", name="Search").click()
    await expect(page.get_by_role("heading", name="No matching webhooks")).to_be_visible()
    await check(page)
    await page.goto("/settings/webhooks?q=:9/")
    await page.locator(".webhook-url a").first.click()
    await page.get_by_role("link", name="Edit payload…").click()
    await check(page)
    await page.get_by_label("Data of").fill("{oops")
    await page.get_by_role("button", name="Send test event").click()
    await expect(page.get_by_text("This is not JSON")).to_be_visible()
    await check(page)
