"""The Logs tab: the newest attempts, filtered by the URL, and the live log."""

from http import HTTPStatus
from typing import Final

from litestar import Response, get
from litestar.params import FromQuery
from litestar.response import Stream

from winnerr_webhooks.ids import is_id
from winnerr_webhooks.settings_page.event_choices import logged_choices
from winnerr_webhooks.settings_page.filters import OUTCOMES, RANGES, TRIGGERS, read_filters
from winnerr_webhooks.settings_page.formatting import webhook_name
from winnerr_webhooks.settings_page.live_log import has_room, live_rows, live_start
from winnerr_webhooks.settings_page.log_export import MOST_EXPORTED
from winnerr_webhooks.settings_page.log_rows import make_rows
from winnerr_webhooks.settings_page.page_context import PageDependency, PageRequest
from winnerr_webhooks.settings_page.views.webhook_list import read_overviews
from winnerr_webhooks.storage.values import LogPage

_UNPROCESSABLE: Final = 422


@get("/logs")
async def show_log(
    page: PageDependency, request: PageRequest, done: FromQuery[str] = ""
) -> Response[str]:
    """Show attempts, newest first; none while a filter is invalid."""
    visitor = request.auth
    filters = read_filters(request.scope["query_string"], page.catalog)
    query = filters.log_filter(visitor.organization, page.now())
    start = live_start(page)
    # A search may take seconds. It has turns of its own, so it runs before this page takes one.
    searched = None
    if filters.errors:
        searched = LogPage(items=[], next=None)
    elif query.is_search:
        searched = await page.storage.log(query)
    async with page.turn(visitor.organization):
        found = searched or await page.storage.log(query)
        overviews, total = await read_overviews(page, visitor.organization)
        return await page.answer_in_thread(
            "log_list.html",
            visitor,
            status=_UNPROCESSABLE if filters.errors else HTTPStatus.OK,
            tab="logs",
            done=done,
            health=total,
            overviews=overviews,
            webhook_names={one.webhook.id: webhook_name(one.webhook) for one in overviews},
            filters=filters,
            live_start=start,
            # The template calls this in the thread, because making 500 rows is slow too.
            rows=lambda: make_rows(page, found.items, [one.webhook for one in overviews]),
            next=found.next,
            event_searched=filters.q.lower() if is_id("evt", filters.q.lower()) else "",
            event_choices=logged_choices(page.catalog, filters),
            outcomes=OUTCOMES,
            triggers=TRIGGERS,
            most_exported=MOST_EXPORTED,
            ranges=RANGES,
        )


@get("/logs/stream", media_type="text/event-stream")
async def stream_log(
    page: PageDependency, request: PageRequest, after: FromQuery[str] = ""
) -> Response[str] | Stream:
    """Stream new attempts. A browser that reconnects first gets what it missed."""
    filters = read_filters(request.scope["query_string"], page.catalog)
    if filters.errors:
        return Response("", status_code=_UNPROCESSABLE)
    if page.stopping.is_set() or not has_room(page, request.auth.organization):
        return Response("", status_code=HTTPStatus.SERVICE_UNAVAILABLE)
    last = request.headers.get("last-event-id") or after
    return Stream(
        live_rows(page, request, filters, last),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


ROUTES = (show_log, stream_log)
