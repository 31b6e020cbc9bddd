"""Housekeeping that both databases share.

It is the probe write, the figures of the metrics page, and the removal of deleted webhooks.
"""

import asyncio
from typing import Final

from winnerr_webhooks.storage.retention import REMOVALS, Removals
from winnerr_webhooks.storage.values import Figures, age
from winnerr_webhooks.storage.verb_base import VerbBase

PROBE_INTERVAL: Final = 1.0
"""Seconds between two probes, at least."""
FIGURES_FACTOR: Final = 20
"""Figures are kept for this many times as long as counting them took."""
BETWEEN_SLICES: Final = 0.05
"""Seconds between two slices, for other work."""


class HousekeepingVerbs(VerbBase):
    """A part of `storage.port.Housekeeping`; see there for what each verb promises."""

    def __init__(self) -> None:
        self._probe: asyncio.Future[None] | None = None
        self._probe_ends = 0.0
        self._counting: asyncio.Future[Figures] | None = None
        self._figures: Figures | None = None
        self._figures_end = 0.0

    async def check(self) -> None:
        """Try a write, at most once a second; `Unavailable` says why writing does not work."""
        now = self._clock.monotonic()
        if self._probe is None or now >= self._probe_ends:
            self._probe_ends = now + PROBE_INTERVAL
            self._probe = asyncio.ensure_future(self.try_to_write())
        await asyncio.shield(self._probe)

    async def figures(self) -> Figures:
        """Return the figures of the metrics page; the longer they take to count, the less often."""
        if self._figures is not None and self._clock.monotonic() < self._figures_end:
            return self._figures
        if self._counting is None or self._counting.done():
            self._counting = asyncio.ensure_future(self._count())
        return await asyncio.shield(self._counting)

    async def _count(self) -> Figures:
        started = self._clock.monotonic()
        pending, oldest, lanes, jobs, size = await self._count_rows()
        ended = self._clock.monotonic()
        self._figures_end = ended + (ended - started) * FIGURES_FACTOR
        self._figures = Figures(
            pending=pending,
            oldest_pending_age=age(oldest, self._clock),
            lanes=lanes,
            jobs=jobs,
            bytes=size,
        )
        return self._figures

    async def _remove_deleted_webhooks(self) -> int:
        """Remove deleted webhooks that nothing needs, in slices; return how many."""
        removed = 0
        while True:
            slice_ = await self._remove_webhooks_slice()
            removed += slice_.removed
            if slice_.checked < REMOVALS:
                return removed
            await asyncio.sleep(BETWEEN_SLICES)

    async def try_to_write(self) -> None:
        """Write one unimportant row; `Unavailable` says why that is not possible."""
        raise NotImplementedError

    async def _count_rows(self) -> tuple[int, int | None, int, int, int]:
        """Return pending deliveries, acceptance of the oldest (ms), lanes, jobs and bytes."""
        raise NotImplementedError

    async def _remove_webhooks_slice(self) -> Removals:
        """Check and remove one slice of deleted webhooks."""
        raise NotImplementedError
