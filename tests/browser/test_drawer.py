"""An attempt opens in a drawer beside the log, has its own URL, and moves no row."""

import re

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOGS = "/settings/webhooks/logs"
ROWS = """() => [...document.querySelectorAll("#rows > tr:not(.panel-row)")].map((row) => {
  const box = row.getBoundingClientRect();
  return [box.left, Math.round(box.top + scrollY), box.width];
})"""


WITHOUT_SUPPORT = """() => {
  let removed = 0;
  for (const sheet of document.styleSheets) {
    for (let at = sheet.cssRules.length - 1; at >= 0; at -= 1) {
      const rule = sheet.cssRules[at];
      if (rule.style) rule.style.contentVisibility = "";
      if (!rule.conditionText?.includes("content-visibility")) continue;
      sheet.deleteRule(at);
      removed += 1;
    }
  }
  return removed;
}"""
"""Makes the styles those of a browser that does not know content-visibility."""


async def some_attempts(server, receiver, answer, count=4):
    body = b'{"error": {"code": "busy", "list": [1, {"deep": true}]}, "retry": null}'
    receiver.answer = lambda _request: answer(200, {"Content-Type": "application/json"}, body)
    await server.webhook(receiver.url)
    for number in range(count):
        await server.emit(data={"number": number, "contact": {"name": "Jane"}})
    await server.until("~/logs", lambda found: len(found["items"]) == count)


@pytest.mark.parametrize("width", [1280, 768, 360])
async def test_an_attempt_opens_beside_the_log_and_no_row_moves(
    visit, server, receiver, answer, width
):
    await some_attempts(server, receiver, answer)
    size = {"width": width, "height": 800}
    page = await visit("/logs", viewport=size, reduced_motion="reduce")
    before = await page.evaluate(ROWS)
    link = page.locator("#rows .result a").nth(1)
    href = await link.get_attribute("href")
    await link.click()
    drawer = page.locator(".drawer")
    await expect(page.locator("#attempt-title")).to_be_focused()
    assert page.url.endswith(href)
    assert await page.evaluate(ROWS) == before
    box = await drawer.bounding_box()
    assert (box["y"], box["height"]) == (0, 800)
    assert 0 <= width - (box["x"] + box["width"]) < 20  # the place of the scroll bar
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await drawer.evaluate("one => one.scrollWidth <= one.clientWidth")
    await expect(drawer.get_by_role("button", name="Close", exact=True)).to_be_in_viewport(ratio=1)
    await page.keyboard.press("Escape")
    await expect(drawer).to_have_count(0)
    await expect(link).to_be_focused()
    assert page.url.endswith("/logs")
    assert await page.evaluate(ROWS) == before


async def test_the_address_of_an_open_attempt_is_a_page_of_its_own_and_back_closes_it(
    visit, server, receiver, answer
):
    await some_attempts(server, receiver, answer)
    page = await visit("/logs")
    await page.locator("#rows .result a").first.click()
    await expect(page.locator(".drawer #attempt-title")).to_be_focused()
    await page.go_back()
    await expect(page.locator(".drawer")).to_have_count(0)
    await page.go_forward()
    await expect(page.locator(".drawer #attempt-title")).to_be_visible()
    await page.reload()
    await expect(page.locator("article.attempt")).to_be_visible()
    await expect(page.locator(".drawer")).to_have_count(0)
    await expect(page.get_by_role("button", name="Close", exact=True)).to_have_count(0)


async def test_j_and_k_go_on_to_the_next_attempt_while_one_is_open(visit, server, receiver, answer):
    await some_attempts(server, receiver, answer)
    page = await visit("/logs")
    links = page.locator("#rows > tr:not(.panel-row) .result a")
    hrefs = [await link.get_attribute("href") for link in await links.all()]
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    for key, at in (("j", 1), ("j", 2), ("k", 1)):
        await expect(page.locator("#attempt-title")).to_be_focused()
        await page.keyboard.press(key)
        await page.wait_for_url("**" + hrefs[at])
        await expect(page.locator("article.attempt")).to_have_attribute("data-url", hrefs[at])
        await expect(page.locator(".drawer")).to_have_count(1)
    await page.get_by_role("button", name="Close", exact=True).click()
    await expect(links.nth(1)).to_be_focused()


async def test_in_a_frame_an_attempt_opens_below_its_row(visit, server, receiver, answer):
    """A frame is as tall as its page, so what is fixed in it may be far out of sight."""
    await some_attempts(server, receiver, answer)
    page = await visit("/logs")
    await page.evaluate("document.documentElement.classList.add('framed')")
    row = page.locator("#rows > tr").nth(1)
    await row.locator(".result a").click()
    await expect(page.locator("#attempt-title")).to_be_focused()
    above, drawer = await row.bounding_box(), await page.locator(".drawer").bounding_box()
    assert 0 <= drawer["y"] - (above["y"] + above["height"]) < 40


