"""One attempt: what was sent, what came back, what is wrong, what to do."""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.delivery import DELIVERED, PENDING
from winnerr_webhooks.domain.diagnosis import Diagnosis, diagnose
from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.domain.webhook import ACTIVE, Webhook
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.settings_page import charts
from winnerr_webhooks.settings_page.filters import read_filters
from winnerr_webhooks.settings_page.http_text import Body, as_curl, header_lines, pretty
from winnerr_webhooks.settings_page.log_rows import count_of, result_of
from winnerr_webhooks.settings_page.page_context import Given, Page, PageRequest, form_of, go


@get("/logs/{attempt:str}")
async def show_attempt(
    page: Given,
    request: PageRequest,
    attempt: FromPath[str],
    done: FromQuery[str] = "",
    before: FromQuery[int] = 0,
) -> Response[str]:
    """Show one attempt; with the header `X-Part` only its article, to be opened in place.

    `before`: the number of its delivery's last attempt when a replay was asked for.
    """
    template = "attempt_part.html" if request.headers.get("x-part") else "attempt.html"
    async with page.turn(request.auth.organization):
        found = await _find(page, request.auth.organization, attempt)
        values = await _values(page, found) | {"done": done, "before": before}
        return await page.answer_aside(template, request.auth, tab="logs", **values)


@post("/logs/{attempt:str}/replay")
async def replay(page: Given, request: PageRequest, attempt: FromPath[str]) -> Response[str]:
    """Send the attempt's delivery once more, outside the retry schedule."""
    found = await _find(page, request.auth.organization, attempt)
    delivery = await page.storage.delivery(found.organization, found.delivery_id)
    before = delivery.attempts[-1].attempt if delivery and delivery.attempts else 0
    await page.replays.replay_delivery(found.organization, found.delivery_id)
    page.record("delivery replayed", request.auth, delivery=found.delivery_id)
    form = form_of(request)
    if form.has("back"):
        filters = read_filters(form.text("back").removeprefix("?"), page.catalog)
        return go(f"/logs{filters.query(done='replayed')}")
    return go(f"/logs/{attempt}?done=replayed&before={before}")


async def _find(page: Page, organization: str, attempt_id: str) -> LoggedAttempt:
    found = None
    if is_id("att", attempt_id):
        found = await page.storage.attempt(organization, attempt_id)
    if found is None:
        raise NotFound("There is no such attempt here; perhaps it is too old to be kept.")
    return found


async def _values(page: Page, attempt: LoggedAttempt) -> dict[str, Any]:
    organization = attempt.organization
    delivery = await page.storage.delivery(organization, attempt.delivery_id)
    if delivery is not None:  # read later than the attempt, and at one moment with all of them
        attempt = msgspec.structs.replace(
            attempt,
            delivery_status=delivery.status,
            next_attempt_at=delivery.next_attempt_at,
        )
    event = await page.storage.event(organization, attempt.event_id)
    webhooks = {webhook.id: webhook for webhook in await page.webhooks.list(organization)}
    webhook = webhooks.get(attempt.webhook_id)
    most = len(page.config.retry_schedule) + 1
    siblings = delivery.attempts if delivery else [attempt]
    head = header_lines(attempt.request_head)
    return {
        "attempt": attempt,
        "result": result_of(attempt),
        "count": count_of(attempt, most),
        "most": most,
        "diagnosis": diagnosis_of(attempt, page.config.delivery_timeout),
        "phases": charts.phases(attempt),
        "webhook": webhook,
        "blocked": _why_no_replay(webhook),
        "siblings": [(one, result_of(one), count_of(one, most)) for one in siblings],
        "others": [
            (other, webhooks.get(other.webhook_id))
            for other in (event.deliveries if event else ())
            if other.id != attempt.delivery_id
        ],
        "request_line": head[0][0] if head else "",
        "request_headers": head[1:],
        "request_body": pretty(attempt.request_body, "application/json"),
        "response_headers": header_lines(attempt.response_head),
        "response_body": _response_body(attempt),
        "curl": as_curl(attempt.url, head[1:], attempt.request_body),
        "pending": attempt.delivery_status == PENDING,
        "delivered": attempt.delivery_status == DELIVERED,
    }


def diagnosis_of(attempt: LoggedAttempt, timeout: float) -> Diagnosis | None:
    """What is wrong and what to do; None on success."""
    if attempt.error_kind is None:
        return None
    return diagnose(
        kind=attempt.error_kind,
        code=attempt.error_code,
        phase=attempt.error_phase,
        status=attempt.status,
        response_head=attempt.response_head,
        response_body=attempt.response_body,
        url=attempt.url,
        timeout=timeout,
    )


def _response_body(attempt: LoggedAttempt) -> Body | None:
    if attempt.status is None:
        return None
    kinds = [v for name, v in header_lines(attempt.response_head) if name.lower() == "content-type"]
    body = pretty(attempt.response_body, kinds[0] if kinds else "")
    return msgspec.structs.replace(body, truncated=attempt.truncated)


def _why_no_replay(webhook: Webhook | None) -> str | None:
    """Why this cannot be replayed now, and what would change that."""
    if webhook is None:
        return "Its webhook was deleted, so it cannot be replayed."
    if webhook.status != ACTIVE:
        return f"Its webhook is {webhook.status}: resume it to replay this."
    return None


ROUTES = (show_attempt, replay)
