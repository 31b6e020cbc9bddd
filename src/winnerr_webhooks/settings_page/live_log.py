"""The live log: new attempts as server-sent events (WHATWG HTML, section 9.2), each a table row.

The database is asked once a second, so that the log shows the attempts of every node. It is asked
for what is newer than a floor that moves on; what was sent already is remembered above it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import id_floor, id_ms, is_id
from winnerr_webhooks.settings_page.filters import SHOWN, Filters
from winnerr_webhooks.settings_page.page_context import Page, PageRequest
from winnerr_webhooks.settings_page.views.webhook_detail import rows_of
from winnerr_webhooks.storage.values import LogPage

_EVERY_SECONDS: Final = 1.0
_LEAST_SECONDS: Final = 0.25
"""Between two looks, also where one took longer than a turn: others search, too."""
_BEAT_TURNS: Final = 15
"""Turns after which something is said even when nothing is new: proxies cut what is silent."""
_LOOK_BACK_MS: Final = 10_000
"""Attempts enter the log by group commit, on several nodes, so out of the order of their ids."""
_HOLD_TURNS: Final = round(_LOOK_BACK_MS / 1000 / _EVERY_SECONDS)
"""Good turns after an outage until the floor moves on: what was attempted in it is recorded now."""
_MOST_ROWS: Final = SHOWN
"""A turn; as many as the page shows: of more, it would drop the oldest again."""
_LONGEST_TURNS: Final = 1_800
"""Then the browser connects anew, and is looked at anew."""


def beginning(page: Page) -> str:
    """Where the live rows of a page begin that is made now and has none yet."""
    return id_floor("att", page.now() - _LOOK_BACK_MS)


def has_room(page: Page, organization: str) -> bool:
    """Whether one more stream of an organization fits into the budget; False is counted there."""
    budget = page.budgets.live_streams
    if not budget.take_for(organization):
        return False
    budget.release_for(organization)  # the stream takes it again when it begins
    return True


async def live_rows(
    page: Page, request: PageRequest, filters: Filters, after: str
) -> AsyncIterator[str]:
    """Events `row`, `behind` when not all rows come, `gone` when the session is over, and beats.

    `after` is the newest row that the page has, or where it begins (`beginning`). Rows of the ten
    seconds before it come although the page may have them: one that it has not may have a smaller
    id. While the database is away nothing comes; what was missed comes afterwards.
    """
    organization = request.auth.organization
    tail = _Tail(after, page.now())
    with _place(page, organization) as has_place, page.looks.join(organization, filters) as looks:
        if not has_place:
            return
        yield "retry: 3000\n\n"
        for turn in range(1, _LONGEST_TURNS):
            wait = _EVERY_SECONDS
            try:
                found, began, age = await looks.newer(
                    tail.floor, page.now(), most=_MOST_ROWS, seconds=_EVERY_SECONDS
                )
                rows = await _rendered(page, request, tail.fresh(found))
            except Unavailable:
                tail.hold()
            else:
                wait = max(_EVERY_SECONDS - age, _LEAST_SECONDS)
                if tail.is_behind(found):
                    yield "event: behind\ndata: \n\n"
                for id_, text in rows:
                    yield text
                    tail.sent.add(id_)
                # The next look has to reach back to this one, however slowly rows are read.
                tail.move_on(began)
            if turn % _BEAT_TURNS == 0:
                if await _is_over(page, request):
                    yield "event: gone\ndata: \n\n"
                    return
                yield ": still here\n\n"
            if await _stopped(page.stopping, wait):
                return


class _Tail:
    """Where one stream is: what it asks for next, and what of that it has sent."""

    def __init__(self, after: str, now: int) -> None:
        self.floor = id_floor("att", now - _LOOK_BACK_MS)
        self.sent: set[str] = set()
        self._known = self.floor
        """The newest that the page had when the floor last moved."""
        self._held = 0
        if is_id("att", after):
            self.floor = min(self.floor, id_floor("att", id_ms(after) - _LOOK_BACK_MS))
            self._known = after

    def fresh(self, found: LogPage) -> list[LoggedAttempt]:
        """What was not sent yet."""
        return [attempt for attempt in found.items if attempt.id not in self.sent]

    def is_behind(self, found: LogPage) -> bool:
        """Whether there may be rows below what was found that the page neither has nor gets."""
        ended = found.next
        return ended is not None and ended > self._known and ended not in self.sent

    def hold(self) -> None:
        """Stay, for some turns after this one too."""
        self._held = _HOLD_TURNS

    def move_on(self, now: int) -> None:
        """Go on from a look that began at `now`, unless held."""
        if self._held:
            self._held -= 1
            return
        self._known = max(self._known, max(self.sent, default=""))
        self.floor = max(self.floor, id_floor("att", now - _LOOK_BACK_MS))
        self.sent = {id_ for id_ in self.sent if id_ > self.floor}


@contextmanager
def _place(page: Page, organization: str) -> Iterator[bool]:
    budget = page.budgets.live_streams
    if not budget.take_for(organization):
        yield False
        return
    try:
        yield True
    finally:
        budget.release_for(organization)


async def _rendered(
    page: Page, request: PageRequest, fresh: list[LoggedAttempt]
) -> list[tuple[str, str]]:
    """New attempts' ids and events, the oldest first."""
    if not fresh:
        return []
    async with page.turn(request.auth.organization):
        webhooks = await page.webhooks.list(request.auth.organization)
        return await page.aside(
            lambda: [
                (row.id, _event("row", row.id, page.render("row.html", request.auth, row=row)))
                for row in reversed(rows_of(page, fresh, webhooks))
            ]
        )


async def _is_over(page: Page, request: PageRequest) -> bool:
    """Whether the visitor's session has ended; not while the database cannot tell."""
    try:
        return await page.gate.visitor(request.scope) is None
    except Unavailable:
        return False


def _event(name: str, id_: str, text: str) -> str:
    data = "\n".join(f"data: {line}" for line in text.split("\n") if line.strip())
    return f"event: {name}\nid: {id_}\n{data}\n\n"


async def _stopped(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait until the next turn; whether the node stops."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True
