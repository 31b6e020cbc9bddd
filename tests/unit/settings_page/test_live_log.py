"""The live log, poll by poll: outages, many rows at once, late rows, and the limit on streams."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.settings_page import live_log
from winnerr_webhooks.settings_page.filters import Filters
from winnerr_webhooks.settings_page.session import Visitor

ORGANIZATION = "org_1"
MINUTE_MS = 60_000


class LiveLog:
    """A stream of the live log that a test reads poll by poll."""

    def __init__(self, page, organization=ORGANIZATION, after=""):
        visitor = Visitor(
            organization=organization, role="admin", user=None, csrf="token", session=None
        )
        request = SimpleNamespace(auth=visitor, scope={})
        self.events = live_log.live_rows(page, request, Filters(), after)

    async def poll(self):
        """What one poll sends: the ids of rows, and the names of other events."""
        found = []
        async for event in self.events:
            if event == ": still here\n\n":
                break
            found += names(event)
        return found


def names(event):
    lines = dict(line.partition(": ")[::2] for line in event.splitlines())
    return [lines.get("id") or lines["event"]] if "event" in lines else []


class Switch:
    """Wraps a method of the database. Calls raise `Unavailable` while `off` is set."""

    def __init__(self, method):
        self.method = method
        self.off = False
        self.calls = []

    async def __call__(self, *values):
        self.calls += values
        if self.off:
            raise Unavailable("The database cannot be reached. Try again.")
        return await self.method(*values)


class Clock:
    """The system's clock, which a test can move forward."""

    def __init__(self, clock):
        self.clock = clock
        self.ahead = 0

    def now_ms(self):
        return self.clock.now_ms() + self.ahead


@pytest.fixture
async def listen(site, monkeypatch):
    """Open live logs whose polls follow each other at once and each end with a heartbeat."""
    monkeypatch.setattr(live_log, "_POLL_SECONDS", 0)
    monkeypatch.setattr(live_log, "_POLLS_PER_HEARTBEAT", 1)

    find_visitor = site.page.auth.visitor

    async def visitor(scope):
        return await find_visitor(scope) if scope else "somebody"

    monkeypatch.setattr(site.page.auth, "visitor", visitor)
    site.page.clock = Clock(site.page.clock)
    await site.webhook()
    async with contextlib.AsyncExitStack() as stack:

        def begin(**given):
            stream = LiveLog(site.page, **given)
            stack.push_async_callback(stream.events.aclose)
            return stream

        yield begin


@pytest.fixture
def switch(site, monkeypatch):
    """Put a `Switch` around a method."""

    def put(owner, name):
        one = Switch(getattr(owner, name))
        monkeypatch.setattr(owner, name, one)
        return one

    return put


async def settle_many(site, count):
    batch = [site.settlement((await site.event())[0], 200) for _ in range(count)]
    await site.storage.settle(batch)
    return [one.record.id for one in batch]


async def status(browser):
    async with browser.session.get("/settings/webhooks/logs/stream") as answer:
        return answer.status


@pytest.mark.parametrize("part", ["storage.log", "webhooks.list", "auth.visitor"])
async def test_a_short_outage_neither_ends_the_stream_nor_loses_a_row(site, listen, switch, part):
    owner, _, name = part.partition(".")
    database = switch(getattr(site.page, owner), name)
    stream = listen()
    first = await site.settle((await site.event())[0], 200)
    assert await stream.poll() == [first]
    database.off = True
    second = await site.settle((await site.event())[0], 200)
    missed = await stream.poll()
    database.off = False
    assert missed + await stream.poll() == [second]
    assert await stream.poll() == []


async def test_one_poll_sends_as_many_rows_as_the_page_shows(site, listen):
    old = await site.settle((await site.event())[0], 200)
    stream = listen(after=old)
    assert await stream.poll() == [old]
    many = await settle_many(site, 130)
    assert await stream.poll() == many


