"""Polls for new attempts, shared by the live logs that ask for the same.

Each open live log needs the new attempts once a second. Live logs of one organization with the
same filters would get the same answer, so one of them polls the storage and the others use its
answer. A live log that uses such an answer times its next poll from the start of that poll, so
from then on they poll together.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.settings_page.filters import Filters
from winnerr_webhooks.storage.port import Log
from winnerr_webhooks.storage.values import LogFilter, LogPage


class PollResult(NamedTuple):
    """What a poll found. Attempts recorded before its start are in it."""

    found: LogPage
    started_at: int
    """Wall time, ms since 1970."""
    age: float
    """Seconds since the start."""


class _Poll(NamedTuple):
    answer: "asyncio.Task[LogPage]"
    after: str
    started_at: int
    started_monotonic: float


class SharedPoll:
    """The latest poll for one organization and one set of filters."""

    def __init__(self, storage: Log, clock: Clock, organization: str, filters: Filters) -> None:
        self.users = 0
        self._storage = storage
        self._clock = clock
        self._organization = organization
        self._filters = filters
        self._latest: _Poll | None = None

    async def attempts_after(
        self, after: str, now: int, *, limit: int, max_age: float
    ) -> PollResult:
        """The newest attempts with an id greater than `after`, at most `limit`, newest first.

        Uses the latest poll when it is still running or began less than `max_age` seconds ago;
        otherwise starts one. Raises `Unavailable` while the database is away, in all callers
        that share the poll.
        """
        poll = self._latest
        if poll is None or not self._can_reuse(poll, after, max_age):
            poll = self._latest = self._start(after, now, limit)
        page = await asyncio.shield(poll.answer)  # a caller that leaves must not cancel it
        items = [attempt for attempt in page.items if attempt.id > after]
        age = self._clock.monotonic() - poll.started_monotonic
        return PollResult(msgspec.structs.replace(page, items=items), poll.started_at, age)

    def _can_reuse(self, poll: _Poll, after: str, max_age: float) -> bool:
        if poll.after > after:
            return False
        if not poll.answer.done():
            return True
        failed = poll.answer.cancelled() or poll.answer.exception() is not None
        return not failed and self._clock.monotonic() - poll.started_monotonic < max_age

    def _start(self, after: str, now: int, limit: int) -> _Poll:
        query = self._filters.log_filter(self._organization, now, limit=limit)
        query = msgspec.structs.replace(query, after=after, before=None)
        answer = asyncio.get_running_loop().create_task(_read_log(self._storage, query))
        answer.add_done_callback(_retrieve_exception)
        return _Poll(answer, after, now, self._clock.monotonic())


class SharedPolls:
    """The shared polls of all open live logs."""

    def __init__(self, storage: Log, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._open: dict[tuple[str, str], SharedPoll] = {}

    @contextmanager
    def join(self, organization: str, filters: Filters) -> Iterator[SharedPoll]:
        """The poll for these filters, shared for as long as the context lasts."""
        key = (organization, filters.query())
        poll = self._open.get(key)
        if poll is None:
            poll = self._open[key] = SharedPoll(self._storage, self._clock, organization, filters)
        poll.users += 1
        try:
            yield poll
        finally:
            poll.users -= 1
            if not poll.users:
                del self._open[key]


async def _read_log(storage: Log, query: LogFilter) -> LogPage:
    return await storage.log(query)


def _retrieve_exception(answer: "asyncio.Task[LogPage]") -> None:
    """Keep asyncio from logging an exception that no caller is left to receive."""
    if not answer.cancelled():
        answer.exception()
