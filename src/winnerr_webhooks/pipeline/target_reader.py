"""Target reader: reads the configuration of webhooks for their lanes, many in one read."""

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.webhook import Target
from winnerr_webhooks.pipeline.batcher import AWAY_SECONDS, Batcher, Fifo
from winnerr_webhooks.storage.road_port import Road

LIMIT: Final = 1_000
"""Webhooks a read."""

log = structlog.get_logger(__name__)


class TargetReader:
    """Reads the webhooks that were requested; those requested during a read go into the next one.

    `on_read` gets each webhook's target (None: there is no such webhook), `on_failed` each webhook
    that cannot be read or used. Such a webhook does not keep the others from being read.
    """

    def __init__(
        self,
        storage: Road,
        on_read: Callable[[str, Target | None], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._storage = storage
        self._on_read = on_read
        self._on_failed = on_failed
        self._requested: set[str] = set()
        """Webhooks whose read has not begun."""
        self._batcher = Batcher(Fifo[str](LIMIT), self._read_batch)

    def request(self, webhook_id: str) -> None:
        """Read this webhook as it is from now on."""
        if webhook_id not in self._requested:
            self._requested.add(webhook_id)
            self._batcher.add(webhook_id)

    async def close(self) -> None:
        """Finish the current read, and start no other."""
        self._batcher.stop()
        await self._batcher.idle()

    async def _read_batch(self, batch: list[str]) -> float:
        """Read these webhooks; returns the seconds to wait before the next read."""
        self._requested.difference_update(batch)
        try:
            await self._read(batch)
        except Unavailable:
            for webhook_id in batch:
                self.request(webhook_id)
            return AWAY_SECONDS
        return 0.0

    async def _read(self, webhook_ids: Sequence[str]) -> None:
        try:
            found = {t.webhook_id: t for t in await self._storage.targets(webhook_ids)}
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  it is logged with the webhook that causes it
            if len(webhook_ids) > 1:
                for webhook_id in webhook_ids:
                    await self._read([webhook_id])
            else:
                self._fail(webhook_ids[0], error)
            return
        for webhook_id in webhook_ids:
            if webhook_id in self._requested:
                continue  # it may have changed after this read: the next one tells
            try:
                self._on_read(webhook_id, found.get(webhook_id))
            except Exception as error:  # noqa: BLE001  likewise
                self._fail(webhook_id, error)

    def _fail(self, webhook_id: str, error: Exception) -> None:
        log.error("a webhook cannot be read, its work waits", webhook=webhook_id, exc_info=error)
        self._on_failed(webhook_id)
