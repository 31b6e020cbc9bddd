"""A second product shows the settings page in a frame of its own site, over TLS, in a browser."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from html import escape
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
from playwright.async_api import FrameLocator, Page, expect
from tests.postgres import free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")

SETTINGS = "/settings/webhooks"
Pages = dict[str, str]
GUIDE = (Path(__file__).parents[2] / "docs/how-to/embed-the-page.md").read_text("utf-8")
STEPS = (Path(__file__).parents[2] / "docs/explanation/steps-of-tasks.md").read_text("utf-8")
WEBHOOKS, PRODUCT = "https://webhooks.example.com", "https://app.example.com"
"""The two origins as the guide names them."""


def block(language: str, part: str = "") -> str:
    """Return the first code block of the guide in a language, and with a part of its text."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    return next(text for text in found if part in text)


@asynccontextmanager
async def tls_proxy(port: int, target: int, tls: ssl.SSLContext) -> AsyncIterator[None]:
    """Terminate TLS on a port in front of a plain server, as a load balancer does."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, outer), pump(inner, writer), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", port, ssl=tls)
    yield
    server.close()


@asynccontextmanager
async def product(port: int, pages: Pages, tls: ssl.SSLContext) -> AsyncIterator[None]:
    """Serve the product's own pages, whose policy allows no inline style either."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ")[1].decode().partition("?")[0]
                body = pages.get(path, "").encode()
                kind = "text/javascript" if path.endswith(".js") else "text/html; charset=utf-8"
                writer.write(
                    f"HTTP/1.1 {200 if body else 404} x\r\nContent-Type: {kind}\r\n"
                    "Content-Security-Policy: style-src 'none'\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, ssl=tls)
    yield
    server.close()


class Globex:
    """The second product: its origin, its pages, and the webhooks server behind its own origin."""

    def __init__(self, server: Any, origin: str, webhooks: str, pages: Pages) -> None:
        self.server = server
        self.origin = origin
        self.webhooks = webhooks
        self.pages = pages

    def embed(self, path: str, url: str, new_link: str = "about:blank") -> None:
        """Make a page of the product that embeds a URL, of the code that the documentation shows.

        `new_link` is what its backend answers when it is asked for another link.
        """
        html = block("html").replace(f"{WEBHOOKS}{SETTINGS}/sign-in/…", escape(url))
        assert escape(url) in html
        self.pages[path] = (
            f"<!doctype html><title>Globex CRM</title><h1>Globex CRM</h1>"
            f'{html.replace(WEBHOOKS, self.webhooks)}<script src="/own.js"></script>'
        )
        self.pages["/own.js"] = (
            "async function newWebhooksLink(path) {"
            f" document.title = `asked for ${{path}}`; return {json.dumps(new_link)}; }}\n"
            + block("js")
        )

    async def link(self, organization: str = "org_1", **fields: Any) -> str:
        said = re.search("-d '(.*)'", block("sh", "-d "))
        assert said
        body = json.loads(said[1]) | fields
        return (await self.server.of(organization).ok("POST", "~/portal-sessions", body))["url"]


@pytest_asyncio.fixture(loop_scope="session")
async def globex(make_server: Callable[..., Awaitable[Any]]) -> AsyncIterator[Globex]:
    authority, port, webhooks_port = trustme.CA(), free_port(), free_port()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
    origin, webhooks = f"https://localhost:{port}", f"https://127.0.0.1:{webhooks_port}"
    server = await make_server(
        BRAND="Globex CRM",
        **{
            name: value.replace(WEBHOOKS, webhooks).replace(PRODUCT, origin)
            for name, value in re.findall(r"WINNERR_WEBHOOKS_(\w+)=(\S+)", GUIDE)
        },
    )
    pages: Pages = {
        "/favicon.ico": "none",
        SETTINGS: "<!doctype html><title>Sign in to Globex</title>",
    }
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(tls_proxy(webhooks_port, server.port, tls))
        await stack.enter_async_context(product(port, pages, tls))
        yield Globex(server, origin, webhooks, pages)


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(chromium) -> AsyncIterator[Callable[[str], Awaitable[Page]]]:
    context = await chromium.new_context(ignore_https_errors=True)
    problems: list[str] = []
    context.on("console", lambda one: problems.append(one.text) if one.type == "error" else None)
    context.on("weberror", lambda one: problems.append(str(one.error)))

    async def start(url: str) -> Page:
        page = await context.new_page()
        await page.goto(url)
        return page

    yield start
    await context.close()
    # A session that ended is answered with 401, and Chromium moves no focus into another site's
    # frame by itself.
    expected = ("status of 401", "Blocked autofocusing")
    assert [one for one in problems if not any(part in one for part in expected)] == []


async def test_embedding_takes_as_many_steps_as_the_documentation_counts():
    """A setting, for every service has a PUBLIC_URL, a call and a block of HTML."""
    first = GUIDE.partition("## 3.")[0]
    settings = re.findall(r"WINNERR_WEBHOOKS_(?!PUBLIC_URL)\w+=", first)
    steps = [*settings, *re.findall(r"^curl |^```html", first, re.MULTILINE)]
    (counted,) = re.findall(r"Embed the page in a product \| (\d+) ", STEPS)
    assert len(steps) == int(counted)


def frame_of(page: Page) -> FrameLocator:
    return page.frame_locator("iframe")


FITS = """() => {
  const frame = document.querySelector('iframe');
  return frame.clientHeight > 0 && Number.parseFloat(frame.style.height) || 0;
}"""


async def test_a_frame_signs_in_by_itself_and_is_as_tall_as_its_content(globex, open_page):
    for number in range(12):
        await globex.server.webhook(f"http://127.0.0.1:9/{number}")
    globex.embed("/webhooks", await globex.link(organizationName="Acme GmbH"))
    page = await open_page(f"{globex.origin}/webhooks")
    frame = frame_of(page)
    await expect(frame.get_by_text("Acme GmbH")).to_be_visible()
    listed = await _fitting_height(page)
    await frame.get_by_role("link", name="Add Webhook").click()
    await expect(frame.get_by_label("Destination URL")).to_be_visible()
    await frame.get_by_label("Destination URL").fill("https://example.com/hook")
    await frame.get_by_role("checkbox", name="contact.created").check()
    added = await _fitting_height(page)
    assert listed != added
    await frame.get_by_role("button", name="Save").click()  # a POST from the frame of another site
    await expect(frame.get_by_text("The webhook is live")).to_be_visible()


async def test_an_attempt_in_a_frame_is_a_row_of_the_table_for_screen_readers_too(
    globex, open_page
):
    await globex.server.webhook("http://127.0.0.1:9/")
    await globex.server.emit()
    await globex.server.until("~/logs", lambda found: found["items"])
    globex.embed("/webhooks", await globex.link())
    page = await open_page(f"{globex.origin}/webhooks")
    frame = frame_of(page)
    await frame.get_by_role("link", name="Logs").first.click()
    await frame.locator("#rows .result a").first.click()
    panel = frame.locator("tr.panel-row[role='row'] > td[role='cell']")
    await expect(panel.locator("#attempt-title")).to_be_focused()


async def _fitting_height(page: Page) -> float:
    """Wait until the frame needs no scroll bar and has no empty space; return its height."""
    inside = page.frames[1]
    for _ in range(200):
        outer = await page.evaluate(FITS)
        content = await inside.evaluate("document.documentElement.getBoundingClientRect().height")
        if outer and abs(outer - content) < 2:
            return outer
        await page.evaluate("new Promise(requestAnimationFrame)")
    raise AssertionError(f"the frame is {outer} px tall, its content {content} px")


async def test_a_frame_that_may_not_use_the_clipboard_copies_all_the_same(globex, open_page):
    webhook = await globex.server.webhook("http://127.0.0.1:9/")
    globex.embed("/webhooks", await globex.link(path=f"{SETTINGS}/{webhook['id']}"))
    allowed = globex.pages["/webhooks"]
    globex.pages["/webhooks"] = allowed.replace(' allow="clipboard-write"', "")
    assert globex.pages["/webhooks"] != allowed
    page = await open_page(f"{globex.origin}/webhooks")
    frame = frame_of(page)
    button = frame.locator("button.id").first
    await button.click()
    await expect(button).to_have_attribute("data-note", "Copied")
    await frame.get_by_role("link", name="Logs", exact=True).click()
    await frame.get_by_label("Text").focus()
    await page.keyboard.press("Control+v")
    await expect(frame.get_by_label("Text")).to_have_value(webhook["id"])


async def test_two_organizations_in_two_tabs_of_the_product_stay_apart(globex, open_page):
    tabs = {}
    for organization in ("org_1", "org_2"):
        globex.embed(
            f"/{organization}", await globex.link(organization, organizationName=organization)
        )
        tabs[organization] = frame_of(await open_page(f"{globex.origin}/{organization}"))
        await expect(tabs[organization].get_by_text(organization)).to_be_visible()
    for organization, frame in tabs.items():
        await frame.get_by_role("link", name="Add Webhook").click()
        await frame.get_by_label("Destination URL").fill(f"https://example.com/{organization}")
        await frame.get_by_role("checkbox", name="contact.created").check()
        await frame.get_by_role("button", name="Save").click()
        await expect(frame.get_by_text("The webhook is live")).to_be_visible()
    for organization in tabs:
        items = (await globex.server.of(organization).ok("GET", "~/webhooks"))["items"]
        assert [one["url"] for one in items] == [f"https://example.com/{organization}"]


async def test_a_frame_without_a_session_gets_another_from_the_product(globex, open_page):
    asked = f"{SETTINGS}/logs?outcome=failed"
    link = await globex.link(path=asked, organizationName="Acme GmbH")
    globex.embed("/webhooks", f"{globex.webhooks}{asked}", new_link=link)
    page = await open_page(f"{globex.origin}/webhooks")
    await expect(frame_of(page).get_by_text("Acme GmbH")).to_be_visible()
    assert await page.title() == f"asked for {asked}"
    own = asked.replace(SETTINGS, f"{SETTINGS}/@org_1")
    await page.frames[1].wait_for_url(f"{globex.webhooks}{own}")


async def test_sign_in_opens_in_the_whole_window_and_never_in_the_frame(globex, open_page):
    globex.embed("/webhooks", f"{globex.webhooks}{SETTINGS}/logs?outcome=failed")
    globex.pages["/own.js"] = "// a product that does not ask for another link"
    page = await open_page(f"{globex.origin}/webhooks")
    sign_in = frame_of(page).get_by_role("link", name="Sign in")
    await expect(sign_in).to_be_visible()
    assert [frame.url.partition("/settings")[0] for frame in page.frames[1:]] == [globex.webhooks]
    await sign_in.click()
    await page.wait_for_url(lambda url: url.startswith(f"{globex.origin}{SETTINGS}?return_to="))
    assert await page.title() == "Sign in to Globex"
    assert len(page.frames) == 1


async def test_a_site_that_is_not_named_may_not_embed_the_page(globex, open_page, chromium):
    globex.embed("/webhooks", await globex.link())
    port = globex.origin.rpartition(":")[2]
    context = await chromium.new_context(ignore_https_errors=True)
    page = await context.new_page()
    await page.goto(f"https://127.0.0.1:{port}/webhooks")  # another origin than FRAME_ANCESTORS has
    await expect(frame_of(page).get_by_role("button", name="Sign in")).to_have_count(0)
    assert page.frames[1].url.startswith("chrome-error:")
    await context.close()


async def test_another_page_in_the_frame_gets_no_answer(globex, open_page):
    """The page answers only the window around it, and only an origin of FRAME_ANCESTORS."""
    link = await globex.link()
    page = await open_page(link)
    await page.wait_for_url(f"{globex.webhooks}{SETTINGS}/@org_1")
    answered = await page.evaluate(
        """() => new Promise((resolve) => {
          let answers = 0;
          addEventListener('message', ({ data }) => { answers += data.type === 'webhooks:page'; });
          postMessage({ type: 'webhooks:hello' }, '*');
          requestAnimationFrame(() => requestAnimationFrame(() => resolve(answers)));
        })"""
    )
    assert answered == 0
    assert not await page.evaluate("document.documentElement.classList.contains('framed')")
