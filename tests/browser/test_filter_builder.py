"""The filter builder of the webhook form: rows of conditions, and the JSON that they are."""

import json
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOP = "(one) => Math.round(one.getBoundingClientRect().top + scrollY)"
BEYOND = "This filter says more than rows can show."


class Builder:
    """The builder on a page whose form is open."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.rows = page.locator(".filter-row")
        self.json = page.get_by_label("The filter as JSON")
        self.add = page.get_by_role("button", name="Add a condition")

    async def open(self) -> None:
        await self.page.locator("summary", has_text="Event filter").click()

    async def fill(self, index: int, path: str, comparison: str, value: str | None = None) -> None:
        row = self.rows.nth(index)
        await row.get_by_label("Field").fill(path)
        await row.get_by_label("Comparison").select_option(label=comparison)
        if value is not None:
            await row.get_by_label("Value").fill(value)

    async def shown(self) -> list[tuple[str, str, str]]:
        """Path, comparison and value of each row."""
        rows = []
        for row in await self.rows.all():
            chosen = row.get_by_label("Comparison").locator("option:checked")
            path, value = row.get_by_label("Field"), row.locator("label:nth-of-type(3) input")
            rows.append(
                (await path.input_value(), await chosen.inner_text(), await value.input_value())
            )
        return rows


async def stored_filter(server: Any) -> Any:
    (webhook,) = (await server.ok("GET", "~/webhooks"))["items"]
    return webhook["filter"]


async def test_a_filter_is_built_by_rows_saved_opened_again_and_changed(visit, server, receiver):
    page = await visit("/new")
    builder = Builder(page)
    await page.get_by_label("Destination URL").fill(receiver.url)
    await page.get_by_role("checkbox", name="deal.closed_won").check()
    await builder.open()
    await builder.fill(0, "data.value", "is at least", "1000")
    await builder.add.click()
    await expect(builder.rows.nth(1).get_by_label("Field")).to_be_focused()
    await builder.fill(1, "data.stage", "is one of", "won, lost")
    await builder.add.click()  # stays empty, and counts for nothing
    shown = '{"data": {"value": {"$gte": 1000}, "stage": {"$in": ["won", "lost"]}}}'
    await expect(builder.json).to_have_value(shown)
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("main")).to_contain_text("Saved. The webhook is live")
    assert await stored_filter(server) == json.loads(shown)

    (webhook,) = (await server.ok("GET", "~/webhooks"))["items"]
    await page.goto(f"/settings/webhooks/{webhook['id']}/edit")
    await expect(page.locator("summary", has_text="Event filter")).to_contain_text('"$gte":1000')
    await builder.open()
    assert await builder.shown() == [
        ("data.value", "is at least", "1000"),
        ("data.stage", "is one of", "won, lost"),
    ]
    await builder.rows.nth(0).get_by_role("button", name="Remove the condition").click()
    await expect(builder.rows.nth(0).get_by_label("Field")).to_be_focused()
    await builder.fill(0, "data.stage", "is there")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("main")).to_contain_text("Saved.")
    assert await stored_filter(server) == {"data": {"stage": {"$exist": True}}}


async def test_what_is_written_as_json_is_shown_in_rows_as_it_is_written(visit):
    page = await visit("/new")
    builder = Builder(page)
    await builder.open()
    await builder.json.press_sequentially('{"data": {"n": 9007199254740993, "t": "5"')
    assert await builder.shown() == [("", "is", "")]
    await builder.json.press_sequentially("}}")
    assert await builder.shown() == [
        ("data.n", "is", "9007199254740993"),
        ("data.t", "is", '"5"'),
    ]
    await builder.json.fill('{"$or": [{"event": "a"}, {"event": "b"}]}')
    await expect(page.get_by_text(BEYOND)).to_be_visible()
    await expect(builder.rows.nth(0)).to_be_hidden()
    await builder.json.fill('{"event": {"$startsWith": "deal."}}')
    await expect(page.get_by_text(BEYOND)).to_be_hidden()
    assert await builder.shown() == [("event", "begins with", "deal.")]
    await builder.rows.nth(0).get_by_role("button", name="Remove the condition").click()
    await expect(builder.json).to_have_value("")
    assert await builder.shown() == [("", "is", "")]


async def test_a_filter_beyond_the_rows_stays_as_it_is_when_the_form_is_saved(
    visit, server, receiver
):
    beyond = {"$or": [{"data": {"stage": "won"}}, {"data": {"$not": {"value": {"$lt": 5}}}}]}
    webhook = await server.webhook(receiver.url, filter=beyond)
    page = await visit(f"/{webhook['id']}/edit")
    builder = Builder(page)
    before = await builder.json.input_value()
    await builder.open()
    await expect(page.get_by_text(BEYOND)).to_be_visible()
    await page.get_by_label("Description").fill("Changed")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("main")).to_contain_text("Saved.")
    assert await stored_filter(server) == beyond
    await page.goto(f"/settings/webhooks/{webhook['id']}/edit")
    assert await builder.json.input_value() == before


async def test_a_row_that_is_wrong_says_so_beside_itself_and_is_not_dropped(
    visit, server, receiver
):
    page = await visit("/new")
    builder = Builder(page)
    await page.get_by_label("Destination URL").fill(receiver.url)
    await page.get_by_role("checkbox", name="contact.created").check()
    await builder.open()
    await builder.fill(0, "stage", "is", "won")
    await builder.add.click()
    await builder.fill(1, "data.name", "is", '"half')
    await builder.add.click()
    await builder.fill(2, "data.owner", "contains")
    await page.get_by_role("button", name="Save").click()
    first, second, third = (builder.rows.nth(index) for index in range(3))
    await expect(first.get_by_label("Field")).to_be_focused()
    await expect(first.get_by_label("Field")).to_have_accessible_description(
        "A field is below data, such as data.stage, or it is event, timestamp or organizationId."
    )
    await expect(second.locator(".error")).to_have_text(
        "A text that begins with a quotation mark must end with one."
    )
    await expect(third.get_by_label("Value")).to_have_attribute("aria-invalid", "true")
    assert (await server.ok("GET", "~/webhooks"))["items"] == []
    await first.get_by_label("Field").fill("data.stage")
    await expect(first.locator(".error")).to_be_hidden()
    await second.get_by_label("Value").fill('"half"')
    await third.get_by_role("button", name="Remove the condition").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("main")).to_contain_text("Saved. The webhook is live")
    assert await stored_filter(server) == {"data": {"stage": "won", "name": "half"}}


async def test_the_builder_is_used_with_the_keyboard_alone(visit, server, receiver):
    page = await visit("/new")
    builder = Builder(page)
    await page.get_by_label("Destination URL").fill(receiver.url)
    await page.get_by_role("checkbox", name="contact.created").check()
    await page.locator("summary", has_text="Event filter").focus()
    keyboard = page.keyboard
    await keyboard.press("Enter")
    await keyboard.press("Tab")
    await keyboard.type("data.score")
    await keyboard.press("Tab")
    await keyboard.type("is more than")
    await keyboard.press("Tab")
    await keyboard.type("4.50")
    await keyboard.press("Tab")  # the button that removes it
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    await keyboard.type("data.name")
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await keyboard.type("Jane")
    await expect(builder.json).to_have_value('{"data": {"score": {"$gt": 4.50}, "name": "Jane"}}')
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    await expect(builder.rows).to_have_count(1)
    await expect(builder.rows.nth(0).get_by_label("Field")).to_be_focused()
    await keyboard.press("Enter")
    await expect(page.locator("main")).to_contain_text("Saved. The webhook is live")
    assert await stored_filter(server) == {"data": {"score": {"$gt": 4.5}}}


SUGGESTED = """(wanted) => {
  const paths = [...document.querySelectorAll("#filter-paths option")].map((one) => one.value);
  return paths.length && paths.includes("data.stage") === wanted && paths;
}"""


async def test_fields_of_the_chosen_events_are_suggested(visit):
    page = await visit("/new")
    await Builder(page).open()
    every = await (await page.wait_for_function(SUGGESTED, arg=True)).json_value()
    assert every[:3] == ["event", "timestamp", "organizationId"]
    await page.get_by_role("checkbox", name="contact.deleted").check()
    few = await (await page.wait_for_function(SUGGESTED, arg=False)).json_value()
    assert set(few) < set(every)
    await page.get_by_role("checkbox", name="deal.*").check()
    await page.wait_for_function(SUGGESTED, arg=True)


async def test_the_test_says_in_its_place_which_of_the_last_events_match(visit, server, receiver):
    await server.webhook(receiver.url)
    for number in range(3):
        await server.emit(data={"n": number})
    page = await visit("/new")
    builder = Builder(page)
    await page.get_by_label("Description").fill("not lost")
    await builder.open()
    await builder.fill(0, "data.n", "is at least", "1")
    result, button = (
        page.locator("#filter-trial"),
        page.get_by_role("button", name="Try the filter"),
    )
    await expect(result).to_have_text("Says which of the last 100 events match.")
    before = await page.locator("#save").evaluate(TOP)
    await button.click()
    await expect(result).to_contain_text("2 of the last 3 events match.")
    assert await page.locator("#save").evaluate(TOP) == before
    await result.get_by_text("Show them").click()
    links = result.get_by_role("link")
    await expect(links).to_have_text(["contact.created", "contact.created"])
    await expect(result.locator("li").first).to_have_text(re.compile(r"\d\d:\d\d:\d\d$"))
    async with page.context.expect_page() as opened:
        await links.first.click()
    await expect((await opened.value).get_by_role("heading", level=1)).to_have_text(
        "contact.created"
    )
    await expect(page.get_by_label("Description")).to_have_value("not lost")
    await builder.fill(0, "data.n", "is at least", "2")
    await expect(result).to_have_text("Says which of the last 100 events match.")
    await builder.json.fill('{"data": {"$gtt": 1}}')
    await button.click()
    await expect(result).to_contain_text("At /data/$gtt: There is no operator $gtt.")


async def test_without_javascript_there_is_the_json(visit):
    page = await visit("/new", java_script_enabled=False)
    await Builder(page).open()
    await expect(page.get_by_label("The filter as JSON")).to_be_visible()
    await expect(page.locator(".filter-builder")).to_be_hidden()
    await page.get_by_label("The filter as JSON").fill('{"event": "contact.created"}')
    await page.get_by_role("button", name="Try the filter").click()
    await expect(page.get_by_text("0 of the last 0 events match.")).to_be_visible()


# --- how it looks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "dark"), (1280, "light"), (360, "light"), (1280, "dark")]
)
@pytest.mark.thorough
async def test_rows_errors_and_answers_are_accessible_and_fit(visit, server, axe, width, scheme):
    await server.webhook("http://127.0.0.1:9/")
    await server.emit(data={"name": "Jane"})
    page = await visit(
        "/new",
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    builder = Builder(page)
    await page.evaluate(axe)

    async def look() -> None:
        found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert [one["id"] for one in found["violations"]] == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        cut = "(some) => some.filter((one) => one.scrollWidth > one.clientWidth + 1).length"
        assert await page.locator(".filter-row :is(label, button)").evaluate_all(cut) == 0

    await builder.open()
    await builder.fill(0, "data.name", "begins with", "J")
    await page.get_by_role("button", name="Try the filter").click()
    await page.get_by_text("Show them").click()
    await look()
    await builder.add.click()
    await builder.fill(1, "w" * 60, "is not there")
    await page.get_by_role("button", name="Save").click()
    await expect(builder.rows.nth(1).locator(".error")).to_be_visible()
    await look()
    await builder.json.fill('{"$not": {"event": "a"}}')
    await expect(page.get_by_text(BEYOND)).to_be_visible()
    await look()
    await builder.json.fill('{"$not')
    await look()