async def test_when_there_are_more_rows_the_newest_are_sent_with_behind(site, listen, monkeypatch):
    monkeypatch.setattr(live_log, "_MAX_ROWS", 3)
    old = await site.settle((await site.event())[0], 200)
    stream = listen(after=old)
    assert await stream.poll() == [old]
    many = await settle_many(site, 4)
    assert await stream.poll() == ["behind", *many[1:]]
    assert await stream.poll() == [], "`behind` is sent once"
    new = await settle_many(site, 2)
    assert await stream.poll() == new, "there are older rows, but the page has them"


async def test_a_reconnect_that_missed_more_rows_than_are_sent_gets_behind(
    site, listen, monkeypatch
):
    monkeypatch.setattr(live_log, "_MAX_ROWS", 3)
    old = await site.settle((await site.event())[0], 200)
    many = await settle_many(site, 4)
    assert await listen(after=old).poll() == ["behind", *many[1:]]
    assert await listen(after=many[0]).poll() == ["behind", *many[1:]], "a row may be missing"
    assert await listen(after=many[1]).poll() == many[1:]


async def test_attempts_made_in_a_long_outage_are_sent_when_they_are_recorded_after_it(
    site, listen, switch
):
    database = switch(site.storage, "log")
    stream = listen()
    assert await stream.poll() == []
    database.off = True
    late, later = [site.settlement((await site.event())[0], 200) for _ in range(2)]
    site.page.clock.ahead += MINUTE_MS
    assert await stream.poll() == []
    database.off = False
    await site.storage.settle([late])
    assert await stream.poll() == [late.record.id]
    await site.storage.settle([later])
    assert await stream.poll() == [later.record.id]


async def test_some_polls_after_an_outage_the_floor_moves_again(site, listen, switch):
    database = switch(site.storage, "log")
    stream = listen()
    await stream.poll()
    database.off = True
    site.page.clock.ahead += MINUTE_MS
    await stream.poll()
    database.off = False
    for _ in range(live_log._HOLD_POLLS + 2):
        await stream.poll()
    floors = [query.after for query in database.calls]
    assert len(set(floors[1:-1])) == 1
    assert floors[-1] > floors[-2]


async def test_too_many_late_rows_after_an_outage_send_behind_even_after_newer_rows(
    site, listen, switch, monkeypatch
):
    monkeypatch.setattr(live_log, "_MAX_ROWS", 3)
    database = switch(site.storage, "log")
    stream = listen()
    await stream.poll()
    database.off = True
    await stream.poll()
    database.off = False
    late = [site.settlement((await site.event())[0], 200) for _ in range(4)]
    (newest,) = await settle_many(site, 1)
    assert await stream.poll() == [newest]
    await site.storage.settle(late)
    assert await stream.poll() == ["behind", *(one.record.id for one in late[2:])]


async def test_a_late_reconnect_also_gets_rows_recorded_late_before_it(site, listen):
    slow = site.settlement((await site.event())[0], 200)
    newest = await site.settle((await site.event())[0], 200)
    await site.storage.settle([slow])
    site.page.clock.ahead += MINUTE_MS
    assert await listen(after=newest).poll() == [slow.record.id, newest]


async def test_a_browser_that_reads_slowly_misses_nothing(site, listen):
    stream = listen()
    first = await site.settle((await site.event())[0], 200)
    await anext(stream.events)
    assert names(await anext(stream.events)) == [first]
    second = await site.settle((await site.event())[0], 200)
    site.page.clock.ahead += MINUTE_MS
    assert await stream.poll() == []
    assert await stream.poll() == [second]


async def test_one_organization_cannot_take_all_streams(site, admin, listen):
    other = await site.browser().sign_in(organization="org_2")
    streams = [listen() for _ in range(20)]
    for stream in streams:
        await anext(stream.events)
    assert await status(admin) == 503
    assert await status(other) == 200
    for stream in streams:
        await stream.events.aclose()
    assert site.page.budgets.live_streams.held_by(ORGANIZATION) == 0
    assert await status(admin) == 200


async def test_a_stream_is_refused_when_the_node_has_none_left(site, listen, monkeypatch):
    budget = site.page.budgets.live_streams
    monkeypatch.setattr(budget, "bound", budget.bound._replace(limit=2))
    for organization in ("org_2", "org_3"):
        await anext(listen(organization=organization).events)
    assert not live_log.has_room(site.page, ORGANIZATION)
    assert budget.refused == 1


