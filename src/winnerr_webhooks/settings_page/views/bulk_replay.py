"""Replay all failed: a page that counts the matching deliveries, then shows the progress.

Filters that only say something about deliveries select them in a job. With others, those are
replayed of which the log shows an attempt (see `replay_selection`).
"""

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromQuery

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.management.replay_requests import ReplayRequest
from winnerr_webhooks.settings_page.event_choices import logged_choices
from winnerr_webhooks.settings_page.filters import RANGES, Filters, read_filters, read_time
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)
from winnerr_webhooks.settings_page.replay_selection import (
    replay_deliveries,
    select_deliveries,
)
from winnerr_webhooks.storage.values import ReplayProgress

_OK: Final = 200
_UNPROCESSABLE: Final = 422


@get("/logs/replay", admin=True)
async def show_bulk_replay(
    page: PageDependency,
    request: PageRequest,
    started: FromQuery[int] = 0,
    at: FromQuery[int] = 0,
) -> Response[str]:
    """Show how many deliveries match; after the start, what became of them.

    `started` is how many deliveries the replay has, and `at` is when it began, in ms.
    """
    filters = read_filters(request.scope["query_string"], page.catalog)
    refused = bool(filters.errors)
    if filters.of_attempts and not refused:
        return await _show_selection(page, request, filters)
    now = page.now()
    organization, count, progress = request.auth.organization, 0, None
    if started and not refused:
        wanted = _as_of(filters, min(at, now) if at > 0 else now)
        progress = await page.replays.progress(organization, wanted)
        # Deliveries of a webhook that was resumed since are counted too, but are not part of it.
        count = min(progress.undelivered, started)
    elif not refused:
        wanted = filters.replay_request(now)
        count = await page.replays.replay_many(organization, wanted, dry_run=True)
    return page.answer(
        "bulk_replay.html",
        request.auth,
        status=_UNPROCESSABLE if refused else _OK,
        **await _form_values(page, request, filters),
        count=count,
        started=0 if refused else started,
        progress=None if progress is None else _figures(progress, started, count),
    )


async def _show_selection(
    page: PageContext, request: PageRequest, filters: Filters
) -> Response[str]:
    """Show how many deliveries the log's filters select; after the replay, how many it took."""
    values: dict[str, Any] = {"is_partial": False}
    values |= {
        name: int(given) if (given := request.query_params.get(name, "")).isdecimal() else None
        for name in ("replayed", "skipped")
    }
    count = 0
    if values["replayed"] is None:
        selected = await select_deliveries(page, request.auth.organization, filters)
        count, values["is_partial"] = len(selected.ids), selected.is_partial
    return page.answer(
        "replay_selection.html",
        request.auth,
        **await _form_values(page, request, filters),
        names=filters.of_attempts,
        without=filters.query(**dict.fromkeys(filters.of_attempts, "")),
        count=count,
        **values,
    )


async def _form_values(page: PageContext, request: PageRequest, filters: Filters) -> dict[str, Any]:
    return {
        "tab": "logs",
        "filters": filters,
        "since_ms": read_time(filters.since),
        "until_ms": read_time(filters.until),
        "webhooks": await page.webhooks.list(request.auth.organization),
        "event_choices": logged_choices(page.catalog, filters),
        "ranges": RANGES,
    }


@post("/logs/replay")
async def start_bulk_replay(page: PageDependency, request: PageRequest) -> Response[str]:
    """Replay every failed delivery that matches; without filters of attempts, in a job."""
    filters = read_filters(form_of(request).text("filters").removeprefix("?"), page.catalog)
    organization = request.auth.organization
    if filters.errors:
        return redirect(f"/logs/replay{filters.query()}")
    if filters.of_attempts:
        selected = await select_deliveries(page, organization, filters)
        done = await replay_deliveries(page, organization, selected.ids)
        page.audit("deliveries replayed", request.auth, count=str(done.replayed))
        figures = {"replayed": str(done.replayed), "skipped": str(done.skipped)}
        return redirect(f"/logs/replay{filters.query(**figures)}")
    now = page.now()
    try:
        started = await page.replays.replay_many(organization, _as_of(filters, now), dry_run=False)
    except Invalid:
        return redirect(f"/logs/replay{filters.query()}")
    page.audit("deliveries replayed", request.auth, count=str(started))
    return redirect(f"/logs/replay{filters.query(started=str(started), at=str(now))}")


def _figures(progress: ReplayProgress, started: int, undelivered: int) -> dict[str, int]:
    """How many deliveries of a replay are where; together they are as many as were started."""
    waiting = min(progress.waiting, undelivered)
    failed_again = min(progress.failed_again, undelivered - waiting)
    return {
        "to_come": waiting,
        "delivered": max(started - undelivered, 0),
        "failed_again": failed_again,
        "not_sent": undelivered - waiting - failed_again,
    }


def _as_of(filters: Filters, at: int) -> ReplayRequest:
    """The replay that starts at this time; deliveries that fail later are not part of it."""
    return msgspec.structs.replace(filters.replay_request(at), asked_at=at)


ROUTES = (show_bulk_replay, start_bulk_replay)
