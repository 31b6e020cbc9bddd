"""The page of one attempt: what was sent, what came back, what is wrong and what to do."""

from functools import partial
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.delivery import DELIVERED, PENDING
from winnerr_webhooks.domain.diagnosis import diagnosis_of
from winnerr_webhooks.domain.errors import FieldError, NotFound
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import ACTIVE, PAUSED, Webhook
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.settings_page import charts
from winnerr_webhooks.settings_page.filters import read_filters
from winnerr_webhooks.settings_page.http_text import Body, body_text, curl_command, header_lines
from winnerr_webhooks.settings_page.languages import Language
from winnerr_webhooks.settings_page.log_rows import attempt_label, attempt_result, most_attempts
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)
from winnerr_webhooks.settings_page.response_decoding import DecodedBody, decode_body


@get("/logs/{attempt:str}")
async def show_attempt(
    page: PageDependency,
    request: PageRequest,
    attempt: FromPath[str],
    done: FromQuery[str] = "",
    before: FromQuery[int] = 0,
) -> Response[str]:
    """Show one attempt; with the header `X-Part` only its article, for opening it in the log.

    `before` is the number of the delivery's last attempt when a replay was requested. The page's
    script waits for a higher one.
    """
    in_log = "x-part" in request.headers
    template = "attempt_panel.html" if in_log else "attempt_detail.html"
    async with page.turn(request.auth.organization):
        found = await find_attempt(page, request.auth.organization, attempt)
        language = page.language(request.auth)
        values = await _values(page, found, language) | {"done": done, "before": before}
        return await page.answer_in_thread(
            template, request.auth, tab="logs", in_log=in_log, **values
        )


@get("/logs/{attempt:str}/response-body")
async def download_response_body(
    page: PageDependency, request: PageRequest, attempt: FromPath[str]
) -> Response[bytes]:
    """The bytes of an answer as they came, as a file: a browser would not show them as a page."""
    found = await find_attempt(page, request.auth.organization, attempt)
    return Response(
        found.response_body,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{found.id}.response"'},
    )


@get("/logs/{attempt:str}/replay", admin=True)
async def show_replay(
    page: PageDependency, request: PageRequest, attempt: FromPath[str]
) -> Response[str]:
    """Ask whether to send a delivery once more."""
    found = await find_attempt(page, request.auth.organization, attempt)
    return page.answer(
        "confirm_replay.html",
        request.auth,
        attempt=found,
        delivered=found.delivery_status == DELIVERED,
    )


@post("/logs/{attempt:str}/replay")
async def replay(
    page: PageDependency, request: PageRequest, attempt: FromPath[str]
) -> Response[str]:
    """Send the attempt's delivery once more, outside the retry schedule.

    Asks first when it was delivered already and the form does not say `confirmed`. Leads to the
    attempt, or to the log with the filters in the form field `back`.
    """
    form = form_of(request)
    found = await find_attempt(page, request.auth.organization, attempt)
    delivery = await page.storage.delivery(found.organization, found.delivery_id)
    if delivery and delivery.status == DELIVERED and not form.has("confirmed"):
        return redirect(f"/logs/{attempt}/replay")
    before = delivery.attempts[-1].attempt if delivery and delivery.attempts else 0
    await page.replays.replay_delivery(found.organization, found.delivery_id)
    page.audit("delivery replayed", request.auth, delivery=found.delivery_id)
    if form.has("back"):
        filters = read_filters(form.text("back").removeprefix("?"), page.catalog)
        return redirect(f"/logs{filters.query(done='replayed')}")
    return redirect(f"/logs/{attempt}?done=replayed&before={before}")


async def find_attempt(page: PageContext, organization: str, attempt_id: str) -> LoggedAttempt:
    """The attempt of this id, whole; `NotFound` when there is none."""
    found = None
    if is_id("att", attempt_id):
        found = await page.storage.attempt(organization, attempt_id)
    if found is None:
        raise NotFound(
            Text("There is no such attempt. It may have been removed because it was old.")
        )
    return found


