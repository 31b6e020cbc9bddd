"""Serves the script that a product's own page loads beside the frame of the settings page."""

from typing import Final

from litestar import Response, get

from winnerr_webhooks.settings_page.page_context import PageDependency

_HEADERS: Final = {
    "Cache-Control": "public, max-age=300",  # its URL does not change with its content
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@get("/embed.js", asset=True)
async def embed_script(page: PageDependency) -> Response[bytes]:
    """Send the script."""
    script = page.assets.content("embed.js")
    return Response(script.content, media_type=script.media_type, headers=_HEADERS)


ROUTES = (embed_script,)
