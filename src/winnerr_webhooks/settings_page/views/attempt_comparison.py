"""Two attempts of one event side by side: what was sent, and what came back."""

from functools import partial
from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.settings_page.comparison import MAX_LINES, compare_headers, compare_lines
from winnerr_webhooks.settings_page.http_text import body_text, header_lines
from winnerr_webhooks.settings_page.log_rows import attempt_label, attempt_result, most_attempts
from winnerr_webhooks.settings_page.page_context import PageContext, PageDependency, PageRequest
from winnerr_webhooks.settings_page.views.attempt_detail import find_attempt, response_body
from winnerr_webhooks.storage.values import LogFilter

_MOST_CHOICES: Final = 50


@get("/logs/{attempt:str}/compare")
async def compare_attempts(
    page: PageDependency,
    request: PageRequest,
    attempt: FromPath[str],
    other: FromQuery[str] = "",
) -> Response[str]:
    """Show an attempt beside another one of the same event, `other`.

    Any other value chooses one: of the same delivery the one before or after it, or else one of
    another delivery of the event.
    """
    organization = request.auth.organization
    found = await find_attempt(page, organization, attempt)
    # Not within the page's turn: it is a search, and has turns of its own.
    logged = await page.storage.log(
        LogFilter(organization=organization, text=found.event_id, limit=_MOST_CHOICES)
    )
    choices = [one for one in logged.items if one.id != found.id]
    chosen = next((one.id for one in choices if one.id == other), "") or _nearest(found, choices)
    async with page.turn(organization):
        webhooks = {one.id: one for one in await page.webhooks.list(organization)}
        second = None
        if is_id("att", chosen):
            second = await page.storage.attempt(organization, chosen)
        values: dict[str, Any] = {}
        if second is not None:
            values = await page.run_in_thread(partial(_compared, found, second))
        return await page.answer_in_thread(
            "attempt_comparison.html",
            request.auth,
            tab="logs",
            attempt=found,
            other=second,
            choices=[
                (
                    one,
                    attempt_result(one),
                    attempt_label(one, most_attempts(page, webhooks.get(one.webhook_id))),
                    webhooks.get(one.webhook_id),
                )
                for one in choices
            ],
            most_lines=MAX_LINES,
            columns=[_column(page, one, webhooks) for one in (found, second) if one],
            **values,
        )


def _nearest(found: LoggedAttempt, choices: list[LoggedAttempt]) -> str:
    """The attempt to begin with: of the same delivery the one just before, or the next."""
    own = [one for one in choices if one.delivery_id == found.delivery_id]
    before = [one.id for one in own if one.id < found.id]
    if before:
        return max(before)
    after = [one.id for one in own if one.id > found.id]
    if after:
        return min(after)
    return choices[0].id if choices else ""


def _column(page: PageContext, attempt: LoggedAttempt, webhooks: dict[str, Any]) -> dict[str, Any]:
    webhook = webhooks.get(attempt.webhook_id)
    return {
        "attempt": attempt,
        "result": attempt_result(attempt),
        "label": attempt_label(attempt, most_attempts(page, webhook)),
        "webhook": webhook,
    }


def _compared(left: LoggedAttempt, right: LoggedAttempt) -> dict[str, Any]:
    pair = (left, right)
    sent = [body_text(one.request_body, "application/json") for one in pair]
    got = [response_body(one)[0] for one in pair]
    return {
        "request_headers": compare_headers(*(header_lines(one.request_head)[1:] for one in pair)),
        "request_body": compare_lines(*(one.indented or one.raw for one in sent)),
        "response_headers": compare_headers(*(header_lines(one.response_head) for one in pair)),
        "response_body": compare_lines(*((one.indented or one.raw) if one else "" for one in got)),
    }


ROUTES = (compare_attempts,)
