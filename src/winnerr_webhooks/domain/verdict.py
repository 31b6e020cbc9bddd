"""The verdict on an exchange: what the delivery does next, and what becomes of the webhook."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from winnerr_webhooks.domain.attempt import Exchange
from winnerr_webhooks.domain.delivery import EXHAUSTED, REPLAY_FAILED, RETRY, SUCCESS
from winnerr_webhooks.domain.retry import Jitter, parse_retry_after, retry_delay

SuccessRule = Callable[[int], bool]
"""Whether a response status is a success."""

GONE: Final = "The receiver answered 410 Gone: it wants no more events."
_BUSY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_CONGESTED: Final = frozenset({"timeout", "connect", "reset"})
_LONGEST_REASON: Final = 100


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What follows from one attempt."""

    happened: str
    """One of `domain.delivery`'s SUCCESS, RETRY, EXHAUSTED, REPLAY_FAILED."""
    retry_in: float | None = None
    """Seconds until the next automatic attempt; set with RETRY only."""
    error_kind: str | None = None
    error_message: str = ""
    error_code: str = ""
    disable: str | None = None
    """Why the webhook is disabled by this answer (410), as its `statusReason`."""
    hold_lane: float = 0.0
    """Seconds the receiver asked everyone to stay away (Retry-After)."""
    congested: bool = False
    """The receiver is slow or overloaded: the lane's window is halved."""


SUCCEEDED: Final = Verdict(happened=SUCCESS)


def success_rule(setting: str) -> SuccessRule:
    """The rule of `SUCCESS_STATUSES`: `2xx` (RFC 9110, section 15.3), or the literal `200`."""
    return _is_200 if setting == "200" else _is_2xx


def judge(
    exchange: Exchange,
    *,
    trigger: str,
    retries_used: int,
    schedule: Sequence[float],
    success: SuccessRule,
    jitter: Jitter,
) -> Verdict:
    """What follows from one exchange.

    An answer counts by its status, also when its body broke off. Replays and tests are one
    attempt outside the schedule. `retries_used` counts the automatic attempts before this one.
    """
    status = exchange.status
    if status is not None and success(status):
        return SUCCEEDED
    kind, message, code = _error(exchange)
    asked = _asked_to_wait(exchange) if status in _BUSY else None
    retry_in = None
    if trigger == "automatic":
        retry_in = retry_delay(schedule, retries_used, jitter)
        if retry_in is not None and asked is not None:
            retry_in = max(retry_in, asked)  # it can only lengthen the wait
        happened = EXHAUSTED if retry_in is None else RETRY
    else:
        happened = EXHAUSTED if trigger == "test" else REPLAY_FAILED
    return Verdict(
        happened=happened,
        retry_in=retry_in,
        error_kind=kind,
        error_message=message,
        error_code=code,
        disable=GONE if status == HTTPStatus.GONE and trigger != "test" else None,
        hold_lane=asked or 0.0,
        congested=_congested(kind, status),
    )


def _is_2xx(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004  2xx; an enum's members cost more than the rest


def _is_200(status: int) -> bool:
    return status == HTTPStatus.OK


def _error(exchange: Exchange) -> tuple[str, str, str]:
    """Kind, message and code of what went wrong."""
    status, failure = exchange.status, exchange.failure
    if status is not None:
        return "status", f"{status} {_reason(status, exchange.reason)}".rstrip(), ""
    if failure is not None:
        return failure.kind, failure.message, failure.code
    return "protocol", "The exchange ended without an answer.", ""


def _reason(status: int, reason: str) -> str:
    """The receiver's reason phrase, made fit to show; the standard one when it gave none."""
    shown = "".join(c for c in reason[:_LONGEST_REASON] if c.isprintable()).strip()
    if shown:
        return shown
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _asked_to_wait(exchange: Exchange) -> float | None:
    answered_at = exchange.started_at + int(exchange.duration_ms)
    for line in exchange.response_head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"retry-after":
            return parse_retry_after(value.decode("latin-1"), answered_at)
    return None


def _congested(kind: str, status: int | None) -> bool:
    if status is None:
        return kind in _CONGESTED
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
