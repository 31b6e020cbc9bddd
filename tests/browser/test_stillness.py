"""Nothing on a page moves by itself, so a click goes where it was aimed."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACES = """() => [...document.querySelectorAll("h1, h2, p, td, a, input, select, summary, form")]
  .filter((one) => one.getClientRects().length)
  .map((one) => {
    const box = one.getBoundingClientRect();
    const name = one.id || one.name || one.textContent.trim().slice(0, 30);
    return [`${one.tagName} ${name}`, Math.round(box.left), Math.round(box.top + scrollY)];
  })"""
"""Where everything is. Texts that a script fills in are left out of the names."""


async def places(page: Page) -> list[tuple[int, int]]:
    return [(left, top) for _name, left, top in await page.evaluate(PLACES)]


async def moved(page: Page, before: list[Any]) -> list[str]:
    """What is no longer where it was."""
    return [
        f"{was} -> {now}"
        for was, now in zip(before, await page.evaluate(PLACES), strict=True)
        if was[1:] != now[1:]
    ]


class HeldAnswer:
    """Holds the answers to some requests until it is released."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._released = asyncio.Event()

    async def __call__(self, route: Route) -> None:
        self.asked.set()
        await self._released.wait()
        await route.continue_()

    def release(self) -> None:
        self._released.set()


@pytest.mark.parametrize("width", [1280, 360])
async def test_a_click_right_after_the_url_was_entered_is_not_lost(visit, width):
    page = await visit("/new", viewport={"width": width, "height": 900})
    box = page.get_by_role("checkbox", name="contact.created")
    for url in ("https://10.0.0.1/hook", "http://127.0.0.1:9/hook", "https://" + "a" * 240):
        held = HeldAnswer()
        await page.route("**/check*", held)
        await page.get_by_label("Destination URL").fill(url)
        await box.scroll_into_view_if_needed()
        before = await page.evaluate(PLACES)
        ticked = await box.is_checked()
        await box.hover()
        await page.mouse.down()  # leaves the field, which asks the server
        await held.asked.wait()
        async with page.expect_response("**/check*"):
            held.release()
        await expect(page.locator("#url-check")).not_to_be_empty()
        await page.mouse.up()
        await expect(box).to_be_checked(checked=not ticked)
        assert await moved(page, before) == []
        await page.unroute("**/check*")


async def test_an_error_beside_the_url_is_replaced_in_its_place(visit):
    page = await visit("/new")
    await page.get_by_label("Destination URL").fill("https://10.0.0.1/hook")
    await page.get_by_role("button", name="Save").click()
    check = page.locator("#url-check")
    await expect(check).to_contain_text("not on the public internet")
    await page.get_by_label("Destination URL").fill("http://127.0.0.1:9/hook")
    before = await page.evaluate(PLACES)
    await page.get_by_label("Description").focus()
    await expect(check).to_contain_text("can be")
    assert await moved(page, before) == []


async def test_nothing_moves_when_the_scripts_of_a_page_come_late(visit, server, receiver):
    webhook = await server.webhook(receiver.url, generateSecret=True)
    await server.emit()
    (attempt,) = (await server.until("~/logs", lambda found: found["items"]))["items"]
    # In this zone it is another day than in UTC for a quarter of the time, and it has a long name.
    page = await visit(timezone_id="Asia/Kathmandu")
    views = ("", "/new", f"/{webhook['id']}", f"/{webhook['id']}/edit", "/logs", "/logs/replay")
    for path in (*views, f"/logs/{attempt['id']}", f"/{webhook['id']}/recover"):
        held = HeldAnswer()
        await page.route("**/main.js", held)
        await page.goto(f"/settings/webhooks{path}", wait_until="commit")
        await page.locator("#announce").wait_for(state="attached")
        await expect(page.locator(".zone", has_text="UTC")).to_have_count(0)
        before = await page.evaluate(PLACES)
        held.release()
        await page.wait_for_load_state("load")
        await expect(page.locator("button.js[hidden]")).to_have_count(0)
        assert await moved(page, before) == [], path
        await page.unroute("**/main.js")


async def test_the_state_of_the_live_log_does_not_move_what_stands_beside_it(visit):
    page = await visit("/logs")
    label = page.locator("#live-label")
    await expect(label).to_have_text("Pause")
    before = await places(page)
    for text in ("Connecting", "Reconnecting", "Off: try again", "In other tabs", "Resume"):
        await label.evaluate("(label, text) => { label.textContent = text; }", text)
        assert await places(page) == before, text
