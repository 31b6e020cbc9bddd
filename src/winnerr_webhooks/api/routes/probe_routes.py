"""`/healthz`, `/readyz` and `/metrics`, for operators. They need no key."""

import asyncio
from typing import Final

from litestar import get

from winnerr_webhooks.api.services import Services, ServicesDependency
from winnerr_webhooks.api.shapes import UNSET, StatusShape
from winnerr_webhooks.domain.errors import Unavailable

DATABASE_TIMEOUT: Final = 3.0
"""Seconds that the database has to answer. Probes and scrapers usually wait for ten."""


@get("/healthz")
async def healthz() -> StatusShape:
    """Report that the process is up. This does not look at the database."""
    return StatusShape(status="ok")


@get("/readyz")
async def readyz(services: ServicesDependency) -> StatusShape:
    """Report that the node can do its work now; raises `Unavailable` with the reason if not."""
    reason = services.node.readiness()
    if reason is not None:
        raise Unavailable(reason)
    try:
        async with asyncio.timeout(DATABASE_TIMEOUT):
            await services.storage.check()
    except TimeoutError:
        raise Unavailable(f"The database did not answer within {DATABASE_TIMEOUT:g} s.") from None
    return StatusShape(status="ready", warnings=services.storage.warnings() or UNSET)


@get("/metrics", media_type="text/plain; version=0.0.4")
async def metrics(services: ServicesDependency) -> bytes:
    """Metrics for Prometheus. Those of the database keep their last values while it is away."""
    await _update_database_metrics(services)
    own = services.metrics.render_process()
    shown = own if services.peer_metrics is None else await services.peer_metrics.render_all(own)
    return shown + services.metrics.render_database()


async def _update_database_metrics(services: Services) -> None:
    outbox = services.storage.outbox
    try:
        async with asyncio.timeout(DATABASE_TIMEOUT):
            figures = await services.storage.figures()
            of_outbox = await outbox.figures() if outbox is not None else None
    except (Unavailable, TimeoutError):
        return
    services.metrics.set_database_status(
        pending=figures.pending,
        oldest_pending_age=figures.oldest_pending_age,
        lanes_waiting=figures.lanes,
        jobs=figures.jobs,
        size=figures.bytes,
    )
    if of_outbox is not None:
        services.metrics.set_outbox_status(
            waiting=of_outbox.waiting,
            oldest_age=of_outbox.oldest_age,
            refused=of_outbox.refused,
        )
