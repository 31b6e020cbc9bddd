"""The live tail turn by turn: outages, many rows at once, late ones, and how many may listen."""

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


class Tail:
    """A live log that is read turn by turn."""

    def __init__(self, page, organization=ORGANIZATION, after=""):
        visitor = Visitor(
            organization=organization, role="admin", user=None, csrf="token", session=None
        )
        request = SimpleNamespace(auth=visitor, scope={})
        self.events = live_log.live_rows(page, request, Filters(), after)

    async def turn(self):
        """What one turn sends: the ids of its rows, and the names of other events."""
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
    """Stands before a verb of the database, which is away while `off`."""

    def __init__(self, verb):
        self.verb = verb
        self.off = False
        self.asked = []

    async def __call__(self, *values):
        self.asked += values
        if self.off:
            raise Unavailable("The database cannot be reached. Try again.")
        return await self.verb(*values)


class Clock:
    """The system's, which a test moves on."""

    def __init__(self, clock):
        self.clock = clock
        self.ahead = 0

    def now_ms(self):
        return self.clock.now_ms() + self.ahead


@pytest.fixture
async def listen(site, monkeypatch):
    """Begin a live log, whose turns follow at once and each end with a beat."""
    monkeypatch.setattr(live_log, "_POLL_SECONDS", 0)
    monkeypatch.setattr(live_log, "_POLLS_PER_HEARTBEAT", 1)

    look = site.page.auth.visitor

    async def visitor(scope):
        return await look(scope) if scope else "somebody"

    monkeypatch.setattr(site.page.auth, "visitor", visitor)
    site.page.clock = Clock(site.page.clock)
    await site.webhook()
    async with contextlib.AsyncExitStack() as stack:

        def begin(**given):
            tail = Tail(site.page, **given)
            stack.push_async_callback(tail.events.aclose)
            return tail

        yield begin


@pytest.fixture
def switch(site, monkeypatch):
    """Put a `Switch` before a verb."""

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
    tail = listen()
    first = await site.settle((await site.event())[0], 200)
    assert await tail.turn() == [first]
    database.off = True
    second = await site.settle((await site.event())[0], 200)
    missed = await tail.turn()
    database.off = False
    assert missed + await tail.turn() == [second]
    assert await tail.turn() == []


async def test_as_many_rows_come_in_one_turn_as_the_page_shows(site, listen):
    old = await site.settle((await site.event())[0], 200)
    tail = listen(after=old)
    assert await tail.turn() == [old]
    many = await settle_many(site, 130)
    assert await tail.turn() == many


async def test_of_more_rows_the_newest_come_and_the_page_hears_that_it_is_behind(
    site, listen, monkeypatch
):
    monkeypatch.setattr(live_log, "_MAX_ROWS", 3)
    old = await site.settle((await site.event())[0], 200)
    tail = listen(after=old)
    assert await tail.turn() == [old]
    many = await settle_many(site, 4)
    assert await tail.turn() == ["behind", *many[1:]]
    assert await tail.turn() == [], "it is said once"
    new = await settle_many(site, 2)
    assert await tail.turn() == new, "older ones are there, but the page has them"


async def test_a_resume_after_more_rows_than_come_hears_that_it_is_behind(
    site, listen, monkeypatch
):
    monkeypatch.setattr(live_log, "_MAX_ROWS", 3)
    old = await site.settle((await site.event())[0], 200)
    many = await settle_many(site, 4)
    assert await listen(after=old).turn() == ["behind", *many[1:]]
    assert await listen(after=many[0]).turn() == ["behind", *many[1:]], "that is: maybe"
    assert await listen(after=many[1]).turn() == many[1:]


async def test_what_was_attempted_in_a_long_outage_and_recorded_after_it_comes(
    site, listen, switch
):
    database = switch(site.storage, "log")
    tail = listen()
    assert await tail.turn() == []
    database.off = True
    late, later = [site.settlement((await site.event())[0], 200) for _ in range(2)]
    site.page.clock.ahead += MINUTE_MS
    assert await tail.turn() == []
    database.off = False
    await site.storage.settle([late])
    assert await tail.turn() == [late.record.id]
    await site.storage.settle([later])
    assert await tail.turn() == [later.record.id]


