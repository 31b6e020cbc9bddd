"""Formats times, sizes, counts, ids and bytes for people. Times are in ms since 1970."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup, escape

from winnerr_webhooks.domain.webhook import Webhook

_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_WEEK: Final = 7 * _DAY
_KIB: Final = 1024
# strftime's names would follow the locale of the machine.
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_ID_END: Final = 6
"""Characters of a shortened id that are kept at each end."""


def utc_datetime(ms: int) -> datetime:
    """The time as a datetime in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def machine_time(ms: int) -> str:
    """A time for the `datetime` attribute: `2026-11-23T09:14:02.123Z`."""
    return f"{utc_datetime(ms):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def exact_time(ms: int) -> str:
    """A time to the millisecond: `23 Nov 2026, 09:14:02.123 UTC`."""
    at = utc_datetime(ms)
    return f"{_day(at)} {at.year}, {at:%H:%M:%S}.{ms % 1000:03d} UTC"


def clock_time(ms: int, now: int) -> str:
    """The time of day in UTC, with the date when that is not today."""
    at, today = utc_datetime(ms), utc_datetime(now)
    if at.date() == today.date():
        return f"{at:%H:%M:%S}"
    return f"{_date(at, today)}, {at:%H:%M}"


def relative(ms: int, now: int) -> str:
    """`5 s ago`, `2 min ago`, `in 4 min`; the date when the time is a week or more away."""
    away = abs(now - ms)
    if away < _SECOND:
        return "now"
    if away >= _WEEK:
        return _date(utc_datetime(ms), utc_datetime(now))
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (_SECOND, "s")):
        if away >= unit:
            text = f"{away // unit} {name}"
            return f"in {text}" if ms > now else f"{text} ago"
    raise AssertionError("the time is at least a second away")


def _day(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]}"


def _date(at: datetime, today: datetime) -> str:
    return _day(at) if at.year == today.year else f"{_day(at)} {at.year}"


def time_tag(ms: int, text: str, style: str = "") -> Markup:
    """A `<time>` element with the exact time as its title.

    `style` tells the page's script how to show it: `relative` or `clock`.
    """
    # Nothing here needs escaping, and `Markup.format` is slow for hundreds of rows.
    return Markup(  # noqa: S704  see above
        f'<time datetime="{machine_time(ms)}" title="{exact_time(ms)}" data-show="{style}">'
        f"{text}</time>"
    )


def ago(ms: int, now: int) -> Markup:
    """A relative time, which the page's script keeps up to date."""
    return time_tag(ms, relative(ms, now), "relative")


def clock(ms: int, now: int) -> Markup:
    """A time of day, which the page's script shows in the reader's time zone."""
    return time_tag(ms, clock_time(ms, now), "clock")


def duration(ms: float | None) -> str:
    """`0.4 ms`, `84 ms`, `2.1 s`, `1 min 5 s`."""
    if ms is None:
        return "–"  # noqa: RUF001  an en dash, as wide as a digit
    if ms < 9.95:  # noqa: PLR2004  one decimal below ten
        return f"{ms:.1f} ms"
    if ms < 999.5:  # noqa: PLR2004  the largest that does not round to 1000 ms
        return f"{ms:.0f} ms"
    if ms < _MINUTE - 50:
        return f"{ms / 1000:.1f} s"
    minutes, rest = divmod(round(ms / 1000), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def span(seconds: int) -> str:
    """Seconds in the largest unit that divides them: `1 day`, `10 minutes`, `90 seconds`."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0 and seconds >= size:
            count = seconds // size
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{seconds} seconds"


def about(seconds: float | None) -> str:
    """An estimate in words: `unknown`, `less than a minute`, `about 4 minutes`, `about 2 hours`."""
    if seconds is None:
        return "unknown"
    if seconds < 60:  # noqa: PLR2004  a minute
        return "less than a minute"
    for unit, noun in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= unit:
            return f"about {pluralize(round(seconds / unit), noun)}"
    raise AssertionError("at least a minute")


def size(count: int) -> str:
    """A number of bytes: `312 bytes`, `16 KiB`, `1.2 MiB`."""
    if count < _KIB:
        return f"{count} byte{'' if count == 1 else 's'}"
    for unit in ("KiB", "MiB"):
        amount = count / _KIB ** (1 if unit == "KiB" else 2)
        if amount < _KIB or unit == "MiB":
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"  # noqa: PLR2004  one decimal below ten
    raise AssertionError("MiB is the last unit")


def number(count: int) -> str:
    """A number with thousands separators: `1,204`."""
    return f"{count:,}"


def percent(fraction: float) -> str:
    """A fraction of 1 as a percentage; `100 %` and `0 %` only when it is exactly that."""
    if fraction in (0.0, 1.0):
        return f"{fraction:.0%}".replace("%", " %")
    value = min(max(fraction * 100, 0.1), 99.9)
    return f"{value:.1f} %" if value > 99 or value < 1 else f"{value:.0f} %"  # noqa: PLR2004  one decimal near 0 and 100


def short_id(id_: str) -> str:
    """An id shortened in the middle: `att_01kan…3f9x2a`."""
    kind, _, rest = id_.partition("_")
    if len(rest) <= 2 * _ID_END:
        return id_
    return f"{kind}_{rest[:_ID_END]}…{rest[-_ID_END:]}"


def webhook_name(webhook: Webhook) -> str:
    """What a webhook is called: its name, or else its URL."""
    return webhook.name or short_url(webhook.url)


def retries(waits: Sequence[float]) -> str:
    """A schedule in words: `3 retries, after 1 minute, 10 minutes and 100 minutes`."""
    spans = [span(int(wait)) if wait == int(wait) else f"{wait:g} seconds" for wait in waits]
    if not spans:
        return "no retries"
    listed = f"{', '.join(spans[:-1])} and {spans[-1]}" if len(spans) > 1 else spans[0]
    return f"{pluralize(len(spans), 'retry', 'retries')}, after {listed}"


def short_url(url: str) -> str:
    """A URL without `https://` and a trailing slash."""
    return url.removeprefix("https://").removesuffix("/")


def pluralize(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun: `1 event`, `37 events`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def visible(raw: bytes | str) -> Markup:
    """Text of somebody else as HTML in which every character is seen, and none moves others.

    A character that is invisible or changes the direction of text stays as it is, in an element
    that isolates it. The style sheet shows its code point there, so what a reader selects and
    copies is what was sent. Only bytes that are not UTF-8 become U+FFFD, and so does NUL, which
    HTML cannot hold.
    """
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return Markup(_HIDDEN.sub(_marked, str(escape(text))))  # noqa: S704  escaped just before


def _marked(found: re.Match[str]) -> str:
    # A parser of HTML reads CR as a line feed, and drops NUL.
    if found[0] == "\r\n":
        return "&#13;\n"
    code = ord(found[0])
    character = {0x0D: "&#13;", 0: "\ufffd"}.get(code, found[0])
    return f'<span class="code-point" data-code="U+{code:04X}">{character}</span>'


_HIDDEN: Final = re.compile(
    "\r\n|[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, without tab and line feed
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0001\U000e0020-\U000e007f]"
)
"""The end of a line, and characters that are not seen or turn the text around them (UAX #9).

Joiners (U+200C, U+200D) are not among them: words of some languages and emoji contain them.
"""


def code_spans(text: str) -> Markup:
    """Escape a text for HTML, and show what is between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped
