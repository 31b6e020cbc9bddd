"""Rows of the log. Each holds the values of one attempt ready to show."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from markupsafe import Markup

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.delivery import CANCELLED, DELIVERED, FAILED, PENDING
from winnerr_webhooks.domain.retry import STANDARD, waits_of
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import ACTIVE, Webhook
from winnerr_webhooks.settings_page import formatting
from winnerr_webhooks.settings_page.charts import duration_bar
from winnerr_webhooks.settings_page.page_context import PageContext

_ERROR_RESULTS: Final = {
    "dns": Text("Unknown host"),
    "blocked": Text("Address not allowed"),
    "connect": Text("No connection"),
    "tls": Text("TLS failed"),
    "timeout": Text("Timed out"),
    "reset": Text("Connection broke"),
    "protocol": Text("Not HTTP"),
    "auth": Text("No token"),
}
_LABELS: Final = {"replay": Text("replay"), "test": Text("test"), "listen": Text("listen")}
_ENDS: Final = {
    FAILED: Text("gave up"),
    CANCELLED: Text("cancelled"),
    DELIVERED: Text("delivered later"),
}


class LogRow(msgspec.Struct, kw_only=True, gc=False):
    """One row of the table."""

    id: str
    delivery_id: str
    event_id: str
    succeeded: bool
    result: str
    """`200 OK`, `503 Service Unavailable`, `Timed out`."""
    message: str
    """The full error message; empty on success."""
    event: str
    webhook: str
    """Its name, or else the URL."""
    url: str
    """Without the scheme."""
    deleted: bool
    """Whether the webhook was deleted."""
    started_at: int
    """In ms since 1970."""
    duration_ms: float
    bar: Markup
    label: str
    """Which attempt it is: `2 of 4`, `replay`, `test` or `listen`."""
    next: str
    """What happens next, in the row of a delivery's newest attempt; empty in the others."""
    retry_at: int | None
    """When the next attempt is due, in ms since 1970; then `next` is empty."""
    replayable: bool


def make_rows(
    page: PageContext, attempts: Sequence[LoggedAttempt], webhooks: Sequence[Webhook]
) -> list[LogRow]:
    """Rows for these attempts, in the same order; it must be newest first.

    `webhooks` are those of the organization, without the deleted ones.
    """
    now = page.now()
    webhook_of = {webhook.id: webhook for webhook in webhooks}
    longest_ms = page.config.delivery_timeout * 1000
    seen: set[str] = set()
    rows = []
    for attempt in attempts:
        newest = attempt.delivery_id not in seen
        seen.add(attempt.delivery_id)
        failed = attempt.outcome == "failed"
        undelivered = attempt.delivery_status != DELIVERED
        webhook = webhook_of.get(attempt.webhook_id)
        url = formatting.short_url(attempt.url).removeprefix("http://")
        rows.append(
            LogRow(
                id=attempt.id,
                delivery_id=attempt.delivery_id,
                event_id=attempt.event_id,
                succeeded=not failed,
                result=attempt_result(attempt),
                message=attempt.error_message if failed else "",
                event=attempt.event,
                webhook=(webhook and webhook.name) or url,
                url=url,
                deleted=webhook is None and attempt.trigger != "listen",
                started_at=attempt.started_at,
                duration_ms=attempt.duration_ms,
                bar=duration_bar(attempt.duration_ms, longest_ms, attempt.outcome),
                label=attempt_label(attempt, most_attempts(page, webhook)),
                next=_next_step(attempt, now) if newest else "",
                retry_at=_retry_at(attempt, now) if newest else None,
                replayable=(
                    newest
                    and failed
                    and undelivered
                    and webhook is not None
                    and webhook.status == ACTIVE
                ),
            )
        )
    return rows


def most_attempts(page: PageContext, webhook: Webhook | None) -> int:
    """How many automatic attempts a delivery of a webhook has; None: one that was deleted."""
    schedule = STANDARD if webhook is None else webhook.retry_schedule
    return len(waits_of(schedule, page.config.retry_schedule)) + 1


def attempt_result(attempt: LoggedAttempt) -> str:
    """The result of an attempt in a few words: its status line, or the kind of failure."""
    if attempt.status is None:
        return _ERROR_RESULTS.get(attempt.error_kind or "", Text("Failed"))
    return f"{attempt.status} {attempt.reason or _phrase(attempt.status)}".rstrip()


def attempt_label(attempt: LoggedAttempt, max_attempts: int) -> str:
    """The number of an attempt in its delivery, as `2 of 4`, or `replay`, `test` or `listen`."""
    if attempt.trigger != "automatic":
        return _LABELS.get(attempt.trigger, attempt.trigger)
    # Recovered, after a replay, or when the schedule was made shorter.
    if attempt.attempt > max_attempts:
        return str(attempt.attempt)
    return Text("{attempt} of {attempts}", attempt=attempt.attempt, attempts=max_attempts)


def _retry_at(attempt: LoggedAttempt, now: int) -> int | None:
    if attempt.outcome == "succeeded" or attempt.delivery_status != PENDING:
        return None
    due = attempt.next_attempt_at
    return due if due is not None and due > now else None


def _next_step(attempt: LoggedAttempt, now: int) -> str:
    if attempt.outcome == "succeeded" or _retry_at(attempt, now) is not None:
        return ""
    if attempt.delivery_status == PENDING:
        return Text("waiting its turn")
    return "" if attempt.trigger == "test" else _ENDS.get(attempt.delivery_status, "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
