"""An attempt as a row of the log: every value ready, nothing left for the template to decide."""

from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from markupsafe import Markup

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.delivery import CANCELLED, DELIVERED, FAILED, PENDING
from winnerr_webhooks.settings_page import formatting
from winnerr_webhooks.settings_page.charts import duration_bar

_WORDS: Final = {
    "dns": "Unknown host",
    "blocked": "Address not allowed",
    "connect": "No connection",
    "tls": "TLS failed",
    "timeout": "Timed out",
    "reset": "Connection broke",
    "protocol": "Not HTTP",
}


class Row(msgspec.Struct, kw_only=True, gc=False):
    """One line of the table."""

    id: str
    delivery_id: str
    succeeded: bool
    result: str
    """`200 OK`, `503 Service Unavailable`, `Timed out`."""
    message: str
    """The whole of what went wrong; empty on success."""
    event: str
    url: str
    """Without its scheme."""
    deleted: bool
    """Whether the webhook is gone."""
    time: Markup
    duration: str
    bar: Markup
    count: str
    """`2 of 4`, `replay`, `test`."""
    next: str | Markup
    """What comes now, on the newest attempt of a delivery; empty on the others."""
    replayable: bool


def make_rows(
    attempts: Sequence[LoggedAttempt],
    *,
    active: Collection[str],
    known: Collection[str],
    most_attempts: int,
    longest_ms: float,
    now: int,
) -> list[Row]:
    """Rows in the same order, newest first.

    `active` and `known` are ids of webhooks that send, and of those that still exist.
    """
    seen: set[str] = set()
    rows = []
    for attempt in attempts:
        newest = attempt.delivery_id not in seen
        seen.add(attempt.delivery_id)
        failed = attempt.outcome == "failed"
        undelivered = attempt.delivery_status != DELIVERED
        rows.append(
            Row(
                id=attempt.id,
                delivery_id=attempt.delivery_id,
                succeeded=not failed,
                result=result_of(attempt),
                message=attempt.error_message if failed else "",
                event=attempt.event,
                url=formatting.short_url(attempt.url).removeprefix("http://"),
                deleted=attempt.webhook_id not in known,
                time=formatting.clock(attempt.started_at, now),
                duration=formatting.duration(attempt.duration_ms),
                bar=duration_bar(attempt.duration_ms, longest_ms, attempt.outcome),
                count=count_of(attempt, most_attempts),
                next=_next(attempt, now) if newest else "",
                replayable=newest and failed and undelivered and attempt.webhook_id in active,
            )
        )
    return rows


def result_of(attempt: LoggedAttempt) -> str:
    """What came of an attempt, in few words."""
    if attempt.status is None:
        return _WORDS.get(attempt.error_kind or "", "Failed")
    return f"{attempt.status} {attempt.reason or _phrase(attempt.status)}".rstrip()


def count_of(attempt: LoggedAttempt, most: int) -> str:
    """Which attempt of its delivery it is."""
    if attempt.trigger != "automatic":
        return attempt.trigger
    return f"{attempt.attempt} of {most}" if attempt.attempt <= most else str(attempt.attempt)


def _next(attempt: LoggedAttempt, now: int) -> str | Markup:
    if attempt.outcome == "succeeded":
        return ""
    if attempt.delivery_status == PENDING:
        due = attempt.next_attempt_at
        if due is None or due <= now:
            return "waiting its turn"
        return Markup("again ") + formatting.ago(due, now)
    ends = {FAILED: "gave up", CANCELLED: "cancelled", DELIVERED: "delivered since"}
    return "" if attempt.trigger == "test" else ends.get(attempt.delivery_status, "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
