"""What is copied from the page is what was sent, also where the browser forbids the clipboard."""

import hashlib
import hmac
import json

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNSEEN = (
    "\u202eevil\u202c a\u200bb \u2066x\u2069 \u0085 \u2028 \ufeff "
    "soft\u00adhyphen del\x7f \U0001f469\u200d\U0001f467"
)
COPIED = ("data-note", "Copied")
CLIPBOARD = ["clipboard-read", "clipboard-write"]


async def copied(page: Page) -> str:
    return await page.evaluate("navigator.clipboard.readText()")


async def test_copied_bodies_are_the_bytes_that_were_signed(visit, server, receiver):
    await server.webhook(receiver.url + "?list=[1-3]", secret="a secret of mine")
    body = {"event": "contact.created", "organizationId": server.organization}
    raw = json.dumps(body | {"data": {"note": UNSEEN}}, ensure_ascii=False).encode()
    await server.ok("POST", "/api/v1/events", raw)
    (sent,) = await receiver.wait_for(1)
    (attempt,) = (await server.until("~/logs", lambda found: found["items"]))["items"]
    page = await visit(f"/logs/{attempt['id']}", permissions=CLIPBOARD)

    def is_signed(text: str) -> bool:
        mac = hmac.new(b"a secret of mine", text.encode(), hashlib.sha256).hexdigest()
        return sent["X-Winnerr-Signature"] == f"sha256={mac}"

    await page.get_by_role("button", name="Copy body").click()
    await expect(page.get_by_role("button", name="Copy body")).to_have_attribute(*COPIED)
    assert is_signed(await copied(page))

    await page.get_by_text("Raw, ").first.click()
    raw = page.get_by_label("Raw request body")
    await raw.evaluate("raw => getSelection().selectAllChildren(raw)")
    await page.keyboard.press("Control+c")
    assert is_signed(await copied(page))
    mark = raw.locator(".code-point").first
    assert await mark.evaluate("one => getComputedStyle(one, '::before').content") == '"U+202E"'

    await page.get_by_role("button", name="Copy as curl").click()
    await expect(page.get_by_role("button", name="Copy as curl")).to_have_attribute(*COPIED)
    assert UNSEEN in await copied(page)
    assert "curl --globoff --path-as-is" in await copied(page)


@pytest.mark.parametrize("width", [1280, 360])
async def test_copying_changes_no_width(visit, server, receiver, width):
    await server.webhook(receiver.url)
    await server.emit()
    (attempt,) = (await server.until("~/logs", lambda found: found["items"]))["items"]
    page = await visit(
        f"/logs/{attempt['id']}",
        permissions=CLIPBOARD,
        viewport={"width": width, "height": 900},
    )
    places = """() => [...document.querySelectorAll("button, h1, p")].map(one => {
      const { x, width } = one.getBoundingClientRect(); return [x, width]; })"""
    before = await page.evaluate(places)
    for button in (
        page.get_by_role("button", name="Copy as curl"),
        page.locator("button.id").first,
    ):
        await button.click()
        await expect(button).to_have_attribute(*COPIED)
        assert await page.evaluate(places) == before
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_without_the_clipboard_a_copy_works_or_says_how(visit, server, receiver):
    """Browsers have no `navigator.clipboard` on a page of plain HTTP."""
    webhook = await server.webhook(receiver.url, generateSecret=True)
    page = await visit()
    await page.add_init_script("delete Navigator.prototype.clipboard")
    await page.goto(f"/settings/webhooks/{webhook['id']}/signing")
    await page.get_by_role("button", name="Reveal secret").click()
    secret = page.get_by_label("Secret in use")
    button = page.locator("button[data-copy='#revealed']")
    await button.click()
    await expect(button).to_have_attribute(*COPIED)
    await expect(button).to_be_focused()
    await page.get_by_text("Rotate the secret").click()
    await page.get_by_label("New secret").focus()
    await page.keyboard.press("Control+v")
    assert await page.get_by_label("New secret").input_value() == await secret.input_value()

    await page.evaluate("document.execCommand = () => false")
    await button.click()
    await expect(button).to_have_attribute("data-note", "Press Ctrl+C to copy")
    chosen = "one => one.value.slice(one.selectionStart, one.selectionEnd)"
    assert await secret.evaluate(chosen) == await secret.input_value()
    await page.locator("button.id").first.click()
    await expect(page.locator("#announce")).to_have_text("The browser does not allow copying")
