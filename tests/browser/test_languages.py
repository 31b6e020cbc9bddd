"""The views in each language: nothing for axe-core to find, nothing wider than its window.

German has the longest words, so it is the language of `make test`; `test_accessibility` looks at
more states of each view, in English. From right to left, the page is a mirror of itself, so a
pseudo-language is enough: the same texts, each letter a Hebrew one, in a document that runs the
other way. Data, such as URLs and ids, stay in Latin letters.
"""

import itertools
import re

import pytest
from playwright.async_api import Page, expect
from tests.browser.axe_rules import ALL, RUN

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDTHS = (1280, 768, 360)
LOOKS = (("light", 1280), ("dark", 360))
"""What axe-core sees of the views, in turn."""


TURN = """() => {
  document.documentElement.dir = "rtl";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const data = "script, style, code, pre, kbd, textarea, .mono, .headers, button.id";
  let changed = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.parentElement.closest(data)) continue;
    const before = node.data;
    node.data = before.replace(/[A-Za-z]/g, (one) => String.fromCodePoint(
      0x5d0 + one.toLowerCase().codePointAt(0) - 97));
    changed += node.data !== before;
  }
  return changed;
}"""
"""Turns the page and writes its texts in Hebrew letters; returns how many texts those were."""


OUTSIDE = """() => {
  const clips = (one) => one.tagName === "MAIN" || getComputedStyle(one).overflowX !== "visible";
  return [...document.querySelectorAll("main :is(button, .button, .tabs a)")].filter((one) => {
    if (!one.checkVisibility({ visibilityProperty: true })) return false;
    let around = one.parentElement;
    while (!clips(around)) around = around.parentElement;
    const [own, box] = [one.getBoundingClientRect(), around.getBoundingClientRect()];
    return own.left < box.left - 1 || own.right > box.right + 1;
  }).map((one) => one.textContent.trim());
}"""
"""The buttons and tabs that are outside the page's content or outside the box that shows them."""


async def overflowing(page: Page) -> list[str]:
    """What is wider than the window, is text that its box cuts off, or is outside its box."""
    found = []
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        wide = await page.evaluate("document.documentElement.scrollWidth")
        cut = await page.evaluate(
            "[...document.querySelectorAll('button, .button, .tabs a, label, dt, h1, h2, th')]"
            ".filter((one) => one.checkVisibility() && !one.closest('.visually-hidden')"
            " && getComputedStyle(one).overflow !== 'visible'"
            " && one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent.trim())"
        )
        outside = await page.evaluate(OUTSIDE)
        if wide > width or cut or outside:
            found.append(f"{page.url} at {width}: {wide} wide, cut: {cut}, outside: {outside}")
    return found


async def views(server, receiver, answer) -> list[str]:
    """The paths of the main views, with something to show in each."""
    receiver.answer = lambda _request: answer(503)
    webhook = await server.webhook(receiver.url, generateSecret=True)
    await server.webhook(f"{receiver.url}/{'a-long-name/' * 12}", events=["deal.created"])
    await server.emit()
    await server.until("~/deliveries?status=failed", lambda found: found["items"])
    newest = (await server.ok("GET", "~/logs"))["items"][0]
    attempt, event = newest["id"], newest["eventId"]
    own = f"/{webhook['id']}"
    of_webhook = (
        "",
        "/deliveries",
        "/settings",
        "/signing",
        "/edit",
        "/delete",
        "/recover",
        "/rehearse",
        "/signature-check",
        "/test-event",
        "/check-receiver",
    )
    return [
        "", "/new", "/logs", f"/logs/{attempt}", f"/logs/{attempt}/compare", "/logs/replay",
        "/logs/replay?status=5xx", "/activity", "/alerts", f"/events/{event}",
        "/event-types", "/event-types/send?event=contact.created",
        *(own + path for path in of_webhook),
    ]  # fmt: skip


@pytest.mark.timeout(300)  # it opens every view at three widths
@pytest.mark.parametrize(
    "tag",
    [
        "de",
        *(pytest.param(tag, marks=pytest.mark.thorough) for tag in ("en-GB", "es", "fr", "pt-BR")),
    ],
)
async def test_each_view_fits_and_is_accessible(  # noqa: PLR0917  fixtures
    visit, server, receiver, answer, axe, tag
):
    paths = await views(server, receiver, answer)
    page = await visit(role=None, locale=tag)
    link = await server.ok("POST", "~/portal-sessions", {"role": "admin", "user": "Jane"})
    await page.goto(link["url"])
    await page.locator("form button.primary").click()
    problems = []
    for path, (scheme, width) in zip(paths, itertools.cycle(LOOKS), strict=False):
        await page.goto(f"/settings/webhooks{path}")
        await expect(page.locator("html")).to_have_attribute("lang", tag.removesuffix("-GB"))
        problems += await overflowing(page)
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await page.set_viewport_size({"width": width, "height": 800})
        await page.evaluate(axe)
        found = await page.evaluate(RUN, ALL)
        problems += [f"{path}: {one['id']}" for one in found["violations"]]
        assert await page.evaluate(TURN) > 10
        problems += [f"from right to left: {one}" for one in await overflowing(page)]
    assert problems == []


async def test_scripts_speak_the_pages_language(visit, server):
    page = await visit(role=None, locale="de")
    link = await server.of().ok("POST", "~/portal-sessions", {"role": "admin"})
    await page.goto(link["url"])
    await page.get_by_role("button", name="Anmelden").click()
    await page.goto("/settings/webhooks/new")
    await expect(page.locator("#event-count")).to_have_text(re.compile(r"^0 von \d+ gewählt$"))
    await page.get_by_role("button", name="Alle wählen").first.click()
    await expect(page.get_by_role("button", name="Keine wählen")).to_be_visible()
    await page.get_by_role("button", name="Erzeugen").click()
    await expect(page.locator("#announce")).to_have_text(
        "Ein Secret wurde erzeugt. Kopieren Sie es in Ihren Empfänger."
    )