async def test_json_is_folded_by_mouse_and_keys_and_its_text_stays_whole(
    visit, server, receiver, answer
):
    await some_attempts(server, receiver, answer, 1)
    page = await visit("/logs")
    await page.locator("#rows .result a").click()
    await page.get_by_role("tab", name="Response").click()
    got = page.get_by_label("Response body", exact=True)
    whole = await got.text_content()
    toggles = got.locator("button.fold-toggle")
    await expect(toggles).to_have_count(4)
    tall = (await got.bounding_box())["height"]
    await got.get_by_role("button", name='"error"').click()
    await expect(got.get_by_text('"code"')).to_be_hidden()
    await expect(got.get_by_text('"retry"')).to_be_visible()
    assert (await got.bounding_box())["height"] < tall
    assert await got.text_content() == whole

    await toggles.first.focus()
    await page.keyboard.press("ArrowDown")
    await expect(toggles.nth(1)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(got.get_by_text('"code"')).to_be_visible()
    await page.keyboard.press("ArrowDown")
    await expect(toggles.nth(2)).to_be_focused()

    part = page.locator(".part", has=got)
    await part.get_by_role("button", name="Fold all").click()
    await expect(got.get_by_text('"code"')).to_be_hidden()
    await part.get_by_role("button", name="Wrap lines").click()
    await expect(got).to_have_class(re.compile("is-unwrapped"))


async def test_the_parts_of_an_attempt_have_tabs_in_the_drawer_only(
    visit, server, receiver, answer
):
    receiver.answer = lambda _request: answer(400, {}, b"a needle in the answer")
    await server.webhook(receiver.url)
    await server.emit()
    await server.until("~/logs", lambda found: found["items"])
    page = await visit("/logs")
    await page.locator("#rows .result a").first.click()
    request, response = (page.get_by_role("tab", name=name) for name in ("Request", "Response"))
    sent, got = (page.get_by_label(f"{name} body", exact=True) for name in ("Request", "Response"))
    await expect(response).to_have_attribute("aria-selected", "true")  # it says what is wrong
    await expect(got).to_be_visible()
    await expect(sent).to_be_hidden()
    await response.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(request).to_be_focused()
    await expect(sent).to_be_visible()
    await expect(got).to_be_hidden()
    # A search in the page says this to what it finds.
    await page.evaluate("response.dispatchEvent(new Event('beforematch', { bubbles: true }))")
    await expect(got).to_be_visible()
    assert (
        await sent.evaluate("one => one.closest('section').getAttribute('hidden')") == "until-found"
    )
    await page.keyboard.press("End")
    others = page.get_by_role("tab", name="Other deliveries")
    await expect(others).to_be_focused()
    await expect(page.get_by_text("No other webhook subscribes to this event")).to_be_visible()
    await page.keyboard.press("ArrowLeft")
    panel = page.get_by_role("tabpanel", name="Headers")
    for name in ("X-Winnerr-Event", "Content-Length"):
        await expect(panel.get_by_text(name).first).to_be_visible()
    await expect(sent).to_be_hidden()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await expect(request).to_be_focused()
    await page.keyboard.press("ArrowRight")
    assert await page.evaluate(WITHOUT_SUPPORT)
    await expect(got).to_be_visible()
    await expect(sent).to_be_hidden()
    await page.reload()
    await expect(page.get_by_role("tab")).to_have_count(0)
    for part in (sent, got, page.get_by_text("No other webhook subscribes to this event")):
        await expect(part).to_be_visible()


async def test_the_drawer_works_on_a_webhooks_page_too(visit, server, receiver, answer):
    await some_attempts(server, receiver, answer, 2)
    (webhook,) = (await server.ok("GET", "~/webhooks"))["items"]
    page = await visit(f"/{webhook['id']}/deliveries")
    await page.locator("#rows .result a").first.click()
    await expect(page.locator(".drawer #attempt-title")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator(".drawer")).to_have_count(0)
    assert page.url.endswith("/deliveries")


async def test_without_scripts_an_attempt_is_a_page_with_everything(
    visit, server, receiver, answer
):
    await some_attempts(server, receiver, answer, 1)
    page = await visit("/logs", java_script_enabled=False)
    await page.locator("#rows .result a").click()
    assert LOGS in page.url
    await expect(page.get_by_label("Response body", exact=True)).to_contain_text('"code"')
    await expect(page.locator("button.js:visible")).to_have_count(0)
