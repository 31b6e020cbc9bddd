"""Makes docs/screenshots: a real server with a day of made-up traffic, in a real Chromium.

The traffic is written through the storage port with a manual clock. The rules are those of the
service; only the receivers' answers are scripted. `make screenshots` runs this script. With
arguments, it makes only the screenshots whose name contains one of them.

`make screenshots ARGS="--every FOLDER"` takes every view at three widths, in light and dark, in the
service's own look and in a second product's, into a folder of your choice: to look at, not to keep.
"""

import asyncio
import base64
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from winnerr_webhooks.config import Config, EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain.attempt import Exchange, Failure, Timings
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.event import NewEvent, encode_payload, rfc3339
from winnerr_webhooks.domain.verdict import success_rule
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.pipeline.access_tokens import AccessTokens
from winnerr_webhooks.pipeline.attempter import Attempter
from winnerr_webhooks.storage.road_values import Claim, LeaseTerms, Settlement
from winnerr_webhooks.storage.sqlite import SqliteStorage
from winnerr_webhooks.storage.values import NewWebhook, WebhookChange

HERE = Path(__file__).parent
SHOTS = HERE / "screenshots"
ORGANIZATION = "org_abc123"
MINUTE, HOUR = 60_000, 3_600_000
KEY = bytes(range(32))
SETTINGS = "/settings/webhooks"
NEWEST = ((95_000, "deal.created"), (12_000, "email.opened"), (4_000, "contact.updated"))
"""The last events: milliseconds before the end, and event type."""

CRM = "https://hooks.example.com/crm"
ACME = "https://api.acme.test/winnerr"
OLD = "https://old.example.org/in"
FLOW = "https://flows.northwind.example/webhook/3f1b9c2e-77aa-4d0e-b8a5-90c1de44f0aa/contact-sync"

BUSY_PAGE = (
    b"<!doctype html>\n<html>\n<head><title>503 Service Unavailable</title></head>\n<body>\n"
    b"<h1>Service Unavailable</h1>\n<p>upstream timed out (110: Connection timed out) while "
    b"reading response header from upstream</p>\n<hr>nginx\n</body>\n</html>\n"
)


