"""Serves the style sheet and the scripts of the page."""

from litestar import Response, get
from litestar.params import FromPath

from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.settings_page.assets import CACHE_FOREVER
from winnerr_webhooks.settings_page.page_context import PageDependency


@get("/static/{version:str}/{name:str}", asset=True)
async def static_file(
    page: PageDependency, version: FromPath[str], name: FromPath[str]
) -> Response[bytes]:
    """Send one file."""
    asset = page.assets.get(version, name)
    if asset is None:
        raise NotFound(Text("This file belongs to another version of the page. Reload the page."))
    headers = {"Cache-Control": CACHE_FOREVER, **asset.headers}
    return Response(asset.content, media_type=asset.media_type, headers=headers)


ROUTES = (static_file,)
