"""The verdict on an attempt: success, retry or failure, and whether its webhook is disabled."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from winnerr_webhooks.domain.attempt import Exchange
from winnerr_webhooks.domain.delivery import EXHAUSTED, REPLAY_FAILED, RETRY, SUCCESS
from winnerr_webhooks.domain.retry import Jitter, parse_retry_after, retry_delay
from winnerr_webhooks.domain.text import Text

SuccessRule = Callable[[int], bool]
"""Whether a response status is a success."""

GONE: Final = Text("The receiver answered 410 Gone: it wants no more events.")
_RETRY_AFTER_STATUSES: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""The statuses whose `Retry-After` counts."""
_CONGESTION_KINDS: Final = frozenset({"timeout", "connect", "reset"})
_CONGESTION_CODES: Final = frozenset({"token_timeout", "token_connect", "token_reset"})
"""The same of a token endpoint, whose failures all have the kind `auth`."""
_MAX_REASON: Final = 100
"""How many characters of a reason phrase an error message shows."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The consequences of one attempt."""

    happened: str
    """What happened to the delivery: SUCCESS, RETRY, EXHAUSTED or REPLAY_FAILED."""
    retry_in: float | None = None
    """Seconds until the next automatic attempt; set with RETRY only."""
    error_kind: str | None = None
    error_message: str = ""
    error_code: str = ""
    disable: str | None = None
    """Set if this response (410) disables the webhook: its new `statusReason`."""
    hold_lane: float = 0.0
    """For how many seconds the receiver wants no requests at all (`Retry-After`)."""
    congested: bool = False
    """Whether the receiver is slow or overloaded, so that its lane halves its window."""


SUCCEEDED: Final = Verdict(happened=SUCCESS)


def success_rule(setting: str) -> SuccessRule:
    """Return the rule for a value of SUCCESS_STATUSES: `2xx` (RFC 9110, section 15.3) or `200`."""
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
    """Decide what follows from one exchange.

    A status decides even if the body after it broke off. Replays and tests are single attempts
    outside the retry schedule. `retries_used` counts the automatic attempts before this one.
    """
    status = exchange.status
    if status is not None and success(status):
        return SUCCEEDED
    kind, message, code = _error(exchange)
    retry_after = _retry_after(exchange) if status in _RETRY_AFTER_STATUSES else None
    retry_in = None
    if trigger == "automatic":
        retry_in = retry_delay(schedule, retries_used, jitter)
        if retry_in is not None and retry_after is not None:
            retry_in = max(retry_in, retry_after)
        happened = EXHAUSTED if retry_in is None else RETRY
    else:
        happened = EXHAUSTED if trigger == "test" else REPLAY_FAILED
    return Verdict(
        happened=happened,
        retry_in=retry_in,
        error_kind=kind,
        error_message=message,
        error_code=code,
        disable=str(GONE) if status == HTTPStatus.GONE and trigger != "test" else None,
        hold_lane=retry_after or 0.0,
        congested=_is_congested(kind, code, status),
    )


def _is_2xx(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004  2xx; comparing enum members would be slower


def _is_200(status: int) -> bool:
    return status == HTTPStatus.OK


def _error(exchange: Exchange) -> tuple[str, str, str]:
    """Return kind, message and code of the error."""
    status, failure = exchange.status, exchange.failure
    if status is not None:
        return "status", f"{status} {_reason(status, exchange.reason)}".rstrip(), ""
    if failure is not None:
        return failure.kind, failure.message, failure.code
    return "protocol", "The exchange ended without a response.", ""


def _reason(status: int, reason: str) -> str:
    """Return the printable part of the receiver's reason phrase, or else the standard phrase."""
    shown = "".join(c for c in reason[:_MAX_REASON] if c.isprintable()).strip()
    if shown:
        return shown
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _retry_after(exchange: Exchange) -> float | None:
    """Return the seconds that the response's `Retry-After` header asks to wait."""
    answered_at = exchange.started_at + int(exchange.duration_ms)
    for line in exchange.response_head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"retry-after":
            return parse_retry_after(value.decode("latin-1"), answered_at)
    return None


def _is_congested(kind: str, code: str, status: int | None) -> bool:
    if status is None:
        return kind in _CONGESTION_KINDS or code in _CONGESTION_CODES
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
