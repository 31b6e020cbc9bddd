"""When to try again: the schedule with its jitter, and what a receiver's Retry-After adds."""

import math
import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

LONGEST_RETRY_AFTER: Final = 3600.0
"""Seconds: a receiver can ask for an hour at most."""
JITTER: Final = 0.2
_LONGEST_VALUE: Final = 64
"""Characters of a Retry-After worth reading; a date has 29."""
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


class Jitter(Protocol):
    """Spreads waits: `ids.Jitter`."""

    def around(self, seconds: float, share: float = JITTER) -> float:
        """`seconds`, up to `share` more or less."""
        ...


def retry_delay(schedule: Sequence[float], retries_used: int, jitter: Jitter) -> float | None:
    """Seconds until the next automatic attempt; None when the schedule is used up.

    `retries_used` counts the automatic attempts before the one that just failed.
    """
    if retries_used >= len(schedule):
        return None
    return jitter.around(schedule[retries_used], JITTER)


def longest_waits(schedule: Sequence[float]) -> tuple[float, ...]:
    """The most seconds before automatic attempt 1, 2, 3, …: of the schedule or a Retry-After."""
    retries = (max(seconds * (1 + JITTER), LONGEST_RETRY_AFTER) for seconds in schedule)
    return (0.0, *retries)


def parse_retry_after(value: str, now_ms: int) -> float | None:
    """Seconds a Retry-After asks to wait (RFC 9110, section 10.2.3), one hour at most.

    Takes seconds, and HTTP-dates in all three forms of section 5.6.7. None for whatever is not
    one of these, or not in the future: negative, NaN, infinite, past.
    """
    value = value.strip()
    if not value or len(value) > _LONGEST_VALUE:
        return None
    seconds = float(value) if _NUMBER.fullmatch(value) else _until_date(value, now_ms)
    if not math.isfinite(seconds) or seconds <= 0:
        return None
    return min(seconds, LONGEST_RETRY_AFTER)


def _until_date(value: str, now_ms: int) -> float:
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:  # the asctime form names no zone and means UTC
            date = date.replace(tzinfo=UTC)
        return date.timestamp() - now_ms / 1000
    except (ValueError, TypeError, OverflowError, IndexError):
        return math.nan
