"""Nothing on a page moves by itself, so a click goes where it was aimed."""

import asyncio
import re
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACES = """() => [...document.querySelectorAll("h1, h2, p, td, a, input, select, summary, form")]
  .filter((one) => one.getClientRects().length && !one.matches("a:has(time[data-show='relative'])"))
  .map((one) => {
    const box = one.getBoundingClientRect();
    const name = one.id || one.name || one.textContent.trim().slice(0, 30);
    return [`${one.tagName} ${name}`, Math.round(box.left), Math.round(box.top + scrollY)];
  })"""
"""Where everything is, but for links that say how long ago something was: they grow with time."""


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
    await expect(check).to_contain_text("is allowed")
    assert await moved(page, before) == []


async def test_nothing_moves_when_the_scripts_of_a_page_come_late(visit, server, receiver):
    webhook = await server.webhook(receiver.url, generateSecret=True)
    await server.emit()
    (attempt,) = (await server.until("~/logs", lambda found: found["items"]))["items"]
    # In this zone it is another day than in UTC for a quarter of the time, and it has a long name.
    page = await visit(timezone_id="Asia/Kathmandu")
    views = ("", "/new", f"/{webhook['id']}", f"/{webhook['id']}/edit", "/logs", "/logs/replay")
    of_webhook = [f"/{webhook['id']}{part}" for part in ("/deliveries", "/signing", "/recover")]
    for path in (*views, f"/logs/{attempt['id']}", *of_webhook):
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


class SlowReceiver:
    """Answers once it is released, and then at once."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._released = asyncio.Event()

    async def __call__(self, _request: Any) -> Any:
        await self._released.wait()
        return self._answer

    def release(self) -> None:
        self._released.set()


async def test_a_test_event_and_its_late_result_move_nothing(visit, server, receiver, answer):
    webhook = await server.webhook(receiver.url)
    for width in (1280, 360):
        receiver.answer = slow = SlowReceiver(answer(503, {}, b"x" * 200))
        page = await visit(f"/{webhook['id']}", viewport={"width": width, "height": 900})
        await page.get_by_role("button", name="Send test event").click()
        await expect(page.locator("#test")).to_contain_text("on its way")
        before = await page.locator("#recent").bounding_box()
        slow.release()
        await expect(page.locator("#test")).to_contain_text("Test event failed")
        assert await page.locator("#recent").bounding_box() == before, width


@pytest_asyncio.fixture(loop_scope="session")
async def patient(make_server: Any, chromium: Any) -> Any:
    """A server that waits for slow receivers and retries after 12 s, and a page signed in to it."""
    server = await make_server(RETRY_SCHEDULE="12", DELIVERY_TIMEOUT="60")
    context = await chromium.new_context(base_url=f"http://127.0.0.1:{server.port}")
    page = await context.new_page()
    link = await server.ok("POST", "~/portal-sessions", {"role": "admin"})
    await page.goto(link["url"])
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/settings/webhooks")
    yield server, page
    await context.close()


@pytest.mark.thorough
async def test_an_opened_attempt_follows_its_delivery_and_keeps_what_is_open_in_it(
    patient, receiver, answer
):
    server, page = patient
    receiver.answer = lambda _request: answer(503)
    await server.webhook(receiver.url)
    await server.emit()
    await server.until("~/logs", lambda found: found["items"])
    await page.goto("/settings/webhooks/logs")
    await page.locator("#rows .result a").click()
    article = page.locator("article.attempt")
    await article.get_by_role("tab", name="Request").click()
    await article.get_by_text("As curl", exact=True).click()
    await expect(article.locator(".planned-attempt")).to_have_count(1)
    before = await article.locator(".exchange").bounding_box()
    await expect(article.locator(".delivery-attempts a")).to_have_count(2, timeout=45_000)
    await expect(article.locator(".planned-attempt")).to_have_count(0)
    await expect(article).to_contain_text("No further attempt is planned.")
    await expect(article.get_by_label("The request as a curl command")).to_be_visible()
    assert await article.locator(".exchange").bounding_box() == before

    # A replay takes the place of the planned one, and shows how it went.
    await page.goto(await article.get_attribute("data-url"))
    notice = page.locator("#replayed")
    for status in (503, 200):
        receiver.answer = slow = SlowReceiver(answer(status))
        await page.get_by_role("button", name="Replay", exact=True).click()
        await expect(notice).to_contain_text("Replay requested")
        await expect(notice.locator("use")).to_have_attribute("href", "#i-wait")
        await expect(page.locator(".planned-attempt")).to_have_count(1)
        before = await page.locator(".exchange").bounding_box()
        slow.release()
        word, icon = ("delivered", "#i-ok") if status == 200 else ("The replay failed", "#i-bad")
        await expect(notice).to_contain_text(word)
        await expect(notice.locator("use")).to_have_attribute("href", icon)
        await expect(page.locator(".planned-attempt")).to_have_count(0)
        assert await page.locator(".exchange").bounding_box() == before, status


async def test_an_error_goes_when_its_field_is_mended_and_nothing_moves(visit, receiver):
    page = await visit("/new")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#events-error")).to_be_visible()
    assert "[" not in await page.locator("#error-summary").inner_text()
    before = await page.evaluate(PLACES)
    await page.get_by_role("checkbox", name="contact.created").check()
    await expect(page.locator("#events-error")).to_be_hidden()
    await expect(page.locator("#error-summary").get_by_text("at least one event")).to_be_hidden()
    await page.get_by_label("Destination URL").press_sequentially("h")
    await expect(page.locator("#url-check")).to_be_empty()
    await expect(page.get_by_label("Destination URL")).not_to_have_attribute("aria-invalid", "true")
    assert [one[1:] for one in before] == [one[1:] for one in await page.evaluate(PLACES)]


@pytest.mark.parametrize("width", [1280, 360])
async def test_the_hint_of_the_secret_is_for_the_chosen_signature_and_nothing_moves(visit, width):
    page = await visit("/new", viewport={"width": width, "height": 900})
    field, signing = page.get_by_role("textbox", name="Secret"), page.get_by_label("Signature")
    before = await page.evaluate(PLACES)
    for signature in ("ed25519", "none", "hmac"):
        await signing.select_option(signature)
        has_secret = signature == "hmac"
        for text, is_shown in (
            ("8 to 256 characters", has_secret),
            ("Leave this empty to generate", has_secret),
            ("Only HMAC has a secret", not has_secret),
        ):
            await expect(page.get_by_text(text)).to_be_visible(visible=is_shown)
        words = "Signs every request" if has_secret else "Only HMAC has a secret"
        await expect(field).to_have_accessible_description(re.compile(f"^{words}"))
        assert await moved(page, before) == []


async def test_a_form_that_is_sent_twice_is_sent_once(visit, server, receiver):
    webhook = await server.webhook(receiver.url)
    page = await visit(f"/{webhook['id']}")
    held = HeldAnswer()
    sent = []
    page.on("request", lambda one: sent.append(one) if one.method == "POST" else None)
    await page.route("**/test", held)
    await page.evaluate("""() => {
      const form = document.querySelector("form.joined");
      for (let press = 0; press < 3; press += 1) form.requestSubmit();
    }""")
    await held.asked.wait()
    held.release()
    await page.wait_for_url("**/*?test=*")
    assert len(sent) == 1
