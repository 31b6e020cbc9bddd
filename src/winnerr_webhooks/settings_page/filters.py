"""The filters of the log, read from the URL and kept in every link, so a view can be shared."""

import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.suggestions import did_you_mean
from winnerr_webhooks.domain.text import Sentences, Text
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.management.replay_requests import ReplayRequest
from winnerr_webhooks.storage.values import LogFilter

MAX_ROWS: Final = 500
"""Attempts that the log shows on one page (MISSION, Logs and debugging)."""
MAX_SEARCH: Final = 200
OUTCOMES: Final = (("succeeded", Text("Delivered")), ("failed", Text("Failed")))
RANGES: Final = (
    ("1h", Text("Last hour"), 3_600_000),
    ("24h", Text("Last 24 hours"), 86_400_000),
    ("7d", Text("Last 7 days"), 604_800_000),
)
TRIGGERS: Final = (
    ("automatic", Text("Automatic")),
    ("replay", Text("Replay")),
    ("test", Text("Test")),
    ("listen", Text("Listener")),
)
_NAMES: Final = (
    *("webhook", "event", "outcome", "status", "time", "since", "until"),
    *("trigger", "slower", "q", "before"),
)
_SECONDS: Final = re.compile(r"[0-9]{1,4}([.,][0-9]{1,2})?")
"""Seconds with a decimal point or comma; with three digits after it, it could separate a group."""
_OF_DELIVERIES: Final = {"webhook", "event", "outcome", "time", "since", "until", "before"}
_STATUS: Final = re.compile(r"([1-9])([0-9][0-9]|xx)")
_RANGE_MS: Final = {name: ms for name, _, ms in RANGES}


class Filters(msgspec.Struct, kw_only=True):
    """The filters as they were written in the URL.

    `errors` has a message for each field that cannot be used. With any of them, a view shows and
    changes nothing, because it would be more than was asked for.
    """

    webhook: str = ""
    event: str = ""
    outcome: str = ""
    status: str = ""
    time: str = ""
    since: str = ""
    until: str = ""
    trigger: str = ""
    slower: str = ""
    """Seconds that an attempt took at least."""
    q: str = ""
    before: str = ""
    errors: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether any filter is set."""
        return any(getattr(self, name) for name in _NAMES if name != "before")

    @property
    def exact(self) -> bool:
        """Whether an exact time is set."""
        return bool(self.since or self.until)

    @property
    def more(self) -> bool:
        """Whether one of the filters is set that are folded away."""
        return bool(self.exact or self.trigger or self.slower)

    def utc_field(self, name: str) -> str:
        """A time as a field of the type `datetime-local` takes it, in UTC; or what was given."""
        given: str = getattr(self, name)
        at = read_time(given)
        if at is None:
            return given
        return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%S}"

    def query(self, **changes: str) -> str:
        """The filters as a query string that begins with `?`; empty when none is set.

        `changes` replaces or adds parameters.
        """
        values = {name: changes.get(name, getattr(self, name)) for name in _NAMES}
        values |= {name: value for name, value in changes.items() if name not in values}
        text = urlencode({name: value for name, value in values.items() if value})
        return f"?{text}" if text else ""

    def log_filter(self, organization: str, now: int, *, limit: int = MAX_ROWS) -> LogFilter:
        """The filters as the storage takes them. `now` is in ms since 1970."""
        since = read_time(self.since)
        if self.time in _RANGE_MS:
            since = max(since or 0, now - _RANGE_MS[self.time])
        return LogFilter(
            organization=organization,
            webhook=self.webhook or None,
            event=self.event or None,
            outcome=self.outcome or None,
            status=_status_range(self.status),
            trigger=self.trigger or None,
            slower_than=_milliseconds(self.slower),
            text=self.q or None,
            since=since,
            until=read_time(self.until),
            limit=limit,
            before=self.before or None,
        )

    @property
    def of_attempts(self) -> list[str]:
        """Names of filters that are set and say something about attempts, not about deliveries."""
        names = [name for name in _NAMES if name not in _OF_DELIVERIES and getattr(self, name)]
        return names if self.outcome in {"", "failed"} else ["outcome", *names]

    def replay_request(self, now: int) -> ReplayRequest:
        """A request to replay the failed deliveries of the same webhook, event and time."""
        query = self.log_filter("", now)
        return ReplayRequest(
            webhook=query.webhook,
            event=query.event,
            outcome="failed",
            since=query.since,
            until=query.until,
        )


def read_filters(raw: bytes | str, catalog: Catalog) -> Filters:
    """Read the filters from a query string.

    An invalid value stays in its field with an error beside it. Unknown parameters are dropped.
    """
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    given = {name: value.strip() for name, value in parse_qsl(text) if name in _NAMES}
    found = msgspec.convert(given, Filters)
    if found.event and not catalog.may_be_logged(found.event):
        near = catalog.nearest(found.event)
        unknown = Text("There is no event {name}.", name=found.event[:64])
        found.errors["event"] = Sentences(unknown, did_you_mean(near))
    if found.status and not _STATUS.fullmatch(found.status.lower()):
        found.errors["status"] = Text("Enter a status such as 503, or a class such as 5xx.")
    for name in ("since", "until"):
        if getattr(found, name) and read_time(getattr(found, name)) is None:
            found.errors[name] = Text("Enter a time such as 2026-11-23T09:14 (UTC).")
    _check_more(found)
    if len(found.q) > MAX_SEARCH or "\0" in found.q:
        found.errors["q"] = Text("Enter at most {limit} characters.", limit=MAX_SEARCH)
    if found.outcome not in {"", *dict(OUTCOMES)}:
        found.errors["outcome"] = Text("Choose Delivered or Failed.")
    if found.time not in {"", *_RANGE_MS}:
        found.errors["time"] = Text("Choose one of these times.")
    if found.before and not is_id("att", found.before):
        found.errors["before"] = Text("The link to older attempts is not complete.")
    return found


def _status_range(text: str) -> tuple[int, int] | None:
    match = _STATUS.fullmatch(text.lower())
    if match is None:
        return None
    if match[2].isdigit():
        return int(text), int(text)
    first = int(match[1]) * 100
    return first, first + 99


def _check_more(found: Filters) -> None:
    if found.trigger not in {"", *dict(TRIGGERS)}:
        found.errors["trigger"] = Text("Choose one of these.")
    if found.slower and not _SECONDS.fullmatch(found.slower):
        found.errors["slower"] = Text("Enter seconds such as 2 or {half:g}.", half=0.5)


def _milliseconds(seconds: str) -> float | None:
    return float(seconds.replace(",", ".")) * 1000 if _SECONDS.fullmatch(seconds) else None


def read_time(text: str) -> int | None:
    """Milliseconds since 1970 of a time; None when it is invalid.

    Takes what `<input type=datetime-local>` sends, and RFC 3339. A time without a zone is UTC.
    """
    try:
        at = datetime.fromisoformat(text)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
