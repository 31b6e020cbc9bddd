"""When to retry: the schedule with jitter, and the `Retry-After` header of a response."""

import math
import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

MAX_RETRY_AFTER: Final = 3600.0
"""The longest wait in seconds that a receiver can ask for."""
JITTER: Final = 0.2
"""Each wait is up to this fraction shorter or longer than the schedule says."""
STANDARD: Final = "standard"
"""The name of the product's own schedule, RETRY_SCHEDULE."""
LONG: Final = "long"
"""The name of `LONG_SCHEDULE`."""
LONG_SCHEDULE: Final = (60.0, 600.0, 3_600.0, 10_800.0, 28_800.0, 43_200.0, 86_400.0, 86_400.0)
"""Eight retries over about three days, in seconds."""
RetrySchedule = str | tuple[float, ...]
"""A webhook's schedule: `standard`, `long`, or the seconds before each retry."""
_MAX_HEADER_VALUE: Final = 64
"""Longer `Retry-After` values are ignored; a date has 29 characters."""
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


class Jitter(Protocol):
    """Randomizes waits; implemented by `ids.Jitter`."""

    def around(self, seconds: float, fraction: float = JITTER) -> float:
        """Return `seconds`, randomly up to `fraction` shorter or longer."""
        ...


def retry_delay(schedule: Sequence[float], retries_used: int, jitter: Jitter) -> float | None:
    """Return the seconds until the next automatic attempt; None if no retries are left.

    `retries_used` counts the automatic attempts before the one that just failed.
    """
    if retries_used >= len(schedule):
        return None
    return jitter.around(schedule[retries_used], JITTER)


def waits_of(schedule: RetrySchedule, standard: tuple[float, ...]) -> tuple[float, ...]:
    """Return the seconds before each retry; `standard` is the product's schedule."""
    if isinstance(schedule, tuple):
        return schedule
    return LONG_SCHEDULE if schedule == LONG else standard


def longest_span(schedule: Sequence[float]) -> float:
    """Return the seconds that the retries of a schedule can take together."""
    return sum(schedule) * (1 + JITTER)


def longest_waits(schedule: Sequence[float]) -> tuple[float, ...]:
    """Return the longest possible wait in seconds before each automatic attempt."""
    retries = (max(seconds * (1 + JITTER), MAX_RETRY_AFTER) for seconds in schedule)
    return (0.0, *retries)


def parse_retry_after(value: str, now_ms: int) -> float | None:
    """Return the wait in seconds that a `Retry-After` value asks for, at most `MAX_RETRY_AFTER`.

    Accepts a number of seconds, or an HTTP date in any of the three forms of RFC 9110, sections
    10.2.3 and 5.6.7. Returns None for any other value and for a time that is not in the future.
    """
    value = value.strip()
    if not value or len(value) > _MAX_HEADER_VALUE:
        return None
    seconds = float(value) if _NUMBER.fullmatch(value) else _until_date(value, now_ms)
    if not math.isfinite(seconds) or seconds <= 0:
        return None
    return min(seconds, MAX_RETRY_AFTER)


def _until_date(value: str, now_ms: int) -> float:
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:  # the asctime form has no zone and means UTC
            date = date.replace(tzinfo=UTC)
        return date.timestamp() - now_ms / 1000
    except (ValueError, TypeError, OverflowError, IndexError):
        return math.nan