async def test_live_logs_with_the_same_filters_share_a_poll(site, listen, switch, monkeypatch):
    database = switch(site.storage, "log")
    monkeypatch.setattr(live_log, "_POLL_SECONDS", 60.0)
    streams = [listen() for _ in range(10)]
    for stream in streams:
        await anext(stream.events)
    await asyncio.gather(*(anext(stream.events) for stream in streams))
    assert len(database.calls) == 1


async def test_a_live_log_that_uses_anothers_poll_times_its_next_poll_from_it(
    site, listen, monkeypatch
):
    monkeypatch.setattr(live_log, "_POLL_SECONDS", 60.0)
    waits = []

    async def stopped(_, seconds):
        waits.append(seconds)
        return True

    monkeypatch.setattr(live_log, "_stopped", stopped)
    with site.page.polls.join(ORGANIZATION, Filters()):
        first = [event async for event in listen().events]
        await asyncio.sleep(0)
        second = [event async for event in listen().events]
    assert first == second
    assert 60 >= waits[0] > waits[1]


async def test_a_stream_that_ends_does_not_end_a_shared_poll_for_the_others(site, listen, switch):
    """Given two streams that wait for one poll, when the first ends, the second gets the rows."""
    gate = asyncio.Event()
    log = site.storage.log

    async def slow(query):
        await gate.wait()
        return await log(query)

    site.storage.log = slow
    new = await site.settle((await site.event())[0], 200)
    leaver, stayer = listen(), listen()
    for stream in (leaver, stayer):
        await anext(stream.events)
    leaving = asyncio.ensure_future(anext(leaver.events))
    staying = asyncio.ensure_future(stayer.poll())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    gate.set()
    assert await staying == [new]


async def test_the_live_log_sends_new_attempts_and_none_twice(site, admin):
    await site.webhook()
    old = await site.settle((await site.event())[0], 200)
    async with (
        asyncio.timeout(60),
        admin.session.get(f"/settings/webhooks/logs/stream?after={old}") as answer,
    ):
        assert answer.content_type == "text/event-stream"
        assert await next_row(answer) == old, "the page has this row, but the server cannot tell"
        first = await site.settle((await site.event())[0], 503, body=b"<script>alert(1)</script>")
        assert await next_row(answer) == first
        second = await site.settle((await site.event())[0], 200)
        assert await next_row(answer) == second
    missed = await site.settle((await site.event())[0], 200)
    async with (
        asyncio.timeout(60),
        admin.session.get(
            "/settings/webhooks/logs/stream?outcome=succeeded", headers={"Last-Event-ID": first}
        ) as answer,
    ):
        assert [await next_row(answer) for _ in range(3)] == [old, second, missed]


async def test_the_live_log_of_an_empty_page_starts_when_the_page_was_made(site, admin):
    """Attempts recorded before the browser connects are not lost."""
    await site.webhook()
    page = await admin.get("/logs")
    (attempts,) = page.all("div", id="attempts")
    missed = await site.settle((await site.event())[0], 200)
    url = f"/settings/webhooks/logs/stream?after={attempts['data-live-start']}"
    async with asyncio.timeout(60), admin.session.get(url) as answer:
        assert await next_row(answer) == missed


async def test_the_live_log_sends_an_older_attempt_that_another_node_recorded_later(site, admin):
    await site.webhook()
    slow = site.settlement((await site.event())[0], 200)
    newest = await site.settle((await site.event())[0], 200)
    assert slow.record.id < newest
    await site.storage.settle([slow])
    url = f"/settings/webhooks/logs/stream?after={newest}"
    async with asyncio.timeout(60), admin.session.get(url) as answer:
        assert {await next_row(answer), await next_row(answer)} == {slow.record.id, newest}


async def next_row(answer):
    while True:
        line = (await answer.content.readline()).decode().strip()
        if line.startswith("id: "):
            return line.removeprefix("id: ")
