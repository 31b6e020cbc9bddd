"""Pruner: deletes what is older than the log keeps, a slice at a time."""

import asyncio
from typing import Final

import structlog

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.pipeline.loop_task import LoopTask
from winnerr_webhooks.storage.port import Housekeeping

FIRST_AFTER: Final = 20.0
"""Seconds after the start: a process that is restarted often must prune as well."""
EVERY: Final = 600.0
"""Seconds between two rounds."""
BETWEEN_SLICES: Final = 0.05
"""Seconds between slices, so that a large round does not slow deliveries down."""

log = structlog.get_logger(__name__)


class Pruner(LoopTask):
    """The loop that deletes old rows; a slice is deleted whole or not at all."""

    def __init__(self, storage: Housekeeping, retention_days: int) -> None:
        super().__init__(self._prune)
        self._storage = storage
        self._days = retention_days

    async def _prune(self) -> None:
        wait = FIRST_AFTER
        while True:
            await asyncio.sleep(wait)
            wait = EVERY
            total = 0
            try:
                while gone := await self._storage.run_retention_slice(self._days):
                    total += gone
                    await asyncio.sleep(BETWEEN_SLICES)
            except Unavailable:
                continue
            except Exception:
                log.exception("clean-up failed")
            finally:
                if total:
                    log.info("forgot what is older than the log keeps", rows=total)
