"""`/healthz`, `/readyz` and `/metrics`: for those who run the service; they need no key."""

import asyncio
from typing import Final

from litestar import get

from winnerr_webhooks.api.services import Given, Services
from winnerr_webhooks.api.shapes import UNSET, StatusShape
from winnerr_webhooks.domain.errors import Unavailable

PATIENCE: Final = 3.0
"""Seconds the database has for an answer: scrapers and probes wait about ten."""


@get("/healthz")
async def healthz() -> StatusShape:
    """Say that the process is up, and nothing of what it stands on."""
    return StatusShape(status="ok")


@get("/readyz")
async def readyz(services: Given) -> StatusShape:
    """Say whether the node can do its work now; `Unavailable` tells why not."""
    reason = services.node.readiness()
    if reason is not None:
        raise Unavailable(reason)
    try:
        async with asyncio.timeout(PATIENCE):
            await services.storage.check()
    except TimeoutError:
        raise Unavailable(f"The database gave no answer within {PATIENCE:g} s.") from None
    return StatusShape(status="ready", warnings=services.storage.warnings() or UNSET)


@get("/metrics", media_type="text/plain; version=0.0.4")
async def metrics(services: Given) -> bytes:
    """Figures for Prometheus; those of the database stay as they were while it is away."""
    await _read_database(services)
    own = services.metrics.render_process()
    shown = own if services.peer_metrics is None else await services.peer_metrics.together(own)
    return shown + services.metrics.render_database()


async def _read_database(services: Services) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            figures = await services.storage.figures()
    except (Unavailable, TimeoutError):
        return
    services.metrics.stored(
        pending=figures.pending,
        oldest_pending_age=figures.oldest_pending_age,
        lanes_waiting=figures.lanes,
        jobs=figures.jobs,
        size=figures.bytes,
    )
