"""The log's filters: read from the URL, kept in every link, so that a view can be sent on."""

import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.management.replay_requests import ReplayRequest
from winnerr_webhooks.storage.values import LogFilter

SHOWN: Final = 500
"""Attempts the log shows at once (MISSION, Logs and debugging)."""
MAX_SEARCH: Final = 200
OUTCOMES: Final = (("succeeded", "Delivered"), ("failed", "Failed"))
RANGES: Final = (
    ("1h", "Last hour", 3_600_000),
    ("24h", "Last 24 hours", 86_400_000),
    ("7d", "Last 7 days", 604_800_000),
)
_NAMES: Final = ("webhook", "event", "outcome", "status", "time", "since", "until", "q", "before")
_STATUS: Final = re.compile(r"([1-9])([0-9][0-9]|xx)")
_RANGE_MS: Final = {name: ms for name, _, ms in RANGES}


class Filters(msgspec.Struct, kw_only=True):
    """What was asked for, as it was written; `errors` says which of it could not be used."""

    webhook: str = ""
    event: str = ""
    outcome: str = ""
    status: str = ""
    time: str = ""
    since: str = ""
    until: str = ""
    q: str = ""
    before: str = ""
    errors: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether anything narrows the view."""
        return any(getattr(self, name) for name in _NAMES if name != "before")

    @property
    def exact(self) -> bool:
        """Whether exact times are asked for."""
        return bool(self.since or self.until)

    def query(self, **changes: str) -> str:
        """These filters as a query string with its `?`, changed here and there; empty for none."""
        values = {name: changes.get(name, getattr(self, name)) for name in _NAMES}
        values |= {name: value for name, value in changes.items() if name not in values}
        text = urlencode({name: value for name, value in values.items() if value})
        return f"?{text}" if text else ""

    def log_filter(self, organization: str, now: int, *, limit: int = SHOWN) -> LogFilter:
        """The same as the storage takes it; what is in `errors` does not narrow."""
        since = None if "since" in self.errors else _instant(self.since)
        if self.time in _RANGE_MS:
            since = max(since or 0, now - _RANGE_MS[self.time])
        return LogFilter(
            organization=organization,
            webhook=self.webhook or None,
            event=None if "event" in self.errors else self.event or None,
            outcome=self.outcome or None,
            status=None if "status" in self.errors else _statuses(self.status),
            text=self.q or None,
            since=since,
            until=None if "until" in self.errors else _instant(self.until),
            limit=limit,
            before=self.before or None,
        )

    def replay_request(self, now: int) -> ReplayRequest:
        """The failed deliveries of the same webhook, event and time."""
        asked = self.log_filter("", now)
        return ReplayRequest(
            webhook=asked.webhook,
            event=asked.event,
            outcome="failed",
            since=asked.since,
            until=asked.until,
        )


def read_filters(raw: bytes | str, catalog: Catalog) -> Filters:
    """Filters of a query string; what makes no sense is kept, named and left without effect."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    given = {name: value.strip() for name, value in parse_qsl(text) if name in _NAMES}
    found = msgspec.convert(given, Filters)
    if found.event and catalog.get(found.event) is None:
        near = catalog.nearest(found.event)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        found.errors["event"] = f"There is no event {found.event[:64]}.{meant}"
    if found.status and not _STATUS.fullmatch(found.status.lower()):
        found.errors["status"] = "Enter a status such as 503, or a class of them: 5xx."
    for name in ("since", "until"):
        if getattr(found, name) and _instant(getattr(found, name)) is None:
            found.errors[name] = "Enter a time such as 2026-11-23T09:14 (UTC)."
    if len(found.q) > MAX_SEARCH or "\0" in found.q:
        found.errors["q"] = f"Search for up to {MAX_SEARCH} characters."
        found.q = found.q[:MAX_SEARCH].replace("\0", "")
    if found.outcome not in {"", *dict(OUTCOMES)}:
        found.outcome = ""
    if found.time not in {"", *_RANGE_MS}:
        found.time = ""
    if found.before and not is_id("att", found.before):
        found.before = ""
    return found


def _statuses(text: str) -> tuple[int, int] | None:
    match = _STATUS.fullmatch(text.lower())
    if match is None:
        return None
    if match[2].isdigit():
        return int(text), int(text)
    first = int(match[1]) * 100
    return first, first + 99


def _instant(text: str) -> int | None:
    """A time as `<input type=datetime-local>` sends it, or RFC 3339; without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(text)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
