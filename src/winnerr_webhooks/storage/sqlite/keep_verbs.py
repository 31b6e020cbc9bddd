"""Housekeeping: what is old goes, figures are counted, and a write is tried."""

import asyncio
from typing import Final

import msgspec

from winnerr_webhooks.storage import values
from winnerr_webhooks.storage.sqlite import calls, retention
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.verbs import Verbs

_PROBE_SECONDS: Final = 1.0
_SLOW_FIGURES_SECONDS: Final = 0.05
_FIGURES_SHARE: Final = 20
"""Slow figures are counted so seldom that counting takes one part in 20 of the time."""

_OLDEST = msgspec.json.Decoder(tuple[int, int | None])


class KeepVerbs(Verbs):
    """A part of `SqliteStorage`; see the port for what each verb promises."""

    def __init__(self) -> None:
        self._retention = retention.Pass()
        self._probe: asyncio.Future[None] | None = None
        self._probe_ends = 0.0
        self._figures: values.Figures | None = None
        self._figures_end = 0.0

    async def forget(self, retention_days: int) -> int:
        """One slice of retention: what may go is searched for among all that may not."""
        now = self._clock.now_ms()
        at = self._retention
        found = await self._threads.search(
            lambda db: retention.find(db, at, retention_days, now), calls.SCAN
        )
        gone = await self._threads.write_later(
            lambda db: retention.drop(db, at.kind, found, now), calls.JOB
        )
        if not found:
            self._retention = retention.Pass()
            gone += await self._remove_webhooks(now)
        return gone

    async def _remove_webhooks(self, now: int) -> int:
        """Remove deleted webhooks that nothing needs, in slices; how many."""
        removed = 0
        while True:
            slice_ = await self._threads.write_later(
                lambda db: retention.remove_webhooks(db, now), calls.JOB
            )
            removed += slice_.removed
            if slice_.checked < retention.REMOVALS:
                return removed

    async def figures(self) -> values.Figures:
        """For the metrics page. They count what waits; where that takes long, less often."""
        started = self._clock.monotonic()
        if self._figures is not None and started < self._figures_end:
            return self._figures
        pending, lanes, waiting_jobs, size = await self._read(lambda db: db.row("figures"))
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
        """Write a row of no meaning; `Unavailable` says why nothing can be written."""
        row = (self._clock.now_ms(),)
        await self._threads.write(lambda db: _probe(db, row))

    def warnings(self) -> tuple[str, ...]:
        """Nothing: what an SQLite file needs, it does by itself."""
        return ()


def _probe(db: Connection, row: tuple[int]) -> None:
    db.run("probe", row)
