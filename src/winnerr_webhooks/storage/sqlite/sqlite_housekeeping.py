"""Housekeeping on SQLite: retention, figures, and the write that shows that the disk works."""

import asyncio
from typing import Final

import msgspec

from winnerr_webhooks.storage import values
from winnerr_webhooks.storage.expiry import REMOVALS, remove_webhooks
from winnerr_webhooks.storage.sqlite import calls, sqlite_retention
from winnerr_webhooks.storage.sqlite.sqlite_session import run_to_end
from winnerr_webhooks.storage.sqlite.sqlite_verbs import SqliteVerbs

_PROBE_SECONDS: Final = 1.0
_SLOW_FIGURES_SECONDS: Final = 0.05
_FIGURES_SHARE: Final = 20
"""Slow figures are kept for 20 times as long as counting them took."""

_OLDEST = msgspec.json.Decoder(tuple[int, int | None])


class HousekeepingVerbs(SqliteVerbs):
    """`storage.port.Housekeeping`; see there for what each verb promises."""

    def __init__(self) -> None:
        self._retention = sqlite_retention.RetentionPass()
        self._probe: asyncio.Future[None] | None = None
        self._probe_ends = 0.0
        self._figures: values.Figures | None = None
        self._figures_end = 0.0

    async def forget(self, retention_days: int) -> int:
        """Run one slice of retention. Finding the rows goes through many that stay."""
        now = self._clock.now_ms()
        at = self._retention
        found = await self._threads.search(
            lambda db: sqlite_retention.find(db, at, retention_days, now), calls.SCAN
        )
        gone = await self._threads.write_later(
            run_to_end(lambda db: sqlite_retention.remove(db, at.kind, found, now)), calls.JOB
        )
        if not found:
            self._retention = sqlite_retention.RetentionPass()
            gone += await self._remove_webhooks(now)
        return gone

    async def _remove_webhooks(self, now: int) -> int:
        """Remove deleted webhooks that nothing needs, in slices; how many."""
        removed = 0
        while True:
            slice_ = await self._write_slice(lambda db: remove_webhooks(db, now))
            removed += slice_.removed
            if slice_.checked < REMOVALS:
                return removed

    async def figures(self) -> values.Figures:
        """The figures of the metrics page. They count what is pending: if slow, less often."""
        started = self._clock.monotonic()
        if self._figures is not None and started < self._figures_end:
            return self._figures
        pending, lanes, waiting_jobs, size = await self._read(lambda db: db.fetch_row("figures"))
        count, oldest = _OLDEST.decode(pending)
        self._figures = values.Figures(
            pending=count,
            oldest_pending_age=values.age(oldest, self._clock),
            lanes=lanes,
            jobs=waiting_jobs,
            bytes=size,
        )
        ended = self._clock.monotonic()
        took = ended - started
        self._figures_end = ended + (took * _FIGURES_SHARE if took > _SLOW_FIGURES_SECONDS else 0)
        return self._figures

    async def check(self) -> None:
        """Whether a write would work now: one is tried, at most once a second."""
        now = self._clock.monotonic()
        if self._probe is None or now >= self._probe_ends:
            self._probe_ends = now + _PROBE_SECONDS
            self._probe = asyncio.ensure_future(self.try_to_write())
        await asyncio.shield(self._probe)

    async def try_to_write(self) -> None:
        """Write one unimportant row; `Unavailable` says why that is not possible."""
        now = self._clock.now_ms()
        await self._write(lambda db: db.execute("probe", now=now))

    def warnings(self) -> tuple[str, ...]:
        """None: an SQLite file needs no attention."""
        return ()
