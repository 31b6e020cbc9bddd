"""`GET /api/v1/event-types`: the catalogue."""

from typing import Final

import msgspec
from litestar import get

from winnerr_webhooks.api.services import Given
from winnerr_webhooks.api.shapes import CatalogShape, CategoryShape, EventTypeShape
from winnerr_webhooks.domain.event import rfc3339

EXAMPLE_ORGANIZATION: Final = "org_abc123"


@get("/event-types")
async def event_types(services: Given) -> CatalogShape:
    """List every event type there is, with an example of each."""
    catalog = services.catalog
    now = rfc3339(services.clock.now_ms())
    return CatalogShape(
        items=[
            CategoryShape(
                category=category,
                events=[
                    EventTypeShape(
                        name=one.name,
                        description=one.description,
                        example=msgspec.Raw(
                            catalog.example_body(one.name, EXAMPLE_ORGANIZATION, now)
                        ),
                    )
                    for one in types
                ],
            )
            for category, types in catalog.categories
        ]
    )
