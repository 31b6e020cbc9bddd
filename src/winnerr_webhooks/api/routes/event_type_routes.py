"""`GET /api/v1/event-types`: the catalogue of event types."""

from typing import Final

import msgspec
from litestar import get

from winnerr_webhooks.api.services import ServicesDependency
from winnerr_webhooks.api.shapes import CatalogShape, CategoryShape, EventTypeShape
from winnerr_webhooks.domain.event import rfc3339

EXAMPLE_ORGANIZATION: Final = "org_abc123"
"""The organization in the example payloads."""


@get("/event-types")
async def list_event_types(services: ServicesDependency) -> CatalogShape:
    """List every event type by category, each with an example payload."""
    catalog = services.catalog
    now = rfc3339(services.clock.now_ms())
    return CatalogShape(
        items=[
            CategoryShape(
                category=category,
                events=[
                    EventTypeShape(
                        name=event_type.name,
                        description=event_type.description,
                        example=msgspec.Raw(
                            catalog.example_body(event_type.name, EXAMPLE_ORGANIZATION, now)
                        ),
                    )
                    for event_type in event_types
                ],
            )
            for category, event_types in catalog.categories
        ]
    )
