"""Replay all failed…: how many before, how far after."""

import msgspec
from litestar import Response, get, post
from litestar.params import FromQuery

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.settings_page.filters import RANGES, Filters, read_filters
from winnerr_webhooks.settings_page.page import Given, Page, PageRequest, form_of, go


@get("/logs/replay", admin=True)
async def ask_replay(
    page: Given, request: PageRequest, started: FromQuery[int] = 0, at: FromQuery[int] = 0
) -> Response[str]:
    """Say how many deliveries match now; after the start, how many of them are still open."""
    filters = read_filters(request.scope["query_string"], page.catalog)
    count = await _matching(page, request, filters, at or None)
    return page.answer(
        "replay.html",
        request.auth,
        tab="logs",
        filters=filters,
        webhooks=await page.webhooks.list(request.auth.organization),
        categories=page.catalog.categories,
        ranges=RANGES,
        count=count,
        started=started,
        done=max(started - count, 0),
    )


@post("/logs/replay")
async def replay_all(page: Given, request: PageRequest) -> Response[str]:
    """Replay every failed delivery that matches, as a job that survives a restart."""
    filters = read_filters(form_of(request).text("filters").removeprefix("?"), page.catalog)
    now = page.now()
    try:
        started = await page.replays.many(
            request.auth.organization, filters.replay_request(now), dry_run=False
        )
    except Invalid:
        return go(f"/logs/replay{filters.query()}")
    page.record("deliveries replayed", request.auth, count=str(started))
    return go(f"/logs/replay{filters.query(started=str(started), at=str(now))}")


async def _matching(page: Page, request: PageRequest, filters: Filters, at: int | None) -> int:
    wanted = filters.replay_request(at or page.now())
    if at is not None and wanted.until is None:
        # What fails from now on is not part of what was started.
        wanted = msgspec.structs.replace(wanted, until=at)
    return await page.replays.many(request.auth.organization, wanted, dry_run=True)


ROUTES = (ask_replay, replay_all)
