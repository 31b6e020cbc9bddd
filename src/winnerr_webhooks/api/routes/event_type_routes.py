"""`GET /api/v1/event-types`: the catalogue of event types, also as OpenAPI and AsyncAPI."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import MediaType, get

from winnerr_webhooks.api.services import ServicesDependency
from winnerr_webhooks.api.shapes import CatalogShape, CategoryShape, EventTypeShape
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.catalog import Catalog
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
                        schema=_decoded(event_type.schema),
                        deprecated=event_type.deprecated,
                    )
                    for event_type in event_types
                ],
            )
            for category, event_types in catalog.categories
        ]
    )


@get("/event-types/openapi.json", media_type=MediaType.JSON)
async def show_event_openapi(services: ServicesDependency) -> bytes:
    """Describe the requests that receivers get, as OpenAPI 3.1 `webhooks`."""
    from winnerr_webhooks.event_catalog.event_documents import (  # noqa: PLC0415  few ask for it
        openapi_document,
    )

    return await _document(services, openapi_document)


@get("/event-types/asyncapi.json", media_type=MediaType.JSON)
async def show_event_asyncapi(services: ServicesDependency) -> bytes:
    """Describe the same as AsyncAPI 3."""
    from winnerr_webhooks.event_catalog.event_documents import (  # noqa: PLC0415  likewise
        asyncapi_document,
    )

    return await _document(services, asyncapi_document)


async def _document(
    services: ServicesDependency, make: Callable[[Catalog, Branding], dict[str, Any]]
) -> bytes:
    document = await asyncio.to_thread(make, services.catalog, services.branding)
    return msgspec.json.encode(document)


def _decoded(schema: bytes | None) -> dict[str, Any] | None:
    return None if schema is None else msgspec.json.decode(schema, type=dict[str, Any])


ROUTES: Final = (list_event_types, show_event_openapi, show_event_asyncapi)
