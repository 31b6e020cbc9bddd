"""Recover since…: a page that counts what a webhook missed, and the page of the job that sends it.

The second shows any job's progress, and cancels it.
"""

from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import ACTIVE
from winnerr_webhooks.settings_page.filters import RANGES, read_time
from winnerr_webhooks.settings_page.formatting import machine_time
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)

_RANGES: Final = (*RANGES, ("30d", Text("Last 30 days"), 30 * 86_400_000))
_MS: Final = {name: ms for name, _, ms in _RANGES}
_DEFAULT: Final = "24h"
_BEFORE_FAILING_MS: Final = 60_000
"""A streak begins when its first attempt has failed: its event was accepted before."""
_ERROR: Final = Text("Enter a time in the past, such as 2026-11-23T09:14 (UTC).")


@get("/{webhook:str}/recover", admin=True)
async def show_recovery(
    page: PageDependency,
    request: PageRequest,
    webhook: FromPath[str],
    time: FromQuery[str] = "",
    since: FromQuery[str] = "",
) -> Response[str]:
    """Show how many deliveries a recovery would send, how many arrived, and how long it takes.

    `time` is the name of a range, and `since` an exact time, which wins.
    """
    organization = request.auth.organization
    found = await page.webhooks.get(organization, webhook)
    now = page.now()
    if not since and not time:
        since = await _failing_since(page, organization, webhook)
        time = "" if since else _DEFAULT
    at = read_time(since) if since else now - _MS[time] if time in _MS else None
    recovery = None
    if at is not None and at < now and found.status == ACTIVE:
        recovery = await page.recoveries.recover(organization, webhook, since=at, dry_run=True)
    return page.answer(
        "recover.html",
        request.auth,
        webhook=found,
        ranges=_RANGES,
        time="" if since else time,
        since=since,
        error="" if at is not None and at < now else _ERROR,
        at=at,
        exact=machine_time(at) if at is not None else "",
        recovery=recovery,
    )


@post("/{webhook:str}/recover")
async def start_recovery(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Recover what was shown, in a job that survives a restart, and show the job."""
    at = read_time(form_of(request).text("since"))
    if at is None:
        raise Invalid.field("/since", _ERROR)
    since = machine_time(at)
    recovery = await page.recoveries.recover(request.auth.organization, webhook, since=at)
    page.audit(
        "webhook recovered",
        request.auth,
        webhook=webhook,
        since=since,
        count=str(recovery.count),
        job=recovery.job_id,
    )
    if recovery.job_id is None:
        return redirect(f"/{webhook}/recover?since={since}")
    return redirect(f"/jobs/{recovery.job_id}")


@get("/jobs/{job:str}")
async def show_job(page: PageDependency, request: PageRequest, job: FromPath[str]) -> Response[str]:
    """Show a job's progress."""
    organization = request.auth.organization
    found = await page.recoveries.job(organization, job)
    webhooks = {webhook.id: webhook for webhook in await page.webhooks.list(organization)}
    return page.answer(
        "job.html",
        request.auth,
        job=found,
        webhook=webhooks.get(found.webhook_id),
        remaining=page.recoveries.remaining_seconds(found),
    )


@post("/jobs/{job:str}/cancel")
async def cancel_job(
    page: PageDependency, request: PageRequest, job: FromPath[str]
) -> Response[str]:
    """Stop what a job has not sent yet."""
    await page.recoveries.cancel(request.auth.organization, job)
    page.audit("job cancelled", request.auth, job=job)
    return redirect(f"/jobs/{job}")


async def _failing_since(page: PageContext, organization: str, webhook: str) -> str:
    """Just before a webhook's streak of failures, as an exact time; empty without one."""
    states = await page.storage.webhook_states(organization)
    since = next((one.failing_since for one in states if one.webhook_id == webhook), None)
    return machine_time(since - _BEFORE_FAILING_MS) if since is not None else ""


ROUTES = (show_recovery, start_recovery, show_job, cancel_job)