async def _values(page: PageContext, attempt: LoggedAttempt, language: Language) -> dict[str, Any]:
    organization = attempt.organization
    delivery = await page.storage.delivery(organization, attempt.delivery_id)
    if delivery is not None:  # read later than the attempt, so its state is the newer one
        attempt = msgspec.structs.replace(
            attempt,
            delivery_status=delivery.status,
            next_attempt_at=delivery.next_attempt_at,
        )
    event = await page.storage.event(organization, attempt.event_id)
    webhooks = {webhook.id: webhook for webhook in await page.webhooks.list(organization)}
    webhook = webhooks.get(attempt.webhook_id)
    max_attempts = most_attempts(page, webhook)
    attempts = delivery.attempts if delivery else [attempt]
    head = header_lines(attempt.request_head)
    body, decoding = await page.run_in_thread(partial(response_body, attempt))
    return {
        "attempt": attempt,
        "result": attempt_result(attempt),
        "label": attempt_label(attempt, max_attempts),
        "diagnosis": diagnosis_of(attempt, page.config.delivery_timeout),
        "phases": charts.phases(attempt),
        "webhook": webhook,
        "replay_obstacle": _replay_obstacle(webhook, attempt),
        "attempts": [
            (one, attempt_result(one), attempt_label(one, max_attempts)) for one in attempts
        ],
        "other_deliveries": [
            (other, webhooks.get(other.webhook_id))
            for other in (event.deliveries if event else ())
            if other.id != attempt.delivery_id
        ],
        "data_errors": [
            (pointer, language.translate(message))
            for pointer, message in _data_errors(page, attempt)
        ],
        "request_line": head[0][0] if head else "",
        "request_headers": head[1:],
        "request_body": body_text(attempt.request_body, "application/json"),
        "response_headers": header_lines(attempt.response_head),
        "response_body": body,
        "decoding": decoding,
        "curl": curl_command(attempt.url, head[1:], attempt.request_body),
        "pending": attempt.delivery_status == PENDING,
        "delivered": attempt.delivery_status == DELIVERED,
    }


class _Payload(msgspec.Struct):
    data: msgspec.Raw


def _data_errors(page: PageContext, attempt: LoggedAttempt) -> tuple[FieldError, ...]:
    """Why the schema of the event type does not allow the data that were sent."""
    try:
        data = msgspec.json.decode(attempt.request_body, type=_Payload).data
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()
    return page.catalog.data_errors(attempt.event, bytes(data))


def response_body(attempt: LoggedAttempt) -> tuple[Body | None, DecodedBody | None]:
    """The body of the answer as text, and how it was decoded; None without an answer."""
    if attempt.status is None:
        return None, None
    headers = header_lines(attempt.response_head)
    decoded = decode_body(attempt.response_body, headers, truncated=attempt.truncated)
    content_type = next((v for name, v in headers if name.lower() == "content-type"), "")
    body = body_text(decoded.text.encode(), content_type)
    size = len(attempt.response_body)
    return msgspec.structs.replace(body, size=size, truncated=attempt.truncated), decoded


def _replay_obstacle(webhook: Webhook | None, attempt: LoggedAttempt) -> str | None:
    """Why the delivery cannot be replayed now, and what would change that; None: it can be."""
    if webhook is None and attempt.trigger == "listen":
        return Text("Replay this in the program that receives it, where the command listen runs.")
    if webhook is None:
        return Text("This cannot be replayed because its webhook was deleted.")
    if webhook.status == PAUSED:
        return Text("The webhook is paused. Resume it to replay this.")
    if webhook.status != ACTIVE:
        return Text("The webhook is disabled. Re-enable it to replay this.")
    return None


ROUTES = (show_attempt, download_response_body, show_replay, replay)
