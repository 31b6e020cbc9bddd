"""A second product's look, as the guide sets it, in a browser: light, dark, narrow and readable."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

GUIDE = Path(__file__).parents[2] / "docs/how-to/your-own-name-and-look.md"
LOOK = GUIDE.read_text("utf-8").partition("## The look")[2].partition("\n## ")[0]
"""The settings of this section are what the server runs with."""
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 24">'
    '<rect width="80" height="24" rx="4" fill="#0f766e"/></svg>'
)


@pytest_asyncio.fixture(loop_scope="session")
async def server(
    make_server: Callable[..., Awaitable[Any]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Any]:
    """The second product; `visit` signs in to it."""
    folder = tmp_path_factory.mktemp("look")
    (folder / "globex.svg").write_text(LOGO)
    (folder / "globex.css").write_text(":root { --radius: 0; }")
    block = LOOK.replace("/etc/webhooks", str(folder))
    found = re.findall(r"""WINNERR_WEBHOOKS_(\w+)=(?:'(.*)'|"(.*)"|(.*))$""", block, re.MULTILINE)
    settings = {name: "".join(value) for name, *value in found}
    assert set(settings) == {"THEME_ACCENT", "THEME_FONT", "THEME_LOGO", "THEME_STYLESHEET"}
    return await make_server(BRAND="Globex CRM", **settings)


async def style(page: Page, selector: str, name: str) -> str:
    return await page.locator(selector).first.evaluate(
        "(element, name) => getComputedStyle(element).getPropertyValue(name)", name
    )


async def test_the_page_has_the_products_colours_font_logo_and_style(visit, server):
    page = await visit("/new")
    await page.emulate_media(color_scheme="light")
    assert await style(page, ".primary", "background-color") == "rgb(15, 118, 110)"
    assert await style(page, ".primary", "color") == "rgb(255, 255, 255)"
    assert await style(page, ".primary", "border-radius") == "0px"
    assert await style(page, "body", "font-family") == '"Globex Sans", Arial, sans-serif'
    await page.emulate_media(color_scheme="dark")
    assert await style(page, ".primary", "background-color") == "rgb(45, 212, 191)"
    assert await style(page, ".primary", "color") == "rgb(14, 17, 23)"
    assert await style(page, "body", "background-color") == "rgb(14, 17, 23)"
    logo = page.get_by_role("img", name="Globex CRM")
    await expect(logo).to_be_visible()
    assert await logo.evaluate("one => [one.complete, one.naturalWidth > 0]") == [True, True]
    box = await logo.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (80, 24)


@pytest.mark.thorough
async def test_axe_finds_nothing_in_the_products_look(visit, server, receiver, check):
    webhook = await server.webhook(receiver.url, secret="a secret of Globex")
    await server.emit()
    await server.until("~/logs", lambda found: found["items"])
    page = await visit()
    for path in ("", "/new", "/logs", f"/{webhook['id']}"):
        await page.goto(f"/settings/webhooks{path}")
        await check(page)
        assert not re.search("winnerr", await page.content(), re.IGNORECASE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_fixed_colour_scheme_wins_over_what_the_visitor_prefers(
    make_server, chromium, scheme
):
    server = await make_server(THEME_COLOR_SCHEME=scheme)
    other = "dark" if scheme == "light" else "light"
    context = await chromium.new_context(color_scheme=other)
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{server.port}/settings/webhooks/signed-out")
    shown = await style(page, "body", "background-color")
    assert shown == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(14, 17, 23)")
    await context.close()
