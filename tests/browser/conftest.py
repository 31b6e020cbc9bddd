"""Fixtures of the browser tests: a real Chromium, signed in to a real server.

Every test fails if a page logs an error, breaks the content security policy, opens a dialog, or
requests anything from another origin.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    async_playwright,
    expect,
)
from tests.browser import axe_rules

HERE = Path(__file__).parent
SETTINGS = "/settings/webhooks"
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = next(
    (
        found
        for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)

WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) => console.error(
  `CSP: ${event.violatedDirective} forbade ${event.blockedURI || "inline"}`));
"""

Visit = Callable[..., Awaitable[Page]]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Skip the tests, with the reason, where there is no Chromium."""
    if CHROMIUM is None:
        item.add_marker(pytest.mark.skip("no Chromium here: `make browser` installs it"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One Chromium a module; each visit has its server cookies."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


class PageMonitor:
    """Records what no page may do."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.problems: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", lambda error: self.problems.append(f"uncaught: {error.error}"))
        context.on("dialog", self._dialog)
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        # A form that is refused answers 422, and the browser logs the status of its server accord.
        refused = re.search(r"status of 4(01|03|04|10|22) ", message.text)
        if message.type in ("error", "warning") and not refused:
            self.problems.append(f"{message.type}: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        task = asyncio.ensure_future(dialog.dismiss())
        task.add_done_callback(lambda done: done.exception())

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin + "/", "data:")):
            self.problems.append(f"request to another origin: {request.url}")


@pytest_asyncio.fixture(loop_scope="session")
async def visit(chromium: Browser, server: Any) -> AsyncIterator[Visit]:
    """Open the settings page with cookies of its own, signed in; `options` are the context's."""
    contexts: list[BrowserContext] = []
    origin = f"http://127.0.0.1:{server.port}"
    monitor = PageMonitor(origin)

    async def start(path: str = "", *, role: str | None = "admin", **options: Any) -> Page:
        context = await chromium.new_context(base_url=origin, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        monitor.watch(context)
        if options.get("java_script_enabled", True):
            await context.add_init_script(WATCH_POLICY)
        if role is not None:
            link = await server.ok("POST", "~/portal-sessions", {"role": role, "user": "Jane"})
            # As the form behind the link is sent; its page has tests of its own.
            answer = await context.request.post(
                link["url"], headers={"Sec-Fetch-Site": "same-origin"}, max_redirects=0
            )
            assert answer.status == 303
        page = await context.new_page()
        await page.goto(SETTINGS + path)
        return page

    yield start
    for context in contexts:
        await context.close()
    assert monitor.problems == []


@pytest.fixture
def axe() -> str:
    """The source of axe-core."""
    if not AXE.exists():
        pytest.skip("no axe-core here: `make browser` installs it, and needs npm")
    return AXE.read_text()


@pytest.fixture
def check(axe: str) -> axe_rules.Checker:
    """Look at a page with axe-core: light and dark, 1280 and 360 wide; see `axe_rules`."""
    return axe_rules.Checker(axe)
