"""Makes docs/screenshots: a real server with a day of made-up traffic, in a real Chromium.

`sample_traffic` writes the traffic. `make screenshots` runs this script. With arguments, it makes
only the screenshots whose name contains one of them.

`make screenshots ARGS="--every FOLDER"` takes every view at three widths, in light and dark, in the
service's own look and in a second product's, into a folder of your choice: to look at, not to keep.
"""

import asyncio
import base64
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright
from sample_traffic import ACME, CRM, FLOW, KEY, ORGANIZATION, write_day

HERE = Path(__file__).parent
SHOTS = HERE / "screenshots"
SETTINGS = "/settings/webhooks"
ORIGIN = "http://127.0.0.1:8411"


class ScreenshotTaker:
    """A browser that takes screenshots of a running server."""

    def __init__(self, browser: Browser, environment: dict[str, str]) -> None:
        self.browser = browser
        self.environment = environment
        self.wanted = sys.argv[1:]

    def wants(self, name: str) -> bool:
        return not self.wanted or any(word in name for word in self.wanted)

    async def link(self, organization: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "winnerr_webhooks", "login-link",
            "--organization", organization, "--user", "Jane",
            env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode().strip()

    async def sign_in(self, organization: str = ORGANIZATION) -> Page:
        context = await self.browser.new_context(
            base_url=ORIGIN,
            viewport={"width": 1280, "height": 800},
            timezone_id="America/New_York",
            locale="en-US",
            reduced_motion="reduce",
        )
        page = await context.new_page()
        await page.goto(await self.link(organization))
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(ORIGIN + SETTINGS)
        return page

    async def shoot(self, page: Page, name: str, *, height: int = 800) -> None:
        """Take a screenshot in light, and as `…-dark` and `…-360` if PICTURES lists them."""
        looks = {"": ("light", 1280), "-dark": ("dark", 1280), "-360": ("light", 360)}
        for ending, (scheme, width) in looks.items():
            if name + ending not in PICTURES or not self.wants(name + ending):
                continue
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            await page.set_viewport_size({"width": width, "height": height})
            await page.mouse.move(0, 0)
            await page.screenshot(path=SHOTS / f"{name}{ending}.png", animations="disabled")
        await page.emulate_media(color_scheme="light", reduced_motion="reduce")
        await page.set_viewport_size({"width": 1280, "height": 800})


PICTURES = (
    "webhooks", "webhooks-dark", "webhooks-360", "webhooks-empty",
    "add", "add-errors", "webhook-failing", "webhook-rotating", "webhook-paused", "delete",
    "logs", "logs-dark", "logs-360", "logs-nothing",
    "attempt-failed", "attempt-failed-dark", "attempt-delivered", "replay-all", "link-over",
)  # fmt: skip
"""The names of all screenshots."""


async def take_all(taker: ScreenshotTaker, ids: dict[str, str]) -> None:
    """Visit every page and take its screenshots."""
    page = await taker.sign_in("org_new")
    await taker.shoot(page, "webhooks-empty", height=560)
    page = await taker.sign_in()
    await page.goto(f"{SETTINGS}/logs")  # first, before the server makes the next retries
    await taker.shoot(page, "logs", height=800)
    await page.goto(SETTINGS)
    await taker.shoot(page, "webhooks", height=600)

    await page.goto(f"{SETTINGS}/new")
    await page.get_by_label("Destination URL").fill("https://hooks.globex.example/winnerr")
    for event in ("contact.created", "deal.stage_changed", "deal.closed_won"):
        await page.get_by_role("checkbox", name=event).check()
    await page.get_by_role("button", name="Generate").click()
    await page.get_by_label("Description").fill("Globex: deals into the data warehouse")
    await page.evaluate("scrollTo(0, 0)")
    await taker.shoot(page, "add", height=1424)
    await page.get_by_label("Destination URL").fill("http://192.168.1.20/hook")
    await page.get_by_role("textbox", name="Secret").fill("secret")
    await page.get_by_role("button", name="Save").click()
    await page.locator("#error-summary").wait_for()
    await taker.shoot(page, "add-errors", height=800)

    await page.goto(f"{SETTINGS}/{ids[ACME]}")
    await taker.shoot(page, "webhook-failing", height=960)
    await page.goto(f"{SETTINGS}/{ids[FLOW]}")
    await taker.shoot(page, "webhook-paused", height=640)
    await page.goto(f"{SETTINGS}/{ids[ACME]}/delete")
    await taker.shoot(page, "delete", height=480)
    await page.goto(f"{SETTINGS}/{ids[CRM]}/signing")
    await page.get_by_role("button", name="Rotate").click()
    await page.get_by_role("button", name="Switch now").wait_for()
    await page.get_by_text("Python", exact=True).click()
    await page.evaluate("scrollTo(0, 0)")
    await taker.shoot(page, "webhook-rotating", height=960)

    await page.goto(f"{SETTINGS}/logs?status=5xx&q=invoice")
    await taker.shoot(page, "logs-nothing", height=560)
    await page.goto(f"{SETTINGS}/logs?webhook={ids[ACME]}&status=503")
    attempt = page.locator("#rows > tr", has_text="2 of 4").locator(".result a").first
    await page.goto(await attempt.get_attribute("href"))
    await taker.shoot(page, "attempt-failed", height=1000)
    await page.goto(f"{SETTINGS}/logs?webhook={ids[CRM]}&status=200")
    await page.goto(await page.locator("#rows .result a").first.get_attribute("href"))
    await taker.shoot(page, "attempt-delivered", height=960)
    await page.goto(f"{SETTINGS}/logs/replay")
    await taker.shoot(page, "replay-all", height=480)
    await page.goto(f"{SETTINGS}/sign-in/used-up")
    await taker.shoot(page, "link-over", height=480)


WIDTHS = (1280, 768, 360)
LOOKS: dict[str, dict[str, str]] = {
    "own": {},
    "globex": {
        "BRAND": "Globex",
        "THEME_ACCENT": "#0f766e,#2dd4bf",
        "THEME_FONT": "Georgia, serif",
        "SIGNATURE_HEADER": "X-Globex-Hmac",
    },
}
"""The settings of each look."""


async def every_view(taker: ScreenshotTaker, ids: dict[str, str], look: str, into: Path) -> None:
    """Take a screenshot of each view, whole, at each width and in each colour scheme."""
    page = await taker.sign_in()
    await page.goto(f"{SETTINGS}/logs?webhook={ids[ACME]}&status=503")
    failed = await page.locator("#rows .result a").first.get_attribute("href")
    await page.goto(failed)
    event = await page.locator("article a[href*='/events/']").first.get_attribute("href")
    acme, crm = f"{SETTINGS}/{ids[ACME]}", f"{SETTINGS}/{ids[CRM]}"
    views = {
        "webhooks": SETTINGS, "add": f"{SETTINGS}/new", "overview": acme,
        "overview-fine": crm, "overview-paused": f"{SETTINGS}/{ids[FLOW]}",
        "deliveries": f"{acme}/deliveries", "settings": f"{crm}/settings",
        "signing": f"{crm}/signing", "edit": f"{crm}/edit", "delete": f"{acme}/delete",
        "recover": f"{acme}/recover", "rehearse": f"{acme}/rehearse",
        "signature-check": f"{crm}/signature-check", "check-receiver": f"{crm}/check-receiver",
        "test-event": f"{crm}/test-event", "event-types": f"{SETTINGS}/event-types",
        "event-send": f"{SETTINGS}/event-types/send?event=deal.created",
        "logs": f"{SETTINGS}/logs", "logs-wrong": f"{SETTINGS}/logs?status=x&since=y",
        "logs-nothing": f"{SETTINGS}/logs?q=invoice", "attempt": failed, "event": event,
        "replay-all": f"{SETTINGS}/logs/replay", "activity": f"{SETTINGS}/activity",
        "not-found": f"{SETTINGS}/nowhere", "link-over": f"{SETTINGS}/sign-in/none",
        "signed-out": f"{SETTINGS}/signed-out",
    }  # fmt: skip
    for name, path in views.items():
        if not taker.wants(name):
            continue
        await page.goto(path)
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 800})
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                await page.screenshot(
                    path=into / f"{name}-{look}-{width}-{scheme}.png",
                    full_page=True, animations="disabled",
                )  # fmt: skip
    await page.context.close()


