"""The live log: new attempts as server-sent events (WHATWG HTML, section 9.2), each a table row.

The database is asked once a second, so that it works on every node whoever made the attempt, and
only for what is newer than a floor that moves on; what was sent already is remembered above it.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import id_floor, is_id
from winnerr_webhooks.settings_page.filters import Filters
from winnerr_webhooks.settings_page.page import Page, PageRequest
from winnerr_webhooks.settings_page.views.webhooks import rows_of

MOST_STREAMS: Final = 200
"""At once on one node; who comes later has the page without its live part."""
_EVERY_SECONDS: Final = 1.0
_BEAT_TURNS: Final = 15
"""Turns after which something is said even when nothing is new: proxies cut what is silent."""
_LOOK_BACK_MS: Final = 10_000
"""Attempts enter the log by group commit, on several nodes, so out of the order of their ids."""
_MOST_ROWS: Final = 100
_LONGEST_TURNS: Final = 1_800
"""Then the browser connects anew, and is looked at anew."""


def beginning(page: Page) -> str:
    """Where the live rows of a page begin that is made now and has none yet."""
    return id_floor("att", page.now() - _LOOK_BACK_MS)


async def live_rows(
    page: Page, request: PageRequest, filters: Filters, after: str
) -> AsyncIterator[str]:
    """Events `row`, `gone` when the session is over, and beats in between.

    `after` is the newest row that the page has, or where it begins (`beginning`). Rows of the last
    ten seconds come although the page may have them: one that it has not may have a smaller id.
    """
    visitor = request.auth
    floor = id_floor("att", page.now() - _LOOK_BACK_MS)
    if is_id("att", after):
        floor = min(floor, after)
    sent: set[str] = set()
    page.streams += 1
    try:
        yield "retry: 3000\n\n"
        for turn in range(1, _LONGEST_TURNS):
            try:
                found = await _newer(page, visitor.organization, filters, floor)
            except Unavailable:
                found = []
            fresh = [attempt for attempt in found if attempt.id not in sent]
            for text in await _rendered(page, request, fresh):
                yield text
            sent |= {attempt.id for attempt in fresh}
            floor = max(floor, id_floor("att", page.now() - _LOOK_BACK_MS))
            sent = {id_ for id_ in sent if id_ > floor}
            if turn % _BEAT_TURNS == 0:
                if await page.gate.visitor(request.scope) is None:
                    yield "event: gone\ndata: \n\n"
                    return
                yield ": still here\n\n"
            if await _stopped(page.stopping):
                return
    finally:
        page.streams -= 1


async def _newer(
    page: Page, organization: str, filters: Filters, floor: str
) -> list[LoggedAttempt]:
    asked = filters.log_filter(organization, page.now(), limit=_MOST_ROWS)
    newer = msgspec.structs.replace(asked, after=floor, before=None)
    return (await page.storage.log(newer)).items


async def _rendered(page: Page, request: PageRequest, fresh: list[LoggedAttempt]) -> list[str]:
    """Events of new attempts, the oldest first."""
    if not fresh:
        return []
    webhooks = await page.webhooks.list(request.auth.organization)
    rows = rows_of(page, fresh, webhooks)
    return [
        _event("row", row.id, page.render("row.html", request.auth, row=row))
        for row in reversed(rows)
    ]


def _event(name: str, id_: str, text: str) -> str:
    data = "\n".join(f"data: {line}" for line in text.split("\n") if line.strip())
    return f"event: {name}\nid: {id_}\n{data}\n\n"


async def _stopped(stopping: asyncio.Event) -> bool:
    """Wait a turn; whether the node stops."""
    try:
        async with asyncio.timeout(_EVERY_SECONDS):
            await stopping.wait()
    except TimeoutError:
        return False
    return True
