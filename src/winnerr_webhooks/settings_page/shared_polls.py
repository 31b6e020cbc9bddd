"""Looks for new attempts, shared by the live logs that ask for the same.

Each open live log needs the new attempts once a second. Live logs of one organization with the
same filters would get the same answer, so the first one asks and the others use its answer. A live
log that used another's answer times its next turn from the start of that look, so from then on
they ask together.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.settings_page.filters import Filters
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import LogFilter, LogPage


class Look(NamedTuple):
    """What one look found, and when it began. Attempts recorded before that are in it."""

    found: LogPage
    now: int
    """Wall time, ms."""
    age: float
    """Seconds since then."""


class _Asked(NamedTuple):
    answer: "asyncio.Task[LogPage]"
    floor: str
    now: int
    began: float


class SharedLook:
    """The newest look of one organization and one set of filters."""

    def __init__(self, storage: Storage, clock: Clock, organization: str, filters: Filters) -> None:
        self.listeners = 0
        self._storage = storage
        self._clock = clock
        self._organization = organization
        self._filters = filters
        self._asked: _Asked | None = None

    async def newer(self, floor: str, now: int, *, most: int, seconds: float) -> Look:
        """At most `most` attempts after `floor`, newest first.

        Uses a look that is under way or began less than `seconds` ago; otherwise begins one.
        Raises `Unavailable` while the database is away, in all callers that share the look.
        """
        asked = self._asked
        if asked is None or not self._serves(asked, floor, seconds):
            asked = self._asked = self._ask(floor, now, most)
        page = await asyncio.shield(asked.answer)  # a caller that leaves does not cancel it
        items = [attempt for attempt in page.items if attempt.id > floor]
        age = self._clock.monotonic() - asked.began
        return Look(msgspec.structs.replace(page, items=items), asked.now, age)

    def _serves(self, asked: _Asked, floor: str, seconds: float) -> bool:
        if asked.floor > floor:
            return False
        if not asked.answer.done():
            return True
        failed = asked.answer.cancelled() or asked.answer.exception() is not None
        return not failed and self._clock.monotonic() - asked.began < seconds

    def _ask(self, floor: str, now: int, most: int) -> _Asked:
        query = self._filters.log_filter(self._organization, now, limit=most)
        query = msgspec.structs.replace(query, after=floor, before=None)
        answer = asyncio.get_running_loop().create_task(_log(self._storage, query))
        answer.add_done_callback(_see)
        return _Asked(answer, floor, now, self._clock.monotonic())


class SharedLooks:
    """The shared looks of all live logs that are open."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._open: dict[tuple[str, str], SharedLook] = {}

    @contextmanager
    def join(self, organization: str, filters: Filters) -> Iterator[SharedLook]:
        """Share the look of these filters as long as the context lasts."""
        key = (organization, filters.query())
        look = self._open.get(key)
        if look is None:
            look = self._open[key] = SharedLook(self._storage, self._clock, organization, filters)
        look.listeners += 1
        try:
            yield look
        finally:
            look.listeners -= 1
            if not look.listeners:
                del self._open[key]


async def _log(storage: Storage, query: LogFilter) -> LogPage:
    return await storage.log(query)


def _see(answer: "asyncio.Task[LogPage]") -> None:
    """Take note of an error that nobody may be left to hear of."""
    if not answer.cancelled():
        answer.exception()
