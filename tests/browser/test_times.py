"""Times are those of the reader's zone, with its name, also in the fields of forms."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import expect

from winnerr_webhooks.domain.language_choice import LANGUAGES
from winnerr_webhooks.settings_page.languages import load_language

pytestmark = pytest.mark.asyncio(loop_scope="session")

KATHMANDU = {"timezone_id": "Asia/Kathmandu", "locale": "en-GB"}  # 5 h 45 min ahead of UTC


async def test_every_page_names_the_zone_of_its_times(visit, server, receiver):
    webhook = await server.webhook(receiver.url)
    page = await visit(**KATHMANDU)
    for path in ("", "/logs", "/activity", f"/{webhook['id']}", f"/{webhook['id']}/deliveries"):
        await page.goto(f"/settings/webhooks{path}")
        await expect(page.locator("footer")).to_contain_text("Times are in GMT+5:45")
        assert "UTC" not in await page.locator("body").inner_text()


async def test_a_time_of_the_other_half_of_the_year_has_the_name_that_its_zone_had_then(
    visit, server, receiver
):
    webhook = await server.webhook(receiver.url)
    await server.emit()
    await server.until("~/logs", lambda found: found["items"])
    then = datetime.now(ZoneInfo("Europe/Berlin"))
    page = await visit(timezone_id="Europe/Berlin", locale="en-GB")
    month = 1 if then.tzname() == "CEST" else 7
    await page.clock.set_fixed_time(datetime(then.year + 1, month, 15, tzinfo=UTC))
    now = "CET" if month == 1 else "CEST"

    await page.goto(f"/settings/webhooks/{webhook['id']}/deliveries")
    heading = page.locator("#log th .zone")
    await expect(heading).to_have_text(f"{now}/{then.tzname()}")
    await page.locator("#rows .result a").click()
    await expect(page.locator(".meta .zone")).to_have_text(str(then.tzname()))


async def test_a_time_is_entered_in_the_zone_of_the_reader_and_sent_in_utc(visit):
    page = await visit("/logs?since=2026-11-23T09:14&until=2026-11-23T20:00:00Z", **KATHMANDU)
    since = page.get_by_label("From GMT+5:45")
    await expect(since).to_have_value("2026-11-23T14:59")
    await since.fill("2026-11-23T15:00")
    await page.get_by_role("button", name="Filter").click()
    await page.wait_for_url("**since=2026-11-23T09*")
    query = parse_qs(urlsplit(page.url).query)
    assert query["since"] == ["2026-11-23T09:15:00"]
    assert query["until"] == ["2026-11-23T20:00"]  # it was not touched


async def test_a_recovery_since_a_local_time_counts_from_that_instant(visit, server, receiver):
    webhook = await server.webhook(receiver.url)
    page = await visit(f"/{webhook['id']}/recover", **KATHMANDU)
    await page.get_by_label("or since GMT+5:45").fill("2026-11-23T15:00")
    await page.get_by_role("button", name="Count again").click()
    await page.wait_for_url("**since=2026-11-23T09*")
    await expect(page.get_by_label("or since")).to_have_value("2026-11-23T15:00:00")


async def test_what_is_no_time_stays_beside_its_error(visit, server, receiver):
    webhook = await server.webhook(receiver.url)
    page = await visit(f"/{webhook['id']}/recover", **KATHMANDU)
    await page.get_by_label("or since").fill("yesterday")
    await page.get_by_role("button", name="Count again").click()
    await expect(page.locator("#since-error")).to_be_visible()
    await expect(page.get_by_label("or since")).to_have_value("yesterday")


async def test_without_scripts_times_are_in_utc_and_say_so(visit):
    page = await visit("/logs?since=2026-11-23T09:14", java_script_enabled=False, **KATHMANDU)
    await expect(page.get_by_label("From UTC")).to_have_value("2026-11-23T09:14")
    await expect(page.locator("footer")).to_contain_text("Times are in UTC")


TIME = '<time datetime="2026-11-23T09:14:02.000Z" data-show="clock">23 Nov, 09:14</time>'
ROW = f"<tr><td>{TIME}</td></tr>"


@asynccontextmanager
async def page_in_two_parts(first: str, second: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Serves a page whose second part comes when the event is set, and the scripts of the page."""
    static = files("winnerr_webhooks.settings_page").joinpath("static")
    released = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode().lstrip("/")
        kind = "text/javascript" if path.endswith(".js") else "text/html"
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode())
        if path.endswith(".js"):
            writer.write(static.joinpath(path).read_bytes())
        elif path == "page":
            writer.write(first.encode())
            await writer.drain()
            await released.wait()
            writer.write(second.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/page", released


HEAD = '<!doctype html><html lang="en"><script type="module" async src="times.js"></script>'


async def test_a_time_of_which_the_browser_has_read_a_part_is_shown_once_it_is_read(chromium):
    half, month, rest = ROW.partition("Nov")
    first = f'{HEAD}<p>Times in <span class="zone">UTC</span></p><table>{2 * ROW}{half}'
    context = await chromium.new_context(**KATHMANDU)
    page = await context.new_page()
    times = page.locator("time")
    async with page_in_two_parts(first, month + rest + ROW) as (url, released):
        await page.goto(url, wait_until="commit")
        await expect(page.locator(".zone")).to_have_text("GMT+5:45")
        await expect(times).to_have_text(["23 Nov, 14:59", "23 Nov, 14:59", "23"])
        released.set()
        await expect(times).to_have_text(4 * ["23 Nov, 14:59"])
    await context.close()


async def test_a_field_has_the_zone_of_its_label_while_the_browser_reads_the_page(chromium):
    label = '<label for="since">From <span class="zone">UTC</span></label>'
    field = '<input id="since" name="since" type="datetime-local" step="1" data-utc value="{}">'
    first = f"{HEAD}<form>{label}{field.format('2026-11-23T09:14:00')}</form><table>{ROW}"
    context = await chromium.new_context(**KATHMANDU)
    page = await context.new_page()
    async with page_in_two_parts(first, ROW) as (url, released):
        await page.goto(url, wait_until="commit")
        since = page.get_by_label("From GMT+5:45")
        await expect(since).to_have_value("2026-11-23T14:59")
        await since.fill("2026-11-23T20:00")
        released.set()
        await page.wait_for_load_state("load")
        await expect(since).to_have_value("2026-11-23T20:00")
        sent = await page.evaluate("[...new FormData(document.querySelector('form'))]")
    assert sent == [["since", "2026-11-23T14:15:00"]]
    await context.close()


async def test_a_date_of_another_year_has_its_year_as_on_the_server(chromium):
    at = datetime(datetime.now(UTC).year - 6, 9, 1, tzinfo=UTC)
    times = [
        f'<time datetime="{at:%Y-%m-%dT%H:%M:%S}.000Z" data-show="clock"></time>',
        TIME.replace("2026-11-23", f"{at.year + 6}-06-23"),
    ]
    context = await chromium.new_context(timezone_id="UTC")
    page = await context.new_page()
    for tag in LANGUAGES:
        day = load_language(tag).day
        first = f"{HEAD.replace('en', tag, 1)}<table><tr><td>{'<td>'.join(times)}</table>"
        async with page_in_two_parts(first, "") as (url, released):
            released.set()
            await page.goto(url)
            shown = [f"{day(at, year=True)}, 00:00"]
            shown.append(f"{day(at.replace(month=6, day=23), year=False)}, 09:14")
            await expect(page.locator("time")).to_have_text(shown)
            await expect(page.locator("table")).to_have_class("has-years")
    await context.close()
