"""Formats times, sizes, counts, ids and bytes for people. Times are in ms since 1970.

What differs between languages has the language as its first parameter. In templates these functions
are filters, which get the page's language by themselves.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup, escape

from winnerr_webhooks.domain.oauth2 import TOKEN_TEXTS
from winnerr_webhooks.domain.stored_texts import StoredTexts
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.time_spans import exact_span, time_span
from winnerr_webhooks.domain.verdict import GONE
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.egress.failures import FAILURE_TEXTS
from winnerr_webhooks.pipeline.rehearser import UNSENT_TEXTS
from winnerr_webhooks.settings_page.languages import Language
from winnerr_webhooks.storage import delivery_rows
from winnerr_webhooks.storage.failure_streak import FAILED_TOO_LONG
from winnerr_webhooks.storage.values import COUNT_LIMIT

_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_WEEK: Final = 7 * _DAY
_KIB: Final = 1024
_ID_END: Final = 6
"""Characters of a shortened id that are kept at each end."""


def utc_datetime(ms: int) -> datetime:
    """The time as a datetime in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def machine_time(ms: int) -> str:
    """A time for the `datetime` attribute: `2026-11-23T09:14:02.123Z`."""
    return f"{utc_datetime(ms):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def exact_time(language: Language, ms: int) -> str:
    """A time to the millisecond: `23 Nov 2026, 09:14:02.123 UTC`."""
    at = utc_datetime(ms)
    return f"{language.day(at, year=True)}, {at:%H:%M:%S}.{ms % 1000:03d} UTC"


def clock_time(language: Language, ms: int, now: int, today_as: str = "%H:%M:%S") -> str:
    """The time of day in UTC, with the date when that is not today.

    `today_as` is the format of a time of today.
    """
    at, today = utc_datetime(ms), utc_datetime(now)
    if at.date() == today.date():
        return f"{at:{today_as}}"
    return f"{_date(language, at, today)}, {at:%H:%M}"