@asynccontextmanager
async def served(folder: Path, look: dict[str, str] | None = None) -> AsyncIterator[dict[str, str]]:
    """A server with the day's database; yields its environment."""
    settings = {
        "DATABASE_URL": f"sqlite:///{folder / 'day.db'}",
        "ENCRYPTION_KEYS": "k1:" + base64.b64encode(KEY).decode(),
        "PORT": ORIGIN.rpartition(":")[2],
        "PUBLIC_URL": ORIGIN,
    } | (look or {})
    environment = os.environ | {f"WINNERR_WEBHOOKS_{name}": at for name, at in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "winnerr_webhooks", "serve", env=environment, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async for line in process.stdout:
            if ORIGIN.encode() in line:
                break
        else:
            raise SystemExit(f"The server ended: {line.decode()}")
        yield environment
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def main() -> None:
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        raise SystemExit("No Chromium here: see `make browser`.")
    SHOTS.mkdir(exist_ok=True)
    every = None
    if sys.argv[1:2] == ["--every"]:
        every = Path(sys.argv[2])
        every.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ids = await write_day(folder / "day.db")
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            for look, settings in LOOKS.items() if every else {"own": {}}.items():
                async with served(folder, settings) as environment:
                    taker = ScreenshotTaker(browser, environment)
                    if every:
                        taker.wanted = sys.argv[3:]
                        await every_view(taker, ids, look, every)
                    else:
                        await take_all(taker, ids)
            await browser.close()
    for shot in sorted((every or SHOTS).glob("*.png")):
        print(f"{shot.stat().st_size / 1000:6.0f} kB  {shot.name}")


if __name__ == "__main__":
    asyncio.run(main())
