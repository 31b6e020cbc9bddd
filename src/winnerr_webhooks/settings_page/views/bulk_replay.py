"""Replay all failed…: how many before, how far after."""

import msgspec
from litestar import Response, get, post
from litestar.params import FromQuery

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.management.replay_requests import ReplayRequest
from winnerr_webhooks.settings_page.filters import RANGES, Filters, read_filters
from winnerr_webhooks.settings_page.page_context import Given, PageRequest, form_of, go


@get("/logs/replay", admin=True)
async def ask_replay(
    page: Given, request: PageRequest, started: FromQuery[int] = 0, at: FromQuery[int] = 0
) -> Response[str]:
    """Say how many deliveries match now; after the start, how many are not delivered."""
    filters = read_filters(request.scope["query_string"], page.catalog)
    now = page.now()
    wanted = filters.replay_request(now)
    if started:
        wanted = _as_of(filters, min(at, now) if at > 0 else now)
    count = await page.replays.replay_many(request.auth.organization, wanted, dry_run=True)
    if started:
        # A webhook that was stopped before and changed since is counted too, though not part of it.
        count = min(count, started)
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
        started = await page.replays.replay_many(
            request.auth.organization, _as_of(filters, now), dry_run=False
        )
    except Invalid:
        return go(f"/logs/replay{filters.query()}")
    page.record("deliveries replayed", request.auth, count=str(started))
    return go(f"/logs/replay{filters.query(started=str(started), at=str(now))}")


def _as_of(filters: Filters, at: int) -> ReplayRequest:
    """What is started at that time: what fails from then on is not part of it."""
    return msgspec.structs.replace(filters.replay_request(at), asked_at=at)


ROUTES = (ask_replay, replay_all)
