"""Converts the timestamps that callers send (RFC 3339) into the form that receivers get."""

import re
from datetime import UTC, datetime
from typing import Final

_USUAL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?:[01]\d|2[0-3]):[0-5]\d):(\d\d)(?:\.\d+)?"
    r"([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_LEAP_SECOND: Final = "60"
_LEAP_MINUTE: Final = (23, 59)


def normalise(text: str) -> str | None:
    """Convert an RFC 3339 date-time (section 5.6) to UTC with `Z`, without fractions of a second.

    A leap second (23:59:60 in UTC, section 5.7) becomes the second before it, because few parsers
    accept it. Returns None if `text` is not a date-time, or is outside the years 1 to 9999 in UTC.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    day, minute, second, offset = match.groups()
    leap = second == _LEAP_SECOND
    if leap:
        second = "59"
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}:{second}{offset.upper()}")
        if not leap and _USUAL.fullmatch(text):
            return text
        utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if leap and (utc.hour, utc.minute) != _LEAP_MINUTE:
        return None
    return f"{utc:%Y-%m-%dT%H:%M:%SZ}".rjust(20, "0")
