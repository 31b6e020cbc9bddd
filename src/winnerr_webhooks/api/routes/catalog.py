"""`GET /api/v1/event-types`: the catalogue."""

from litestar import get

from winnerr_webhooks.api.services import Services
from winnerr_webhooks.api.shapes import CatalogShape
from winnerr_webhooks.domain.event import rfc3339

EXAMPLE_ORGANIZATION = "org_abc123"


@get("/event-types")
async def event_types(services: Services) -> CatalogShape:
    """List every event type there is, with an example of each."""
    catalog = services.catalog
    now = rfc3339(services.clock.now_ms())
    return CatalogShape(items=[])
