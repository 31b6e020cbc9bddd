"""Lease releaser: deliveries that this node will not attempt become free for any node."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from winnerr_webhooks.domain.errors import TimedOut, Unavailable
from winnerr_webhooks.domain.event import LeasedDelivery
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.telemetry import Metrics

SLICE: Final = 500
"""Leases released by one statement while the node works: somebody's accept may wait for it."""
LAST_SLICE: Final = 5_000
"""The same while the node stops: larger slices release twice as many leases a second."""
AWAY_WAIT: Final = 0.2

log = structlog.get_logger(__name__)


class LeaseReleaser:
    """Releases leases in groups; a lease that cannot be released runs out by itself."""

    def __init__(self, storage: Storage, metrics: Metrics, on_released: Callable[[], None]) -> None:
        self._storage = storage
        self._metrics = metrics
        self._on_released = on_released
        self._waiting: list[LeasedDelivery] = []
        self._loop = asyncio.get_running_loop()
        self._running: asyncio.Task[None] | None = None
        self._slice = self._most = SLICE
        self._closing = False

    @property
    def waiting(self) -> int:
        """Leases that are not released yet, those under way left out."""
        return len(self._waiting)

    def add(self, delivery: LeasedDelivery) -> None:
        """Release the lease of this delivery with the next group."""
        delivery.body = b""  # it may wait for long, and a claim reads the body again
        self._waiting.append(delivery)
        if self._running is None:
            self._running = self._loop.create_task(self._run())

    def hurry(self) -> None:
        """The node stops: release in large slices, webhook by webhook."""
        self._slice = self._most = LAST_SLICE
        self._waiting.sort(key=lambda one: (one.webhook_id, one.id))

    async def close(self, seconds: float) -> None:
        """Release the rest as far as `seconds` allow; give up at once when the database is away."""
        self._closing = True
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=max(seconds, 0.0))
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._waiting:
            log.warning("leases were not released and run out", deliveries=len(self._waiting))

    async def _run(self) -> None:
        try:
            while self._waiting:
                size = self._slice
                batch, self._waiting = self._waiting[:size], self._waiting[size:]
                try:
                    await self._release(batch)
                except asyncio.CancelledError:
                    self._waiting = batch + self._waiting
                    raise
                except TimedOut:
                    self._waiting = batch + self._waiting
                    if size == 1:
                        await asyncio.sleep(AWAY_WAIT)
                except Unavailable:
                    self._waiting = batch + self._waiting
                    if self._closing:
                        return
                    await asyncio.sleep(AWAY_WAIT)
                except Exception:
                    log.exception("leases were not released", deliveries=len(batch))
        finally:
            self._running = None

    async def _release(self, batch: list[LeasedDelivery]) -> None:
        try:
            await self._storage.release(batch)
        except TimedOut:
            self._slice = max(1, len(batch) // 2)
            raise
        self._slice = min(2 * self._slice, self._most)
        self._metrics.leases_released(len(batch))
        self._on_released()
