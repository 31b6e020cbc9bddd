"""The page by keyboard alone: everything is reached, focus is seen, and never lost."""

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOCUS = """() => {
  const on = document.activeElement;
  const style = getComputedStyle(on);
  return [on.tagName, on.textContent.trim().slice(0, 60),
          style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
}"""


async def tab_to(page: Page, text: str) -> None:
    """Press Tab until this has the focus; every stop on the way shows that it has it."""
    for _press in range(80):
        await page.keyboard.press("Tab")
        tag, content, seen = await page.evaluate(FOCUS)
        if tag == "BODY":
            continue
        assert seen, f"no focus ring on {tag} {content!r}"
        if text in content:
            return
    raise AssertionError(f"Tab never came to {text!r}")


@pytest.mark.thorough
async def test_a_webhook_is_added_with_the_keyboard_alone(visit, server, receiver):
    page = await visit()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await tab_to(page, "Add Webhook")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Destination URL")).to_be_focused()
    await page.keyboard.type("nonsense")
    await page.keyboard.press("Enter")
    summary = page.locator("#error-summary")
    await expect(summary).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    url = page.get_by_label("Destination URL")
    await expect(url).to_be_focused()
    await page.keyboard.press("Control+a")
    await page.keyboard.type(receiver.url)
    await page.keyboard.press("Tab")
    await expect(page.locator("#url-check")).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(page.locator("#event-count")).to_contain_text("of 20 selected")
    await expect(page.locator("#event-count")).not_to_have_text("0 of 20 selected")
    await page.get_by_label("Description").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("127.0.0.1")
    await tab_to(page, "Send test event")
    await page.keyboard.press("Enter")
    await receiver.wait_for(1)
    await expect(page.get_by_text("Test event delivered")).to_be_visible()


async def test_j_k_enter_r_and_question_mark_walk_the_log(visit, server, receiver, answer):
    receiver.answer = lambda _request: answer(503)
    await server.webhook(receiver.url)
    await server.emit()
    await server.until("~/deliveries?status=failed", lambda found: found["items"])
    page = await visit("/logs")
    links = page.locator("#rows .result a")
    await expect(links).to_have_count(4)

    await page.keyboard.press("j")
    await expect(links.nth(0)).to_be_focused()
    assert (await page.evaluate(FOCUS))[2]
    await page.keyboard.press("j")
    await expect(links.nth(1)).to_be_focused()
    await page.keyboard.press("k")
    await expect(links.nth(0)).to_be_focused()

    await page.keyboard.press("Enter")
    heading = page.locator("#attempt-title")
    await expect(heading).to_be_focused()
    await expect(page).to_have_url(await links.nth(0).evaluate("link => link.href"))
    await page.keyboard.press("Escape")
    await expect(heading).to_have_count(0)
    await expect(links.nth(0)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(heading).to_be_focused()
    await page.go_back()
    await expect(heading).to_have_count(0)
    await expect(links.nth(0)).to_be_focused()

    await page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    await expect(dialog).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(links.nth(0)).to_be_focused()

    await page.keyboard.press("/")
    await expect(page.get_by_label("Text")).to_be_focused()
    await page.keyboard.type("jkr?")
    await expect(page.get_by_label("Text")).to_have_value("jkr?")

    await links.nth(0).focus()
    receiver.answer = lambda _request: answer()
    question = page.get_by_role("dialog", name="Replay this delivery?")
    await page.keyboard.press("r")
    await expect(question).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(question).to_be_hidden()
    await expect(links.nth(0)).to_be_focused()
    await page.keyboard.press("r")
    await expect(question.get_by_text("delivered already")).to_be_hidden()
    await page.keyboard.press("Enter")
    await receiver.wait_for(5)
    await expect(page.get_by_text("Replay requested")).to_be_visible()


async def test_single_keys_can_be_turned_off_for_good(visit, server, receiver):
    await server.webhook(receiver.url)
    await server.emit()
    await server.until("~/logs", lambda found: found["items"])
    page = await visit("/logs")
    dialog = page.get_by_role("dialog", name="Keyboard")
    await page.get_by_role("button", name="Keyboard shortcuts").click()
    await dialog.get_by_role("checkbox", name="Use these keys").uncheck()
    await dialog.get_by_role("button", name="Close").click()
    for path in ("/logs", ""):
        await page.goto(f"/settings/webhooks{path}")
        for key in "jkr/?":
            await page.keyboard.press(key)
        await expect(dialog).to_be_hidden()
        assert await page.evaluate("document.activeElement.tagName") == "BODY"
    await page.get_by_role("button", name="Keyboard shortcuts").click()
    await dialog.get_by_role("checkbox", name="Use these keys").check()
    await page.goto("/settings/webhooks/logs")
    await page.keyboard.press("j")
    await expect(page.locator("#rows .result a")).to_be_focused()


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
async def test_what_was_delivered_is_replayed_after_a_question_only(
    visit, server, receiver, script
):
    await server.webhook(receiver.url)
    await server.emit()
    (attempt,) = (await server.until("~/logs", lambda found: found["items"]))["items"]
    page = await visit(f"/logs/{attempt['id']}", java_script_enabled=script)
    question = page.get_by_role("dialog") if script else page.locator("main")
    await page.get_by_role("button", name="Replay", exact=True).click()
    await expect(question).to_contain_text("It was delivered already.")
    if script:
        await question.get_by_role("button", name="Cancel").click()
        await page.keyboard.press("r")
        await expect(question).to_contain_text("It was delivered already.")
    assert len(receiver.requests) == 1
    await question.get_by_role("button", name="Replay now").click()
    await receiver.wait_for(2)
    assert len(receiver.requests) == 2


async def test_an_attempt_opened_at_its_own_address_says_so_to_screen_readers(
    visit, server, receiver
):
    await server.webhook(receiver.url)
    await server.emit()
    await server.until("~/logs", lambda found: found["items"])
    page = await visit("/logs")
    link = page.locator("#rows .result a")
    await expect(link).to_have_accessible_name("Delivered, 200 Scripted")
    await link.click()
    await expect(link).to_have_attribute("aria-expanded", "true")
    await expect(page.locator("#announce")).to_have_text("Attempt opened")
    await expect(page.locator("#attempt-title")).to_be_focused()
