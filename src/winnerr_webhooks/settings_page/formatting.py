"""Values as people read them. Nothing here reads a clock: `now` is passed in, in ms."""

from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_WEEK: Final = 7 * _DAY
_KIB: Final = 1024
# Not strftime's: that follows the locale of the machine.
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_SHOWN_ENDS: Final = 6


def moment(ms: int) -> datetime:
    """An instant in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def machine_time(ms: int) -> str:
    """For `<time datetime>`: `2026-11-23T09:14:02.123Z`."""
    return f"{moment(ms):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def exact_time(ms: int) -> str:
    """For a title: `23 Nov 2026, 09:14:02.123 UTC`."""
    at = moment(ms)
    return f"{_day(at)} {at.year}, {at:%H:%M:%S}.{ms % 1000:03d} UTC"


def clock_time(ms: int, now: int) -> str:
    """The time of day, with the date where it is not today's (UTC)."""
    at, today = moment(ms), moment(now)
    if at.date() == today.date():
        return f"{at:%H:%M:%S}"
    return f"{_date(at, today)}, {at:%H:%M}"


def relative(ms: int, now: int) -> str:
    """`5 s ago`, `2 min ago`, `in 4 min`: one unit is enough; after a week a date."""
    away = abs(now - ms)
    if away < _SECOND:
        return "now"
    if away >= _WEEK:
        return _date(moment(ms), moment(now))
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (_SECOND, "s")):
        if away >= unit:
            text = f"{away // unit} {name}"
            return f"in {text}" if ms > now else f"{text} ago"
    raise AssertionError("a second at least")


def _day(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]}"


def _date(at: datetime, today: datetime) -> str:
    return _day(at) if at.year == today.year else f"{_day(at)} {at.year}"


def time_tag(ms: int, text: str, style: str = "") -> Markup:
    """A `<time>` whose exact value is at hand; `style` tells the page's script how to show it."""
    # Digits, letters and our own words: nothing to escape, and `Markup.format` is slow in rows.
    return Markup(  # noqa: S704  see above
        f'<time datetime="{machine_time(ms)}" title="{exact_time(ms)}" data-show="{style}">'
        f"{text}</time>"
    )


def ago(ms: int, now: int) -> Markup:
    """A relative time, ticking where there is JavaScript."""
    return time_tag(ms, relative(ms, now), "relative")


def clock(ms: int, now: int) -> Markup:
    """A time of day, turned into the reader's own zone where there is JavaScript."""
    return time_tag(ms, clock_time(ms, now), "clock")


def duration(ms: float | None) -> str:
    """`0.4 ms`, `84 ms`, `2.1 s`, `1 min 5 s`."""
    if ms is None:
        return "–"  # noqa: RUF001  a dash that is as wide as a figure
    if ms < 9.95:  # noqa: PLR2004  below ten a tenth is worth its place
        return f"{ms:.1f} ms"
    if ms < 999.5:  # noqa: PLR2004  what still rounds to less than a second
        return f"{ms:.0f} ms"
    if ms < _MINUTE - 50:
        return f"{ms / 1000:.1f} s"
    minutes, rest = divmod(round(ms / 1000), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def span(seconds: int) -> str:
    """A whole stretch of time in its largest fitting words: `24 hours`, `10 minutes`."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0 and seconds >= size:
            count = seconds // size
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{seconds} seconds"


def size(count: int) -> str:
    """Bytes: `312 bytes`, `16 KiB`, `1.2 MiB`."""
    if count < _KIB:
        return f"{count} byte{'' if count == 1 else 's'}"
    for unit in ("KiB", "MiB"):
        count_in = count / _KIB ** (1 if unit == "KiB" else 2)
        if count_in < _KIB or unit == "MiB":
            return f"{count_in:.1f} {unit}" if count_in < 10 else f"{count_in:.0f} {unit}"  # noqa: PLR2004  two figures are enough
    raise AssertionError("MiB is the last unit")


def number(count: int) -> str:
    """With thousands apart: `1,204`."""
    return f"{count:,}"


def percent(share: float) -> str:
    """A share as people want it: 100 % only when it is all, 0 % only when it is none."""
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    shown = min(max(share * 100, 0.1), 99.9)
    return f"{shown:.1f} %" if shown > 99 or shown < 1 else f"{shown:.0f} %"  # noqa: PLR2004  near the ends


def short_id(id_: str) -> str:
    """An id shortened in the middle: `att_01kan…3f9x2a`."""
    kind, _, rest = id_.partition("_")
    if len(rest) <= 2 * _SHOWN_ENDS:
        return id_
    return f"{kind}_{rest[:_SHOWN_ENDS]}…{rest[-_SHOWN_ENDS:]}"


def short_url(url: str) -> str:
    """A URL without what goes without saying."""
    return url.removeprefix("https://").removesuffix("/")


def count_of(count: int, noun: str, plural: str | None = None) -> str:
    """`1 event`, `37 events`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def visible(raw: bytes) -> str:
    """Bytes as inert text: what is not UTF-8 is U+FFFD, control characters are their pictures."""
    return raw.decode("utf-8", "replace").translate(_PICTURES)


_PICTURES: Final = {
    **{code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)},
    0x0D: None,
    0x7F: 0x2421,
    # What turns the direction of text around would show another text than was sent.
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F), 0xFFFD),
}
