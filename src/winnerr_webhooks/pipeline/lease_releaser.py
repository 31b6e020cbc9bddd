"""Lease releaser: deliveries that this node will not attempt become free for any node."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import TimedOut, Unavailable
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.batcher import AWAY_SECONDS, Batcher, Fifo
from winnerr_webhooks.storage.road_port import Road

RELEASE_SLICE: Final = 500
"""Leases released by one statement while the node works: an accept may have to wait for it."""
LAST_RELEASE_SLICE: Final = 5_000
"""Leases released by one statement while the node stops: this releases twice as many a second."""

log = structlog.get_logger(__name__)


class LeaseReleaser:
    """Releases leases in batches; a lease that cannot be released expires by itself."""

    def __init__(self, storage: Road, metrics: Metrics, on_released: Callable[[], None]) -> None:
        self._storage = storage
        self._metrics = metrics
        self._on_released = on_released
        self._queue: Fifo[LeasedDelivery] = Fifo(RELEASE_SLICE)
        self._batcher = Batcher(self._queue, self._release)
        self._largest = RELEASE_SLICE
        self._closing = False

    def add(self, delivery: LeasedDelivery) -> None:
        """Release the lease of this delivery with the next batch."""
        delivery.body = b""  # it may wait for long, and a claim reads the body again
        self._batcher.add(delivery)

    def hurry(self) -> None:
        """Release in large slices from now on, webhook by webhook, because the node stops."""
        self._queue.limit = self._largest = LAST_RELEASE_SLICE
        self._queue.sort(lambda one: (one.webhook_id, one.id))

    async def close(self, seconds: float) -> None:
        """Release the rest as far as `seconds` allow; give up at once when the database is away."""
        self._closing = True
        await self._batcher.close(seconds)
        if self._queue:
            log.warning("leases were not released and run out", deliveries=len(self._queue))

    async def _release(self, batch: list[LeasedDelivery]) -> float:
        """Release a batch; returns the seconds to wait before the next one."""
        try:
            await self._storage.release(batch)
        except TimedOut:
            self._queue.put_back(batch)
            self._queue.limit = max(1, len(batch) // 2)
            return AWAY_SECONDS if len(batch) == 1 else 0.0
        except Unavailable:
            self._queue.put_back(batch)
            if not self._closing:
                return AWAY_SECONDS
            self._batcher.stop()
            return 0.0
        except asyncio.CancelledError:
            self._queue.put_back(batch)
            raise
        except Exception:
            log.exception("leases were not released", deliveries=len(batch))
            return 0.0
        self._queue.limit = min(2 * self._queue.limit, self._largest)
        self._metrics.leases_released(len(batch))
        self._on_released()
        return 0.0
