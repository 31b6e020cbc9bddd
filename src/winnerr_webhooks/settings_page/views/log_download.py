"""Downloads the log as it is filtered, as CSV or NDJSON."""

from datetime import UTC, datetime
from http import HTTPStatus

from litestar import Response, get
from litestar.response import Stream

from winnerr_webhooks.settings_page.filters import read_filters
from winnerr_webhooks.settings_page.log_export import CSV, MEDIA_TYPES, export_log
from winnerr_webhooks.settings_page.page_context import PageDependency, PageRequest


@get("/logs/export")
async def download_log(page: PageDependency, request: PageRequest) -> Response[str] | Stream:
    """Stream the newest attempts that match; an invalid filter gives nothing, so not too much."""
    organization = request.auth.organization
    filters = read_filters(request.scope["query_string"], page.catalog)
    if filters.errors:
        return Response("A filter cannot be used.", status_code=HTTPStatus.UNPROCESSABLE_ENTITY)
    kind = request.query_params.get("format", "")
    if kind not in MEDIA_TYPES:
        kind = CSV
    names = {webhook.id: webhook.name for webhook in await page.webhooks.list(organization)}
    at = datetime.fromtimestamp(page.now() / 1000, UTC)
    return Stream(
        export_log(
            page.storage,
            page.clock,
            filters.log_filter(organization, page.now()),
            names,
            kind,
        ),
        media_type=MEDIA_TYPES[kind],
        headers={
            "Content-Disposition": f'attachment; filename="attempts-{at:%Y%m%dT%H%M%SZ}.{kind}"'
        },
    )


ROUTES = (download_log,)
