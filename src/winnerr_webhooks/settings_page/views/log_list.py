"""The Logs tab: the last 500 attempts, filtered by the URL, and their live tail."""

from http import HTTPStatus

from litestar import Response, get
from litestar.params import FromQuery
from litestar.response import Stream

from winnerr_webhooks.settings_page.filters import OUTCOMES, RANGES, read_filters
from winnerr_webhooks.settings_page.live_log import beginning, has_room, live_rows
from winnerr_webhooks.settings_page.page_context import Given, PageRequest
from winnerr_webhooks.settings_page.views.webhook_detail import glance, rows_of


@get("/logs")
async def show_logs(page: Given, request: PageRequest, done: FromQuery[str] = "") -> Response[str]:
    """Show attempts, newest first."""
    visitor = request.auth
    filters = read_filters(request.scope["query_string"], page.catalog)
    query = filters.log_filter(visitor.organization, page.now())
    begins = beginning(page)
    # A search may take seconds: it has turns of its own, and no page waits for it.
    searched = await page.storage.log(query) if query.is_search else None
    async with page.turn(visitor.organization):
        found = searched or await page.storage.log(query)
        lines, total = await glance(page, visitor.organization)
        return await page.answer_aside(
            "logs.html",
            visitor,
            tab="logs",
            done=done,
            health=total,
            lines=lines,
            filters=filters,
            begins=begins,
            # Making 500 rows is a matter of milliseconds too: aside, with the template.
            rows=lambda: rows_of(page, found.items, [line.webhook for line in lines]),
            next=found.next,
            categories=page.catalog.categories,
            outcomes=OUTCOMES,
            ranges=RANGES,
        )


@get("/logs/stream", media_type="text/event-stream")
async def stream(
    page: Given, request: PageRequest, after: FromQuery[str] = ""
) -> Response[str] | Stream:
    """Send new attempts as they come; what a broken connection missed comes first."""
    if page.stopping.is_set() or not has_room(page, request.auth.organization):
        return Response("", status_code=HTTPStatus.SERVICE_UNAVAILABLE)
    filters = read_filters(request.scope["query_string"], page.catalog)
    last = request.headers.get("last-event-id") or after
    return Stream(
        live_rows(page, request, filters, last),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


ROUTES = (show_logs, stream)
