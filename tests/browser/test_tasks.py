"""The twelve tasks of an admin, a developer and an operator, with the steps that a person makes.

A step is a click, a field that is filled in, or a key that is pressed to send. A task begins on the
Webhooks tab, signed in, and ends where its result is seen. Each has the most steps that it may
take. `docs/explanation/steps-of-tasks.md` has them beside those of other products. Ten of the
tasks are done with the mouse, with the keyboard alone, and without JavaScript. The two of an
operator, who sets up the page, are settings and calls: `test_embedding.py` embeds it over TLS.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Locator, Page, expect
from tests.server import PAUSE

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAYS = ("keyboard", "mouse", "no JavaScript")
MOST_TABS = 250
"""Presses of Tab after which something counts as out of reach."""


class Person:
    """Somebody who uses a page, and whose steps are counted."""

    def __init__(self, page: Page, way: str) -> None:
        self.page = page
        self.way = way
        self.steps = 0

    async def click(self, target: Locator) -> None:
        """Click a link, a button or a box; by keyboard, go there and press Enter or Space."""
        self.steps += 1
        if self.way != "keyboard":
            await target.click()
            return
        await self._reach(target)
        kind = await target.evaluate("(one) => one.type")
        await self.page.keyboard.press("Space" if kind == "checkbox" else "Enter")

    async def fill(self, field: Locator, text: str) -> None:
        """Fill in a field."""
        self.steps += 1
        if self.way != "keyboard":
            await field.fill(text)
            return
        await self._reach(field)
        await self.page.keyboard.type(text)

    async def press_enter(self) -> None:
        """Send the form whose field was filled in last."""
        self.steps += 1
        await self.page.keyboard.press("Enter")

    async def sees(self, place: Locator, text: str | re.Pattern[str]) -> None:
        """Wait for a text. Without JavaScript, a page is current when it is loaded again."""
        if self.way == "no JavaScript":
            async with asyncio.timeout(20):
                while not await place.filter(has_text=text).count():
                    await asyncio.sleep(PAUSE)
                    await self.page.reload()
        await expect(place.filter(has_text=text).first).to_be_visible()

    async def _reach(self, target: Locator) -> None:
        await expect(target).to_be_visible()
        for _press in range(MOST_TABS):
            if await target.evaluate("(one) => one === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab never came to {target}")

    def link(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("link", name=name, exact=isinstance(name, str)).first

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name, exact=isinstance(name, str)).first

    def tab(self, name: str) -> Locator:
        tabs = self.page.get_by_role("navigation", name="Webhook settings")
        return tabs.get_by_role("link", name=name)

    @property
    def main(self) -> Locator:
        return self.page.locator("main")


class World(NamedTuple):
    """What a task is about."""

    server: Any
    receiver: Any
    answer: Callable[..., Any]

    async def webhook(self, **fields: Any) -> dict[str, Any]:
        """A webhook with a name to click on."""
        return await self.server.webhook(self.receiver.url, name="Sales mirror", **fields)

    async def failed(self, count: int, status: int = 503) -> list[dict[str, Any]]:
        """So many deliveries that failed for good."""
        self.receiver.answer = lambda _request: self.answer(status)
        for number in range(count):
            await self.server.emit(data={"name": f"Contact {number}"})
        page = await self.server.until(
            "~/deliveries?status=failed", lambda found: len(found["items"]) == count
        )
        self.receiver.answer = lambda _request: self.answer()
        return page["items"]


async def add(person: Person, world: World) -> None:
    await person.click(person.link("Add Webhook"))
    await person.fill(person.page.get_by_label("Destination URL"), world.receiver.url)
    await person.click(person.page.get_by_role("checkbox", name="contact.created"))
    await person.click(person.button("Save"))
    await expect(person.main).to_contain_text("Saved. The webhook is live")
    # It is signed, and what the receiver needs is at hand.
    await expect(person.page.get_by_label("Secret", exact=True)).to_have_value(
        re.compile(r"^whsec_")
    )


async def test_event(person: Person, world: World) -> None:
    await world.webhook()
    await person.page.reload()
    await person.click(person.link("Sales mirror"))
    await person.click(person.button("Send test event"))
    await world.receiver.wait_for(1)
    await person.sees(person.main, "Test event delivered")


async def understand_a_401(person: Person, world: World) -> None:
    await world.webhook()
    await world.failed(1, status=401)
    await person.page.reload()
    await person.click(person.link("see the first failure"))
    diagnosis = person.page.get_by_role("region", name="What is wrong, and what to do")
    await expect(diagnosis).to_contain_text("does not believe that the request comes from us")
    await expect(diagnosis).to_contain_text("What to do")


async def find_by_text(person: Person, world: World) -> None:
    await world.webhook()
    for name in ("Ann Onym", "Jane Doe", "Bo Peep"):
        await world.server.emit(data={"name": name})
    await world.receiver.wait_for(3)
    await world.server.until("~/logs", lambda found: len(found["items"]) == 3)
    await person.click(person.tab("Logs"))
    await person.fill(person.page.get_by_label("Text", exact=True), "jane doe")
    await person.press_enter()
    await expect(person.page.locator("#rows > tr")).to_have_count(1)


async def share_a_link(person: Person, world: World) -> None:
    await world.webhook()
    await world.failed(1)
    await person.click(person.tab("Logs"))
    await person.click(person.page.locator("#rows .result a").first)
    await expect(person.page.locator("#attempt-title").last).to_contain_text("503")
    # What the address bar shows opens the same for somebody else.
    url = person.page.url
    assert re.search(r"/logs(/att_|\?.*att_)", url), url
    other = await person.page.context.new_page()
    await other.goto(url)
    await expect(other.locator("#attempt-title").last).to_contain_text("503")
    await other.close()


async def replay_one(person: Person, world: World) -> None:
    await world.webhook()
    await world.failed(1)
    sent = len(world.receiver.requests)
    await person.click(person.tab("Logs"))
    await person.click(person.page.locator("#rows").get_by_role("button", name="Replay").first)
    await world.receiver.wait_for(sent + 1)
    await person.sees(person.main, "200")


async def replay_many(person: Person, world: World) -> None:
    await world.webhook()
    await world.failed(3)
    sent = len(world.receiver.requests)
    await person.click(person.tab("Logs"))
    await person.click(person.link("Replay all failed…"))
    await person.click(person.button("Replay 3 deliveries"))
    await world.receiver.wait_for(sent + 3)
    await person.sees(person.main, "3 of 3 done")


async def rotate(person: Person, world: World) -> None:
    webhook = await world.webhook(generateSecret=True)
    await person.page.reload()
    await person.click(person.link("Sales mirror"))
    await person.click(person.link("Signing"))
    await person.click(person.button("Rotate"))
    await expect(person.page.get_by_label("New secret").first).to_have_value(re.compile(r"^whsec_"))
    await expect(person.main).to_contain_text("Rotating until")
    assert (await world.server.ok("GET", f"~/webhooks/{webhook['id']}"))["hasSecret"]


async def pause_and_resume_with_missed(person: Person, world: World) -> None:
    await world.webhook()
    await person.page.reload()
    await person.click(person.link("Sales mirror"))
    await person.click(person.button("Pause"))
    await expect(person.main).to_contain_text("Nothing is sent until you resume")
    await world.server.emit()
    await person.page.reload()
    await person.click(person.page.get_by_role("checkbox", name="Send the one event you missed"))
    await person.click(person.button("Resume"))
    await world.receiver.wait_for(1)
    await expect(person.main).to_contain_text("The missed events are being sent now")


async def see_who_did_what(person: Person, world: World) -> None:
    webhook = await world.webhook()
    await world.server.ok("PATCH", f"~/webhooks/{webhook['id']}", {"status": "paused"})
    await person.click(person.tab("Activity"))
    await expect(person.main).to_contain_text("Paused the webhook")
    await expect(person.main).to_contain_text("Sales mirror")


TASKS: list[tuple[Callable[[Person, World], Awaitable[None]], int]] = [
    (add, 4),
    (test_event, 2),
    (understand_a_401, 1),
    (find_by_text, 3),
    (share_a_link, 2),
    (replay_one, 2),
    (replay_many, 3),
    (rotate, 3),
    (pause_and_resume_with_missed, 4),
    (see_who_did_what, 1),
]
"""Each task with the most steps that it may take."""
test_event.__test__ = False  # type: ignore[attr-defined]  # a task, as the others


@pytest.mark.parametrize(
    "way",
    ["keyboard", *(pytest.param(way, marks=pytest.mark.thorough) for way in WAYS[1:])],
)
@pytest.mark.parametrize(("task", "most"), TASKS, ids=[task.__name__ for task, _ in TASKS])
async def test_a_task_takes_few_steps(  # noqa: PLR0917  fixtures
    visit, server, receiver, answer, task, most, way
):
    page = await visit(java_script_enabled=way != "no JavaScript")
    person = Person(page, way)
    await task(person, World(server, receiver, answer))
    assert person.steps <= most


async def test_an_operator_gives_the_page_the_products_look_with_two_settings(
    make_server, chromium
):
    """Two steps: BRAND and THEME_ACCENT. A logo, a font and a stylesheet are a setting each."""
    server = await make_server(BRAND="Globex", THEME_ACCENT="#0f766e,#2dd4bf")
    context = await chromium.new_context(base_url=f"http://127.0.0.1:{server.port}")
    page = await context.new_page()
    link = await server.ok("POST", "~/portal-sessions", {"role": "admin"})
    await page.goto(link["url"])
    await page.get_by_role("button", name="Sign in").click()
    button = page.get_by_role("link", name="Add Webhook").first
    await expect(button).to_have_css("background-color", "rgb(15, 118, 110)")
    assert "innerr" not in await page.content()
    await context.close()
