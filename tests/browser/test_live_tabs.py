"""The live log in many tabs: none of them keeps the others from loading."""

import asyncio

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT_STREAMS = """
window.streams = 0;
window.EventSource = class extends EventSource {
  constructor(url) { super(url); window.streams += 1; }
  close() { if (this.readyState !== EventSource.CLOSED) window.streams -= 1; super.close(); }
};
"""
SHOW = """(state) => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.mark.parametrize("tabs", [4, pytest.param(20, marks=pytest.mark.thorough)])
async def test_more_tabs_of_the_log_than_may_have_streams_work_at_once(
    visit, server, receiver, tabs
):
    """A browser has six connections to a server (HTTP/1.1); three of them may be streams."""
    await server.webhook(receiver.url)
    first = await visit()
    await first.context.add_init_script(COUNT_STREAMS)
    # All of them are in view, as in many windows beside each other.
    pages = [await first.context.new_page() for _ in range(tabs)]
    for page in pages:
        await page.goto("/settings/webhooks/logs")
        await expect(page.get_by_role("button", name="Live")).to_be_visible()
    await expect(pages[-1].locator("#live-label")).to_have_text("Pause")
    counted = [await page.evaluate("window.streams") for page in pages]
    assert sum(counted) == 3
    await expect(pages[0].locator("#live-label")).to_have_text("In other tabs")

    await server.emit()
    await expect(pages[-1].locator("#rows .result")).to_have_count(1)
    await expect(pages[0].locator("#rows .result")).to_have_count(0)
    await pages[0].evaluate("dispatchEvent(new Event('focus'))")  # it is used again
    await expect(pages[0].locator("#rows .result")).to_have_count(1)
    await asyncio.gather(*(page.close() for page in pages))


async def test_a_hidden_tab_has_no_stream_and_catches_up_when_it_is_seen(visit, server, receiver):
    await server.webhook(receiver.url)
    await server.emit()
    await server.until("~/logs", lambda found: found["items"])
    page = await visit()
    await page.add_init_script(COUNT_STREAMS)
    await page.goto("/settings/webhooks/logs")
    await expect(page.locator("#live-label")).to_have_text("Pause")
    assert await page.evaluate("window.streams") == 1
    await page.evaluate(SHOW, "hidden")
    assert await page.evaluate("window.streams") == 0
    await server.emit("deal.created")
    await server.until("~/logs", lambda found: len(found["items"]) == 2)
    await expect(page.locator("#rows .result")).to_have_count(1)
    await page.evaluate(SHOW, "visible")
    await expect(page.locator("#rows .result")).to_have_count(2)
    assert await page.evaluate("window.streams") == 1