async def test_some_turns_after_an_outage_the_floor_moves_on_again(site, listen, switch):
    database = switch(site.storage, "log")
    tail = listen()
    await tail.turn()
    database.off = True
    site.page.clock.ahead += MINUTE_MS
    await tail.turn()
    database.off = False
    for _ in range(live_log._HOLD_POLLS + 2):
        await tail.turn()
    floors = [query.after for query in database.asked]
    assert len(set(floors[1:-1])) == 1
    assert floors[-1] > floors[-2]


async def test_rows_in_many_after_an_outage_are_told_though_newer_ones_came_first(
    site, listen, switch, monkeypatch
):
    monkeypatch.setattr(live_log, "_MAX_ROWS", 3)
    database = switch(site.storage, "log")
    tail = listen()
    await tail.turn()
    database.off = True
    await tail.turn()
    database.off = False
    late = [site.settlement((await site.event())[0], 200) for _ in range(4)]
    (newest,) = await settle_many(site, 1)
    assert await tail.turn() == [newest]
    await site.storage.settle(late)
    assert await tail.turn() == ["behind", *(one.record.id for one in late[2:])]


async def test_a_resume_after_a_while_brings_what_was_recorded_late_before_it(site, listen):
    slow = site.settlement((await site.event())[0], 200)
    newest = await site.settle((await site.event())[0], 200)
    await site.storage.settle([slow])
    site.page.clock.ahead += MINUTE_MS
    assert await listen(after=newest).turn() == [slow.record.id, newest]


async def test_a_browser_that_reads_slowly_misses_nothing(site, listen):
    tail = listen()
    first = await site.settle((await site.event())[0], 200)
    await anext(tail.events)
    assert names(await anext(tail.events)) == [first]
    second = await site.settle((await site.event())[0], 200)
    site.page.clock.ahead += MINUTE_MS
    assert await tail.turn() == []
    assert await tail.turn() == [second]


async def test_one_organization_cannot_take_every_place(site, admin, listen):
    other = await site.browser().sign_in(organization="org_2")
    tails = [listen() for _ in range(20)]
    for tail in tails:
        await anext(tail.events)
    assert await status(admin) == 503
    assert await status(other) == 200
    for tail in tails:
        await tail.events.aclose()
    assert site.page.budgets.live_streams.held_by(ORGANIZATION) == 0
    assert await status(admin) == 200


async def test_nobody_has_a_place_when_the_node_has_none(site, listen, monkeypatch):
    budget = site.page.budgets.live_streams
    monkeypatch.setattr(budget, "bound", budget.bound._replace(limit=2))
    for organization in ("org_2", "org_3"):
        await anext(listen(organization=organization).events)
    assert not live_log.has_room(site.page, ORGANIZATION)
    assert budget.refused == 1


async def test_live_logs_that_ask_for_the_same_share_a_look(site, listen, switch, monkeypatch):
    database = switch(site.storage, "log")
    monkeypatch.setattr(live_log, "_POLL_SECONDS", 60.0)
    tails = [listen() for _ in range(10)]
    for tail in tails:
        await anext(tail.events)
    await asyncio.gather(*(anext(tail.events) for tail in tails))
    assert len(database.asked) == 1


async def test_a_live_log_that_takes_anothers_look_keeps_its_pace(site, listen, monkeypatch):
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


async def test_who_leaves_a_shared_look_does_not_end_it_for_the_others(site, listen, switch):
    """Given two that wait for one look, when the first leaves, then the second gets its rows."""
    gate = asyncio.Event()
    log = site.storage.log

    async def slow(query):
        await gate.wait()
        return await log(query)

    site.storage.log = slow
    new = await site.settle((await site.event())[0], 200)
    leaver, stayer = listen(), listen()
    for tail in (leaver, stayer):
        await anext(tail.events)
    leaving = asyncio.ensure_future(anext(leaver.events))
    staying = asyncio.ensure_future(stayer.turn())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    gate.set()
    assert await staying == [new]
