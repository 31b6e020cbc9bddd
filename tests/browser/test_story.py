"""The whole story of a webhook, from signing in to the replay that arrives, in a real browser."""

import asyncio
import hashlib
import hmac
import re

import pytest
from playwright.async_api import Page, expect
from tests.server import PAUSE

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def add_webhook(page: Page, url: str) -> str:
    """Add a webhook as a person would; the secret that was generated for it."""
    await page.get_by_role("link", name="Add Webhook").click()
    field = page.get_by_label("Destination URL")
    await field.fill("http://169.254.169.254/latest")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#error-summary")).to_contain_text("to save")
    await expect(page.locator("#url-check")).to_contain_text("not on the public internet")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await field.fill(url)
    await page.get_by_role("checkbox", name="contact.created").check()
    await page.get_by_role("checkbox", name="deal.stage_changed").check()
    await page.get_by_role("button", name="Generate").click()
    secret = page.get_by_role("textbox", name="Secret")
    await expect(secret).to_have_value(re.compile(r"^\S{24,}$"))
    # A page that was loaded again, as without JavaScript, keeps the fields.
    await expect(field).to_have_value(url)
    await expect(page.get_by_role("checkbox", name="deal.stage_changed")).to_be_checked()
    generated = await secret.input_value()
    await page.get_by_label("Description").fill("The sales team's mirror")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(
        url.removeprefix("http://").removeprefix("https://")
    )
    return generated


def signed(request, secret: str) -> bool:
    mac = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    return request["X-Winnerr-Signature"] == f"sha256={mac}"


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
async def test_a_webhook_is_added_tested_broken_understood_repaired_and_replayed(
    visit, server, receiver, answer, script
):
    code, out, err = await server.command(
        "login-link", "--organization", server.organization, "--user", "Jane"
    )
    assert code == 0, err
    page = await visit(role=None, java_script_enabled=script)
    await expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
    await page.goto(out.strip())
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()

    secret = await add_webhook(page, receiver.url)

    await page.get_by_role("button", name="Send test event").first.click()
    (test,) = await receiver.wait_for(1)
    assert test["X-Winnerr-Event"] == "contact.created"
    assert signed(test, secret)
    await page.wait_for_url(re.compile(r"\?test=dlv_"))
    await expect_after_reload(page, "Test event delivered", script=script)

    await page.get_by_role("navigation", name="Webhook settings").get_by_text("Logs").click()
    rows = page.locator("#rows > tr")
    await expect(rows).to_have_count(1)
    if script:
        await expect(page.get_by_role("button", name="Live")).to_be_visible()
    await server.emit("deal.stage_changed", data={"id": "deal_7", "stage": "won"})
    await receiver.wait_for(2)
    await expect_after_reload(page, "deal.stage_changed", script=script, within="#rows")
    await expect(rows.first).to_contain_text("200")

    receiver.answer = lambda _request: answer(503, {"Content-Type": "text/plain"}, b"out of order")
    await server.emit("contact.created", data={"id": "contact_9", "name": "Ann Onym"})
    await receiver.wait_for(6)
    await server.until("~/deliveries?status=failed", lambda found: len(found["items"]) == 1)
    await expect_after_reload(page, "4 of 4", script=script, within="#rows")
    await rows.filter(has_text="4 of 4").locator(".result a").click()
    await expect(page.get_by_role("heading", level=1).last).to_contain_text("503")
    diagnosis = page.get_by_role("region", name="What is wrong, and what to do")
    await expect(diagnosis).to_contain_text("What to do")
    await expect(page.get_by_label("Response", exact=True).last).to_contain_text("out of order")
    await expect(page.get_by_label("Request body", exact=True)).to_contain_text("Ann Onym")
    await expect(
        page.get_by_role("navigation", name="All attempts").get_by_role("link")
    ).to_have_count(4)

    receiver.answer = lambda _request: answer()
    await page.locator("article").get_by_role("button", name="Replay").click()
    replayed = (await receiver.wait_for(7))[-1]
    assert replayed.json["data"]["name"] == "Ann Onym"
    assert signed(replayed, secret)
    assert replayed.body == (await receiver.wait_for(7))[-2].body
    await expect_after_reload(page, "A later attempt delivered it", script=script)


async def expect_after_reload(page: Page, text: str, *, script: bool, within: str = "main") -> None:
    """Wait for a text to show; a page without JavaScript is asked again, as its reader would."""
    place = page.locator(within)
    if not script:
        while text not in await place.inner_text():
            await asyncio.sleep(PAUSE)
            await page.reload()
    await expect(place.filter(has_text=text).first).to_be_visible()
