"""What a browser must never do, and what a viewer must never be able to."""

from typing import Any

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = (
    b"<!doctype html><script>window.stolen = 1; alert('from the response')</script>"
    b"<img src=x onerror='window.stolen = 1; alert(1)'><svg onload=alert(2)>"
    b"</pre></article><h1>You were logged out</h1><a href='javascript:alert(3)'>Sign in</a>"
    b"<style>body{display:none}</style>{{ 7*7 }}"
)


async def hostile_attempt(server, receiver, answer) -> Any:
    headers = {"Content-Type": "text/html", "X-Evil": "<script>alert(4)</script>"}
    receiver.answer = lambda _request: answer(500, headers, HOSTILE)
    webhook = await server.webhook(receiver.url, description="<script>alert(5)</script>")
    await server.emit(data={"note": "<script>alert(6)</script>"})
    found = await server.until("~/deliveries?status=failed", lambda found: found["items"])
    return webhook, found["items"][0]


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
async def test_a_response_full_of_script_is_shown_as_text_and_does_nothing(
    visit, server, receiver, answer, script
):
    await hostile_attempt(server, receiver, answer)
    page = await visit("/logs", java_script_enabled=script)
    await page.locator("#rows .result a").first.click()
    body = page.get_by_label("Response body", exact=True)
    await expect(body).to_be_visible()
    assert await body.text_content() == HOSTILE.decode()
    if script:  # in the drawer, the headers have a tab
        await page.get_by_role("tab", name="Headers").click()
    headers = page.get_by_label("Headers" if script else "Response", exact=True)
    await expect(headers.get_by_text("<script>alert(4)</script>")).to_be_visible()
    await expect(page.get_by_text("You were logged out", exact=True)).to_have_count(0)
    if script:
        assert await page.evaluate("window.stolen") is None


async def test_a_live_row_carries_markup_as_text_only(visit, server, receiver, answer):
    page = await visit("/logs")
    await expect(page.get_by_role("heading", name="No attempts yet")).to_be_visible()
    await hostile_attempt(server, receiver, answer)
    await expect(page.locator("#rows .result").first).to_contain_text("500")
    assert await page.evaluate("window.stolen") is None


async def test_a_viewer_sees_everything_but_secrets_and_controls(visit, server, receiver, answer):
    receiver.answer = lambda _request: answer(503)
    webhook = await server.webhook(receiver.url, secret="a-secret-nobody-should-see")
    await server.emit()
    (attempt, *_) = (await server.until("~/logs", lambda found: len(found["items"]) == 4))["items"]
    page = await visit(role="viewer")
    await expect(page.get_by_text("viewer", exact=True)).to_be_visible()
    controls = ["Add", "Edit", "Delete", "Pause", "Replay", "Reveal", "Rotate", "Send test", "Save"]
    parts = [f"/{webhook['id']}{part}" for part in ("", "/deliveries", "/settings", "/signing")]
    for path in ("", *parts, "/logs", f"/logs/{attempt['id']}"):
        await page.goto(f"/settings/webhooks{path}")
        await expect(page.get_by_text("viewer", exact=True)).to_be_visible()
        for name in controls:
            # Live's Pause changes nothing but what this browser shows.
            found = page.locator("a, button:not(#live)").get_by_text(name)
            await expect(found, f"{name} on {path}").to_have_count(0)
        assert "a-secret-nobody" not in await page.content()
    await page.keyboard.press("r")
    assert len(receiver.requests) == 4


async def test_a_viewers_posts_and_an_admins_pages_are_refused(visit, server, receiver):
    webhook = await server.webhook(receiver.url, generateSecret=True)
    page = await visit(f"/{webhook['id']}", role="viewer")
    token = await page.locator("body").get_attribute("data-csrf")
    base = f"/settings/webhooks/{webhook['id']}"
    for act in ("/test", "/pause", "/secret", "/rotate", "/unsign", "/edit", "/delete"):
        answer = await page.request.post(
            base + act, form={"csrf": token, "url": receiver.url}, max_redirects=0
        )
        assert answer.status == 403, act
    for act in ("/new", "/logs/replay"):
        answer = await page.request.post(
            f"/settings/webhooks{act}", form={"csrf": token, "url": receiver.url, "events": "*"}
        )
        assert answer.status == 403, act
    for path in ("/new", f"/{webhook['id']}/edit", f"/{webhook['id']}/delete", "/logs/replay"):
        answer = await page.goto(f"/settings/webhooks{path}")
        assert answer.status == 403, path
        await expect(
            page.get_by_role("heading", name="You need the admin role for this")
        ).to_be_visible()
    assert len((await server.ok("GET", "~/webhooks"))["items"]) == 1
    assert receiver.requests == []


async def test_a_link_works_once_and_signing_out_ends_the_session(visit, server):
    link = await server.ok("POST", "~/portal-sessions", {"role": "admin"})
    page = await visit(role=None)
    for _look in range(2):
        await page.goto(link["url"])
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()
    await page.goto(link["url"])
    await expect(page.get_by_role("heading", name="no longer works")).to_be_visible()
    await expect(page.get_by_text("login-link")).to_be_visible()
    await page.goto("/settings/webhooks")
    (cookie,) = await page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    await page.context.add_cookies([cookie])
    await page.goto("/settings/webhooks")
    await expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()


async def test_a_form_outlives_its_session(visit, server, receiver):
    """The session ends while a form is filled in; after signing in elsewhere, it is sent whole."""
    page = await visit("/new")
    await page.get_by_label("Destination URL").fill(receiver.url)
    await page.get_by_role("checkbox", name="contact.created").check()
    await page.get_by_label("Description").fill("Jane's mirror <b>")
    await page.context.clear_cookies()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
    await expect(page.get_by_text("What you entered is kept on this page")).to_be_visible()

    other = await page.context.new_page()  # another tab, where they sign in
    link = await server.ok("POST", "~/portal-sessions", {"role": "admin", "user": "Jane"})
    await other.goto(link["url"])
    await other.get_by_role("button", name="Sign in").click()
    await expect(other.get_by_role("heading", name="No webhooks yet")).to_be_visible()
    await other.close()

    await page.get_by_role("button", name="Send it again").click()
    await expect(page.get_by_role("heading", name="You signed in again")).to_be_visible()
    assert (await server.ok("GET", "~/webhooks"))["items"] == []
    await page.get_by_role("button", name="Send it now").click()
    await expect(page.get_by_text("Saved. The webhook is live")).to_be_visible()
    (webhook,) = (await server.ok("GET", "~/webhooks"))["items"]
    assert (webhook["url"], webhook["events"]) == (receiver.url, ["contact.created"])
    assert webhook["description"] == "Jane's mirror <b>"


async def test_loading_the_report_of_a_receiver_again_sends_nothing(visit, server, receiver):
    webhook = await server.webhook(receiver.url, generateSecret=True)
    page = await visit(f"/{webhook['id']}/check-receiver")
    await page.get_by_role("button", name="Check receiver").click()
    await expect(page.locator("#report")).to_be_visible()
    sent = len(receiver.requests)
    assert sent > 0
    await page.reload()
    await expect(page.get_by_role("button", name="Check receiver")).to_be_visible()
    assert len(receiver.requests) == sent


async def test_a_form_from_another_page_is_refused(visit, server, receiver):
    webhook = await server.webhook(receiver.url)
    page = await visit()
    answer = await page.request.post(
        f"/settings/webhooks/{webhook['id']}/pause", form={"csrf": "made-up"}, max_redirects=0
    )
    assert answer.status == 403
    assert (await server.ok("GET", f"~/webhooks/{webhook['id']}"))["status"] == "active"
