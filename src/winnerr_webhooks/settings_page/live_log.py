"""The live log: new attempts as server-sent events (WHATWG HTML, section 9.2), each a table row.

Each stream polls the database once a second, so it also shows the attempts of other nodes. A poll
asks for attempts with an id above a floor. The floor follows the clock at a distance of ten
seconds, because attempts are recorded late and out of order. The stream remembers which attempts
above the floor it has sent, and sends none twice.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import id_floor, id_ms, is_id
from winnerr_webhooks.settings_page.filters import MAX_ROWS, Filters
from winnerr_webhooks.settings_page.log_rows import make_rows
from winnerr_webhooks.settings_page.page_context import PageContext, PageRequest
from winnerr_webhooks.storage.values import LogPage

_POLL_SECONDS: Final = 1.0
_MIN_PAUSE_SECONDS: Final = 0.25
"""The least pause between two polls, even when a poll takes longer than `_POLL_SECONDS`."""
_POLLS_PER_HEARTBEAT: Final = 15
"""Proxies close a stream that is silent for long, so a comment is sent after this many polls."""
_LOOK_BACK_MS: Final = 10_000
"""How late an attempt may be recorded. Group commit and several nodes break the order of ids."""
_HOLD_POLLS: Final = round(_LOOK_BACK_MS / 1000 / _POLL_SECONDS)
"""Successful polls after an outage before the floor moves again. Attempts that were made during
the outage are recorded in this time."""
_MAX_ROWS: Final = MAX_ROWS
"""Rows sent after one poll: as many as the page shows, because it would drop more at once."""
_MAX_POLLS: Final = 1_800
"""After this many polls the stream ends. The browser then reconnects and is authorized again."""


def live_start(page: PageContext) -> str:
    """The id from which the stream of a page continues when the page shows no attempts yet."""
    return id_floor("att", page.now() - _LOOK_BACK_MS)


def has_room(page: PageContext, organization: str) -> bool:
    """Whether the budget allows one more stream of an organization; counts a refusal."""
    budget = page.budgets.live_streams
    if not budget.take_for(organization):
        return False
    budget.release_for(organization)  # the stream takes it again when it starts
    return True


async def live_rows(
    page: PageContext, request: PageRequest, filters: Filters, after: str
) -> AsyncIterator[str]:
    """The events of one stream.

    `row` carries one table row. `behind` says that there are more new rows than are sent. `gone`
    says that the session has ended. Comments are heartbeats.

    `after` is the id of the newest row on the page, or the result of `live_start`. The stream
    begins ten seconds before it and may repeat rows that the page has, because an attempt that
    was recorded late can have a smaller id. While the database is away, the stream is silent;
    afterwards it sends what was missed.
    """
    organization = request.auth.organization
    cursor = _Cursor(after, page.now())
    with (
        _stream_slot(page, organization) as has_slot,
        page.polls.join(organization, filters) as poll,
    ):
        if not has_slot:
            return
        yield "retry: 3000\n\n"
        for count in range(1, _MAX_POLLS):
            pause = _POLL_SECONDS
            try:
                found, started_at, age = await poll.attempts_after(
                    cursor.floor, page.now(), limit=_MAX_ROWS, max_age=_POLL_SECONDS
                )
                rows = await _render(page, request, cursor.unsent(found))
            except Unavailable:
                cursor.hold()
            else:
                pause = max(_POLL_SECONDS - age, _MIN_PAUSE_SECONDS)
                if cursor.is_behind(found):
                    yield "event: behind\ndata: \n\n"
                for id_, text in rows:
                    yield text
                    cursor.sent.add(id_)
                # From the start of this poll: a slow reader may take the rows much later.
                cursor.advance(started_at)
            if count % _POLLS_PER_HEARTBEAT == 0:
                if await _session_ended(page, request):
                    yield "event: gone\ndata: \n\n"
                    return
                yield ": still here\n\n"
            if await _stopped(page.stopping, pause):
                return


class _Cursor:
    """The position of one stream: its floor, and which attempts above it were sent."""

    def __init__(self, after: str, now: int) -> None:
        self.floor = id_floor("att", now - _LOOK_BACK_MS)
        self.sent: set[str] = set()
        self._newest_shown = self.floor
        """The newest attempt that the page had when the floor last moved."""
        self._held = 0
        if is_id("att", after):
            self.floor = min(self.floor, id_floor("att", id_ms(after) - _LOOK_BACK_MS))
            self._newest_shown = after

    def unsent(self, found: LogPage) -> list[LoggedAttempt]:
        """The found attempts that were not sent yet."""
        return [attempt for attempt in found.items if attempt.id not in self.sent]

    def is_behind(self, found: LogPage) -> bool:
        """Whether there may be older new attempts that neither the page nor `found` has."""
        last = found.next
        return last is not None and last > self._newest_shown and last not in self.sent

    def hold(self) -> None:
        """Keep the floor until `_HOLD_POLLS` polls have succeeded."""
        self._held = _HOLD_POLLS

    def advance(self, polled_at: int) -> None:
        """Move the floor after a poll that started at this time (ms), unless it is held."""
        if self._held:
            self._held -= 1
            return
        self._newest_shown = max(self._newest_shown, max(self.sent, default=""))
        self.floor = max(self.floor, id_floor("att", polled_at - _LOOK_BACK_MS))
        self.sent = {id_ for id_ in self.sent if id_ > self.floor}


@contextmanager
def _stream_slot(page: PageContext, organization: str) -> Iterator[bool]:
    """Hold a place in the budget of streams; False when there is none."""
    budget = page.budgets.live_streams
    if not budget.take_for(organization):
        yield False
        return
    try:
        yield True
    finally:
        budget.release_for(organization)


async def _render(
    page: PageContext, request: PageRequest, attempts: list[LoggedAttempt]
) -> list[tuple[str, str]]:
    """(id, event) for each attempt, oldest first."""
    if not attempts:
        return []
    async with page.turn(request.auth.organization):
        webhooks = await page.webhooks.list(request.auth.organization)
        return await page.run_in_thread(
            lambda: [
                (
                    row.id,
                    _event("row", row.id, page.render("log_rows.html", request.auth, rows=[row])),
                )
                for row in reversed(make_rows(page, attempts, webhooks))
            ]
        )


async def _session_ended(page: PageContext, request: PageRequest) -> bool:
    """Whether the visitor's session has ended; False while the database is away."""
    try:
        return await page.auth.visitor(request.scope) is None
    except Unavailable:
        return False


def _event(name: str, id_: str, text: str) -> str:
    data = "\n".join(f"data: {line}" for line in text.split("\n") if line.strip())
    return f"event: {name}\nid: {id_}\n{data}\n\n"


async def _stopped(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait before the next poll; True as soon as the node stops."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True