class ManualClock:
    """A clock whose wall time the script moves; durations are real."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return time.monotonic()


class NoJitter:
    """Retries exactly on schedule."""

    def around(self, seconds: float, share: float = 0) -> float:
        return seconds


class Receivers:
    """An egress client whose receivers give scripted answers."""

    def __init__(self, clock: ManualClock, rng: random.Random, end: int) -> None:
        self.clock = clock
        self.rng = rng
        self.end = end

    async def post(self, destination, organization, head, body, limit=None) -> Exchange:
        host, ago = destination.host, self.end - self.clock.ms
        if "old" in host:
            return self.exchange(410, "Gone", 60, b"This integration was retired.")
        if "acme" in host:
            if ago < 52 * MINUTE:
                return self.exchange(503, "Service Unavailable", 2_090, BUSY_PAGE, "text/html")
            if 8 * HOUR < ago < 10.5 * HOUR:
                return self.refused()
        elif self.rng.random() < 0.006:
            return self.exchange(502, "Bad Gateway", 900, b"bad gateway")
        return self.exchange(200, "OK", 84, b'{"received":true}', "application/json")

    def exchange(self, status, reason, usual, body, media="text/plain") -> Exchange:
        waited = usual * self.rng.lognormvariate(0, 0.35)
        fresh = status >= 500 or self.rng.random() < 0.2
        timings = Timings(
            dns_ms=self.rng.uniform(0.3, 2.0) if fresh else None,
            connect_ms=self.rng.uniform(8, 14) if fresh else None,
            tls_ms=self.rng.uniform(16, 31) if fresh else None,
            first_byte_ms=waited,
        )
        phases = (timings.dns_ms or 0, timings.connect_ms or 0, timings.tls_ms or 0, waited, 0.3)
        head = f"server: nginx\r\ncontent-type: {media}; charset=utf-8\r\n"
        head += f"content-length: {len(body)}\r\nx-request-id: {self.rng.getrandbits(64):016x}\r\n"
        return Exchange(
            started_at=self.clock.ms,
            duration_ms=sum(phases),
            timings=timings,
            status=status,
            reason=reason,
            response_head=head.encode(),
            response_body=body,
        )

    def refused(self) -> Exchange:
        connecting = self.rng.uniform(9, 13)
        return Exchange(
            started_at=self.clock.ms,
            duration_ms=0.9 + connecting,
            timings=Timings(dns_ms=0.9, connect_ms=connecting),
            failure=Failure(
                kind="connect",
                message="The connection was refused.",
                phase="connect",
                code="refused",
            ),
        )


class Traffic:
    """A day of traffic, written as the service writes it."""

    def __init__(self, storage: SqliteStorage, clock: ManualClock, end: int) -> None:
        self.storage = storage
        self.clock = clock
        self.end = end
        self.rng = random.Random(7)  # the same day every time
        self.ids = Ids(clock)
        receivers, branding = Receivers(clock, self.rng, end), Config().branding
        self.attempter = Attempter(
            receivers,
            AccessTokens(receivers, timeout=10, branding=branding, clock=clock),
            schedule=(60.0, 600.0, 6000.0),
            success=success_rule("2xx"),
            branding=branding,
            clock=clock,
            ids=self.ids,
            jitter=NoJitter(),
        )

    async def webhook(self, url: str, events: tuple[str, ...], about: str) -> str:
        new = NewWebhook(
            id=self.ids.new("wh"),
            organization=ORGANIZATION,
            url=url,
            description=about,
            events=events,
            secret="whsec_" + base64.b64encode(KEY).decode(),
        )
        return (await self.storage.create_webhook(new, 50)).id

    async def write(self) -> dict[str, str]:
        """Write the whole day; returns the ids of the webhooks by URL."""
        ids = {
            CRM: await self.webhook(
                CRM,
                ("contact.created", "contact.updated", "deal.created", "deal.closed_won"),
                "The sales team's mirror",
            ),
            ACME: await self.webhook(ACME, ("*",), "Acme's data warehouse"),
            OLD: await self.webhook(OLD, ("deal.closed_won",), "Last year's reporting"),
            FLOW: await self.webhook(FLOW, ("contact.created",), "Contact sync, Northwind"),
        }
        paused = False
        while self.clock.ms < self.end:
            self.clock.ms += round(self.rng.expovariate(1 / self.mean_gap_ms()))
            if self.clock.ms >= self.end:
                break
            if not paused and self.end - self.clock.ms < 2 * HOUR:
                paused = True
                change = WebhookChange(status="paused")
                await self.storage.change_webhook(ORGANIZATION, ids[FLOW], change)
            await self.retry()
            await self.event()
        for ago, name in NEWEST:
            self.clock.ms = self.end - ago
            await self.retry()
            await self.event(name)
        self.clock.ms = self.end
        while await self.storage.run_job_slice():
            pass
        return ids

    def mean_gap_ms(self) -> float:
        """Mean milliseconds until the next event; longer at night."""
        hour = time.gmtime(self.clock.ms / 1000).tm_hour
        return (1.6 if 7 <= hour < 17 else 4 if 17 <= hour < 22 else 11) * MINUTE

    async def event(self, name: str = "") -> None:
        weights = [6, 5, 1, 4, 6, 2, 1, 4, 2, 1, 1, 3, 2, 1, 4, 4, 1, 2, 2, 1]
        name = name or self.rng.choices(CATALOG.names, weights)[0]
        example = CATALOG.get(name).example
        new = NewEvent(
            id=self.ids.new("evt"),
            organization=ORGANIZATION,
            name=name,
            body=encode_payload(name, rfc3339(self.clock.ms), ORGANIZATION, example),
        )
        (accepted,) = await self.storage.accept([new], LeaseTerms(seconds=60))
        await self.deliver(accepted.leased)

    async def retry(self) -> None:
        page = await self.storage.due_lanes(None, 100)
        limits = {lane.webhook_id: 50 for lane in page.lanes}
        claim = Claim(lease_seconds=60, limits=limits, max_bytes=10**7)
        await self.deliver((await self.storage.claim(claim)).deliveries)

    async def deliver(self, deliveries: list[LeasedDelivery] | tuple[LeasedDelivery, ...]) -> None:
        done: list[Settlement] = []
        for delivery in deliveries:
            (target,) = await self.storage.targets([delivery.webhook_id])
            done.append(await self.attempter.attempt(self.attempter.template(target), delivery))
            self.clock.ms += self.rng.randint(2, 9)
        if done:
            await self.storage.settle(done)


class ScreenshotTaker:
    """A browser that takes screenshots of a running server."""

    def __init__(self, browser: Browser, origin: str, environment: dict[str, str]) -> None:
        self.browser = browser
        self.origin = origin
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
            base_url=self.origin,
            viewport={"width": 1280, "height": 800},
            timezone_id="America/New_York",
            locale="en-US",
            reduced_motion="reduce",
        )
        page = await context.new_page()
        await page.goto(await self.link(organization))
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(self.origin + SETTINGS)
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
async def served(
    folder: Path, look: dict[str, str] | None = None
) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """A server with the day's database; yields its origin and environment."""
    settings = {
        "DATABASE_URL": f"sqlite:///{folder / 'day.db'}",
        "ENCRYPTION_KEYS": "k1:" + base64.b64encode(KEY).decode(),
        "PORT": "0",
        "PUBLIC_URL": "http://127.0.0.1:8411",
    }
    settings |= look or {}
    settings["PORT"] = settings["PUBLIC_URL"].rpartition(":")[2]
    environment = os.environ | {f"WINNERR_WEBHOOKS_{name}": at for name, at in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "winnerr_webhooks", "serve", env=environment, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async for line in process.stdout:
            if settings["PUBLIC_URL"].encode() in line:
                break
        else:
            raise SystemExit(f"The server ended: {line.decode()}")
        yield settings["PUBLIC_URL"], environment
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
        end = time.time_ns() // 1_000_000
        clock = ManualClock(end - 24 * HOUR)
        keyring = Keyring((EncryptionKey("k1", KEY),))
        storage = await SqliteStorage.open(
            folder / "day.db", clock=clock, keyring=keyring, exclusive=False
        )
        try:
            ids = await Traffic(storage, clock, end).write()
        finally:
            await storage.close()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            for look, settings in LOOKS.items() if every else {"own": {}}.items():
                async with served(folder, settings) as (origin, environment):
                    taker = ScreenshotTaker(browser, origin, environment)
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
