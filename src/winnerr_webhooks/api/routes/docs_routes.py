"""`/api/openapi.json` and `/api/docs`: the API's documentation, built when first asked for."""

import asyncio
from functools import cache
from typing import NamedTuple

import msgspec
from litestar import MediaType, Response, get

from winnerr_webhooks.api.docs import docs_page
from winnerr_webhooks.api.services import ServicesDependency
from winnerr_webhooks.domain.branding import Branding


class _Documentation(NamedTuple):
    """The documentation in both forms."""

    json: bytes
    html: str


@cache
def _documentation(branding: Branding) -> _Documentation:
    """Build the documentation, in some tens of milliseconds.

    The start does without it: a restarted service should be ready soon.
    """
    from winnerr_webhooks.api.docs.openapi_document import build  # noqa: PLC0415  see above

    document = build(branding)
    return _Documentation(msgspec.json.encode(document), docs_page.render(document))


@get("/api/openapi.json", media_type=MediaType.JSON)
async def show_openapi(services: ServicesDependency) -> bytes:
    """Answer with the OpenAPI document."""
    return (await asyncio.to_thread(_documentation, services.branding)).json


@get("/api/docs")
async def show_docs(services: ServicesDependency) -> Response[str]:
    """Answer with the same as a page."""
    return Response(
        (await asyncio.to_thread(_documentation, services.branding)).html,
        media_type=MediaType.HTML,
        headers={
            "Content-Security-Policy": docs_page.CONTENT_SECURITY_POLICY,
            "Referrer-Policy": "no-referrer",
        },
    )


@get(docs_page.CSS_PATH, media_type=MediaType.CSS)
async def show_docs_css() -> str:
    """Answer with the page's style sheet."""
    return docs_page.CSS
