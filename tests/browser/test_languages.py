"""The page in each language: nothing for axe-core to find, nothing wider than its window.

Colours do not depend on the language; `test_accessibility` looks at them. German has the longest
words, so `make test` looks at its widths. `make thorough` looks at those of French, which has the
longest sentences, and at each language with all rules. From right to left, the page is a mirror of
itself, so a pseudo-language is enough: the same texts, each letter a Hebrew one, in a document that
runs the other way. Data, such as URLs and ids, stay in Latin letters.
"""

import re

import pytest
from playwright.async_api import Page, expect
from tests.browser.axe_rules import ALL_BUT_COLOURS, RUN

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDTHS = (1280, 768, 360)


HEBREW = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const data = "script, style, code, pre, kbd, textarea, .mono";
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
"""Writes the page's texts in Hebrew letters; returns how many texts those were."""


TURNED = """new MutationObserver((_changes, observer) => {
  if (!document.documentElement) return;
  document.documentElement.dir = "rtl";
  observer.disconnect();
}).observe(document, {childList: true});"""
"""Turns a page before its body is there."""


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
    ("tag", "rules"),
    [
        pytest.param("de", None, id="de"),
        pytest.param("fr", None, id="fr", marks=pytest.mark.thorough),
        *(
            pytest.param(tag, ALL_BUT_COLOURS, id=f"{tag}, all rules", marks=pytest.mark.thorough)
            for tag in ("en-GB", "de", "es", "fr", "pt-BR")
        ),
    ],
)
async def test_each_language_fits_and_is_accessible(  # noqa: PLR0917  fixtures
    visit, server, receiver, answer, axe, tag, rules
):
    paths = await views(server, receiver, answer)
    page = await visit(role=None, locale=tag)
    link = await server.ok("POST", "~/portal-sessions", {"role": "admin", "user": "Jane"})
    await page.goto(link["url"])
    await page.locator("form button.primary").click()
    problems = []
    for path in paths:
        await page.goto(f"/settings/webhooks{path}")
        await expect(page.locator("html")).to_have_attribute("lang", tag.removesuffix("-GB"))
        problems += await overflowing(page)
        if rules is not None:
            await page.evaluate(axe)
            found = await page.evaluate(RUN, rules)
            problems += [f"{path}: {one['id']}" for one in found["violations"]]
    assert problems == []


async def test_from_right_to_left_the_page_fits_too(visit, server, receiver, answer):
    paths = await views(server, receiver, answer)
    page = await visit()
    await page.add_init_script(TURNED)
    problems = []
    for path in paths:
        await page.goto(f"/settings/webhooks{path}")
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        assert await page.evaluate(HEBREW) > 10
        problems += await overflowing(page)
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
