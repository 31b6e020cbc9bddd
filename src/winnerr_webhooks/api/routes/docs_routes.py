"""`/api/openapi.json` and `/api/docs`: the API's documentation, built once at start."""

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

from winnerr_webhooks.api.docs import docs_page
from winnerr_webhooks.api.docs.openapi_document import build


def docs_routes() -> list[HTTPRouteHandler]:
    """The handlers of the OpenAPI document, the page and the page's style sheet."""
    document = build()
    as_json = msgspec.json.encode(document)
    as_html = docs_page.render(document)

    @get("/api/openapi.json", media_type=MediaType.JSON)
    async def openapi() -> bytes:
        return as_json

    @get("/api/docs")
    async def docs() -> Response[str]:
        return Response(
            as_html,
            media_type=MediaType.HTML,
            headers={
                "Content-Security-Policy": docs_page.CONTENT_SECURITY_POLICY,
                "Referrer-Policy": "no-referrer",
            },
        )

    @get(docs_page.CSS_PATH, media_type=MediaType.CSS)
    async def css() -> str:
        return docs_page.CSS

    return [openapi, docs, css]
