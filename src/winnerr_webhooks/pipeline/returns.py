"""Returns: deliveries this node will not attempt go back to the database, for any node."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.event import LeasedDelivery
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.telemetry import Metrics

SLICE: Final = 500
"""Leases given back in one statement: a full node has a hundred times that."""
AWAY_WAIT: Final = 0.2

log = structlog.get_logger(__name__)


class Returns:
    """Gives leases back in groups; what cannot be given back is free when its lease runs out."""

    def __init__(self, storage: Storage, metrics: Metrics, on_returned: Callable[[], None]) -> None:
        self._storage = storage
        self._metrics = metrics
        self._on_returned = on_returned
        self._waiting: list[LeasedDelivery] = []
        self._loop = asyncio.get_running_loop()
        self._running: asyncio.Task[None] | None = None
        self._closing = False

    def add(self, delivery: LeasedDelivery) -> None:
        """Give this one back with the next group."""
        delivery.body = b""  # it may wait long, and memory is for what is going out
        self._waiting.append(delivery)
        if self._running is None:
            self._running = self._loop.create_task(self._run())

    async def close(self) -> None:
        """Return when all is given back, or the database is away."""
        self._closing = True
        while self._running is not None:
            await self._running

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:SLICE], self._waiting[SLICE:]
                try:
                    await self._storage.give_back(batch)
                except Unavailable:
                    if self._closing:
                        return
                    self._waiting += batch
                    await asyncio.sleep(AWAY_WAIT)
                except Exception:
                    log.exception("leases were not given back", deliveries=len(batch))
                else:
                    self._metrics.leases_given_back(len(batch))
                    self._on_returned()
        finally:
            self._running = None