def relative(language: Language, ms: int, now: int) -> str:
    """`5 s ago`, `2 min ago`, `in 4 min`; the date when the time is a week or more away."""
    away = abs(now - ms)
    if away < _SECOND:
        return language.translate(NOW)
    if away >= _WEEK:
        return _date(language, utc_datetime(ms), utc_datetime(now))
    for unit, past, future in RELATIVE_TIMES:
        if away >= unit:
            count = str(away // unit)
            return language.translate((future if ms > now else past).fill(count=count))
    raise AssertionError("the time is at least a second away")


NOW: Final = Text("now")
RELATIVE_TIMES: Final = (
    (_DAY, Text("{count} d ago"), Text("in {count} d")),
    (_HOUR, Text("{count} h ago"), Text("in {count} h")),
    (_MINUTE, Text("{count} min ago"), Text("in {count} min")),
    (_SECOND, Text("{count} s ago"), Text("in {count} s")),
)
"""(length in ms, text for the past, text for the future) of each unit, the longest first."""


def _date(language: Language, at: datetime, today: datetime) -> str:
    return language.day(at, year=at.year != today.year)


def is_of_another_year(ms: int, now: int) -> bool:
    """Whether the date of a time is shown with its year."""
    return utc_datetime(ms).year != utc_datetime(now).year


def time_tag(language: Language, ms: int, text: str, style: str = "") -> Markup:
    """A `<time>` element with the exact time as its title.

    `style` tells the page's script how to show it: `relative`, `clock` or `minute`.
    """
    # Nothing here needs escaping, and `Markup.format` is slow for hundreds of rows.
    return Markup(  # noqa: S704  see above
        f'<time datetime="{machine_time(ms)}" title="{exact_time(language, ms)}" '
        f'data-show="{style}">{text}</time>'
    )


def ago(language: Language, ms: int, now: int) -> Markup:
    """A relative time, which the page's script keeps up to date."""
    return time_tag(language, ms, relative(language, ms, now), "relative")


def clock(language: Language, ms: int, now: int) -> Markup:
    """A time of day, which the page's script shows in the reader's time zone."""
    return time_tag(language, ms, clock_time(language, ms, now), "clock")


def minute(language: Language, ms: int, now: int) -> Markup:
    """A time of day without seconds, for the ends of intervals; otherwise as `clock`."""
    return time_tag(language, ms, clock_time(language, ms, now, "%H:%M"), "minute")


def duration(language: Language, ms: float | None) -> str:
    """`0.4 ms`, `84 ms`, `2.1 s`, `1 min 5 s`."""
    if ms is None:
        return "–"  # noqa: RUF001  an en dash, as wide as a digit
    if ms < 9.95:  # noqa: PLR2004  one decimal below ten
        return language.say("{number} ms", number=language.number(ms, 1))
    if ms < 999.5:  # noqa: PLR2004  the largest that does not round to 1000 ms
        return language.say("{number} ms", number=language.number(ms))
    if ms < _MINUTE - 50:
        return language.say("{number} s", number=language.number(ms / 1000, 1))
    minutes, rest = divmod(round(ms / 1000), 60)
    if rest:
        return language.say("{minutes:,} min {seconds} s", minutes=minutes, seconds=rest)
    return language.say("{minutes:,} min", minutes=minutes)


def about(language: Language, seconds: float | None) -> str:
    """An estimate in words: `unknown`, `less than a minute`, `about 4 minutes`, `about 2 hours`."""
    if seconds is None:
        return language.say("unknown")
    if seconds < 60:  # noqa: PLR2004  a minute
        return language.say("less than a minute")
    return language.say("about {duration}", duration=time_span(seconds, round))


def size(language: Language, count: int) -> str:
    """A number of bytes: `312 bytes`, `16 KiB`, `1.2 MiB`."""
    if count < _KIB:
        return language.say_counted("{count} byte", "{count} bytes", count)
    amount = count / _KIB
    if amount < _KIB:
        return language.say("{number} KiB", number=_amount(language, amount))
    return language.say("{number} MiB", number=_amount(language, amount / _KIB))


def _amount(language: Language, amount: float) -> str:
    return language.number(amount, 1 if amount < 10 else 0)  # noqa: PLR2004  one decimal below ten


def number(language: Language, count: int) -> str:
    """A number with thousands separators: `1,204`."""
    return language.number(count)


def rate(language: Language, per_second: float) -> str:
    """A number with the decimals that it has: `0.5`, `1,000`."""
    return language.number(per_second, len(f"{per_second:.10f}".rstrip("0").partition(".")[2]))


def at_least(language: Language, count: int) -> str:
    """A number that was counted up to a limit: `37`, `10,000+`."""
    return language.number(count) + ("+" if count >= COUNT_LIMIT else "")


def stored(language: Language, sentence: str) -> str:
    """A sentence that was stored in English, such as an attempt's error message.

    It can be a value of a `Text` too.
    """
    if isinstance(sentence, Text):
        known = {name: _STORED.recognize(one) for name, one in sentence.values.items()}
        return language.translate(sentence.fill(**known))
    return language.translate(_STORED.recognize(sentence))


_STORED: Final = StoredTexts((*FAILURE_TEXTS, *TOKEN_TEXTS, FAILED_TOO_LONG, GONE, *UNSENT_TEXTS))


def percent(language: Language, fraction: float) -> str:
    """A fraction of 1 as a percentage; `100%` and `0%` only when it is exactly that."""
    if fraction in (0.0, 1.0):
        return language.percent(language.number(fraction * 100))
    value = min(max(fraction * 100, 0.1), 99.9)
    is_near_an_end = value > 99 or value < 1  # noqa: PLR2004  where one decimal matters
    return language.percent(language.number(value, 1 if is_near_an_end else 0))


def event_of(delivery_id: str) -> str:
    """The id of a delivery's event."""
    return delivery_rows.event_of(delivery_id)


def short_id(id_: str) -> str:
    """An id shortened in the middle: `att_01kan…3f9x2a`."""
    kind, _, rest = id_.partition("_")
    if len(rest) <= 2 * _ID_END:
        return id_
    return f"{kind}_{rest[:_ID_END]}…{rest[-_ID_END:]}"


def webhook_name(webhook: Webhook) -> str:
    """What a webhook is called: its name, or else its URL."""
    return webhook.name or short_url(webhook.url)


def span(language: Language, seconds: int) -> str:
    """Seconds in the largest unit that divides them: `1 day`, `10 minutes`, `90 seconds`."""
    return language.translate(exact_span(seconds))


def retries(language: Language, waits: Sequence[float]) -> str:
    """A schedule in words: `3 retries, after 1 minute, 10 minutes and 100 minutes`."""
    if not waits:
        return language.say("no retries")
    spans = language.listed([language.translate(exact_span(wait)) for wait in waits])
    return language.say_counted(
        "{count} retry, after {waits}", "{count} retries, after {waits}", len(waits), waits=spans
    )


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


def has_hidden(text: str) -> bool:
    """Whether `visible` would mark any character of a text."""
    return _HIDDEN.search(text) is not None


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


def code_spans(language: Language, text: str) -> Markup:
    """Translate a text, escape it for HTML, and show what is between backticks as code."""
    html = str(escape(language.translate(text)))
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", html))  # noqa: S704  escaped
