"""Everything fits its place at every width: nothing is cut off, and no page scrolls sideways."""

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDTHS = (360, 639, 640, 721, 768, 960, 961, 1024, 1110, 1111, 1280)

CUT = """() => [...document.querySelectorAll("#rows .num, #rows .next-text, #rows td:nth-child(6)")]
  .filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"""
NAMES_CUT = """() => [...document.querySelector("#rows tr:has(.next button)").cells].slice(1, 3)
  .filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"""
"""The event type and the name of the webhook, if they are cut off."""
RETRIES = {
    "en": "retry in 59 min",
    "de": "erneut in 59 min",
    "es": "reintento en 59 min",
    "fr": "essai dans 59 min",
    "pt-BR": "tentativa em 59 min",
}
"""The widest text beside the button that replays, in each language."""
ALONE = """() => {
  const buttons = [...document.querySelectorAll(".heading .actions :is(button, a.button)")]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest(".joined"));
  const row = (one) => Math.round(one.getBoundingClientRect().top);
  return buttons.filter((one) => buttons.filter((other) => row(other) === row(one)).length < 2)
    .map((one) => one.textContent);
}"""
"""The buttons of a heading that have a row for themselves."""
DAYS = {
    "en": "23 Nov",
    "de": "23. Nov.",
    "es": "23 nov",
    "fr": "23 nov.",
    "pt-BR": "23 de nov.",
}
DAYS_OF_ANOTHER_YEAR = {
    "en": "23 Sept 2026",
    "de": "23. Sept. 2026",
    "es": "23 sept 2026",
    "fr": "23 sept. 2026",
    "pt-BR": "23 de nov. de 2026",
}
ADD_YEAR = """day => {
  document.querySelector("#log").classList.add("has-years");
  document.querySelector("#rows tr:has(.next button) time").textContent = `${day}, 09:14`;
}"""
WIDEST_TEXTS = """([retry, day]) => {
  const row = document.querySelector("#rows tr:has(.next button)");
  row.querySelector("time").textContent = `${day}, 09:14`;
  row.querySelector(".duration").lastChild.data = "1 min 59 s";
  row.querySelector(".next-text").textContent = retry;
  row.cells[5].textContent = "10 of 21";
  row.cells[1].firstChild.textContent = "deal.stage_changed";
  row.cells[2].textContent = "hooks.example.com/crm";
}"""

OPEN_FORMS = "document.querySelectorAll('.replay-all').forEach((one) => { one.open = true; })"


async def resize(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})


@pytest.mark.parametrize(
    ("tag", "widths"),
    [
        pytest.param("en", WIDTHS, id="en"),
        pytest.param("de", (961, 1280), id="de"),
        *(
            pytest.param(tag, (961, 1280), id=tag, marks=pytest.mark.thorough)
            for tag in ("es", "fr", "pt-BR")
        ),
        *(
            pytest.param("en", (width,), id=f"en loaded at {width}", marks=pytest.mark.thorough)
            for width in WIDTHS
        ),
    ],
)
async def test_a_row_of_the_log_shows_its_figures_and_its_button(  # noqa: PLR0917  fixtures
    visit, server, receiver, answer, tag, widths
):
    receiver.answer = lambda _request: answer(503)
    webhook = await server.webhook(receiver.url)
    await server.emit()
    await server.until("~/deliveries?status=failed", lambda found: found["items"])
    page = await visit(viewport={"width": widths[0], "height": 900}, locale=tag)
    for path in ("/logs", f"/{webhook['id']}", f"/{webhook['id']}/deliveries"):
        await page.goto(f"/settings/webhooks{path}")
        await page.evaluate(WIDEST_TEXTS, [RETRIES[tag], DAYS[tag]])
        for width in widths:
            await resize(page, width)
            assert await page.evaluate(CUT) == [], (path, width)
            if width == 1280:  # where names of usual length have room
                assert await page.evaluate(NAMES_CUT) == [], path
            assert await page.evaluate(
                "rows.clientWidth >= document.querySelector('main').clientWidth - 2"
            ), (path, width)
            button = page.locator("#rows .next button")
            await button.scroll_into_view_if_needed()
            await expect(button).to_be_in_viewport(ratio=1)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert await page.evaluate(ALONE) == [], (path, width)
        await page.evaluate(ADD_YEAR, DAYS_OF_ANOTHER_YEAR[tag])
        for width in widths:
            await resize(page, width)
            assert await page.evaluate(CUT) == [], (path, width)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize(
    "widths",
    [
        pytest.param((360, 768, 1280), id="resized"),
        *(
            pytest.param((width,), id=f"loaded at {width}", marks=pytest.mark.thorough)
            for width in (360, 768, 1280)
        ),
    ],
)
@pytest.mark.thorough
async def test_the_longest_words_that_fields_take_do_not_widen_a_page(
    visit, server, receiver, answer, widths
):
    word = "w" * 500
    webhook = await server.webhook(
        receiver.url + "/" + "u" * 1_900,
        name="n" * 80,
        description=word,
        filter={"data": {"id": {"$in": ["contact_xyz", word]}}},
        headers={"X-" + "h" * 60: word},
        ordered="data." + "o" * 60,
        retrySchedule=[1] * 20,
    )
    await server.ok("PUT", "~/alerts", {"emails": ["m" * 60 + "@" + "d" * 60 + ".example"]})
    receiver.answer = lambda request: answer(503 if request.path.endswith("/fails") else 200)
    await server.webhook(f"{receiver.url}/fails")
    await server.emit()
    attempt = (await server.until("~/logs", lambda found: len(found["items"]) > 1))["items"][0]
    link = await server.ok(
        "POST",
        "~/portal-sessions",
        {"role": "admin", "user": "j" * 100, "organizationName": "o" * 100},
    )
    page = await visit(role=None, viewport={"width": widths[0], "height": 900})
    await page.goto(link["url"])
    await page.get_by_role("button", name="Sign in").click()
    of_webhook = (
        "", "/settings", "/signing", "/deliveries", "/edit", "/delete", "/recover", "/rehearse",
        "/signature-check", "/check-receiver",
    )  # fmt: skip
    shown, event = f"/logs/{attempt['id']}", f"/events/{attempt['eventId']}"
    others = ("", "/new", "/logs", "/logs/replay", shown, shown + "/compare", event)
    for path in (
        *others,
        "/activity",
        "/alerts",
        *(f"/{webhook['id']}{one}" for one in of_webhook),
    ):
        await page.goto(f"/settings/webhooks{path}")
        await page.evaluate(OPEN_FORMS)
        for width in (*widths, 480) if path == event else widths:
            await resize(page, width)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
