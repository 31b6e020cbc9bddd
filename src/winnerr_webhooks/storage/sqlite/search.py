"""Pages of the log: walked newest first in steps, each matched inside the database."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from winnerr_webhooks.domain.attempt import LoggedAttempt, Timings
from winnerr_webhooks.ids import delivery_id, is_id, webhook_number
from winnerr_webhooks.storage.reach import FIRST_TEXT_STEP, Search, reach, sources
from winnerr_webhooks.storage.rows import event_of
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.patterns import like_patterns
from winnerr_webhooks.storage.sqlite.rows import as_json
from winnerr_webhooks.storage.values import (
    MOST_ATTEMPTS,
    Delivery,
    DeliveryFilter,
    DeliveryPage,
    LogFilter,
    LogPage,
    StoredEvent,
)

T = TypeVar("T")

_SEQS = msgspec.json.Decoder(list[int])
_PAIRS = msgspec.json.Decoder(list[tuple[str, str]])
_DELIVERIES = msgspec.json.Decoder(
    list[tuple[str, str, str, str, str, int, int | None]],
)


class _AttemptRow(msgspec.Struct, array_like=True, gc=False):
    """`attempt_page`'s columns."""

    id: str
    organization: str
    delivery_id: str
    event_id: str
    webhook_id: str
    event: str
    attempt: int
    trigger: str
    outcome: str
    started_at: int
    duration_ms: float
    dns_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    first_byte_ms: float | None
    reconnected: int
    url: str
    request_head: str
    request_body: str
    status: int | None
    reason: str
    response_head: str
    response_body: str
    truncated: int
    error_kind: str | None
    error_message: str
    error_code: str
    error_phase: str
    delivery_status: str
    next_attempt_at: int | None


_ATTEMPTS = msgspec.json.Decoder(list[_AttemptRow])


class _Step(NamedTuple):
    """A run of rows: what identifies them, how many, and the oldest's id."""

    keys: Any
    size: int
    oldest: str


def log(db: Connection, query: LogFilter, monotonic: Callable[[], float]) -> LogPage:
    """Attempts by filter; see `Storage.log`."""
    if query.webhook is not None and not _is_own(db, query.organization, query.webhook):
        return LogPage(items=[], next=None)
    text = query.text or None
    sought = _known_id(db, query.organization, text) if text is not None else None
    values = {
        "organization": query.organization,
        "webhook": query.webhook,
        "event": query.event,
        "outcome": query.outcome,
        "status_from": query.status[0] if query.status else None,
        "status_to": query.status[1] if query.status else None,
        "since": query.since,
        "until": query.until,
        "id": sought,
        "patterns": as_json(like_patterns(text)) if text and not sought else None,
    }
    walk = "organization"
    if query.webhook is not None:
        walk = "webhook"
    elif query.outcome == "failed":
        walk = "failed"
    whole = reach("att", query.before, query.since, query.until, query.after)

    def step(before: str, size: int) -> _Step | None:
        asked = {
            "organization": query.organization,
            "webhook": query.webhook,
            "floor": whole.floor,
            "before": before,
            "step": size,
        }
        keys, oldest, count = db.row(f"step_{walk}", asked)
        return _Step(keys, count, oldest) if count else None

    def matching(step: _Step, limit: int) -> list[int]:
        return db.json("matching_attempts", values | {"attempts": step.keys, "limit": limit}, _SEQS)

    first = FIRST_TEXT_STEP if text else None
    search = Search[int](whole.before, query.limit, monotonic, first=first)
    _walk(search, step, matching)
    items = attempts(db, search.kept, whole=False)
    return LogPage(items=items, next=search.next(items))


def deliveries(
    db: Connection, query: DeliveryFilter, monotonic: Callable[[], float]
) -> DeliveryPage:
    """Deliveries by filter; see `Storage.deliveries`."""
    values = {
        "organization": query.organization,
        "webhook": query.webhook,
        "event": query.event,
        "status": query.status,
        "since": query.since,
        "until": query.until,
    }
    whole = reach("dlv", query.before, query.since, query.until)

    def step(before: str, size: int) -> _Step | None:
        asked = {
            "organization": query.organization,
            "webhook": query.webhook,
            "floor": whole.floor,
            "before": before,
            "step": size,
        }
        pairs: dict[str, str] = {}
        for source in sources(query.status):
            some = db.json(source, asked, _PAIRS)
            pairs.update(some)
        # each source gave its first `size`, so the first `size` of all are among them
        keys = sorted(pairs.items(), reverse=True)[:size]
        return _Step(as_json(keys), len(keys), keys[-1][0]) if keys else None

    def matching(step: _Step, limit: int) -> list[Delivery]:
        return _matching_deliveries(db, values | {"deliveries": step.keys, "limit": limit})

    search = Search[Delivery](whole.before, query.limit, monotonic)
    _walk(search, step, matching)
    return DeliveryPage(items=search.kept, next=search.next(search.kept))


def delivery(db: Connection, organization: str, id_: str) -> Delivery | None:
    """One delivery, whole: with its attempts, oldest first, and the body they sent."""
    webhook = db.row("webhook_numbered", (organization, webhook_number(id_)))
    if webhook is None:
        return None
    for found in _deliveries_named(db, organization, [(id_, webhook[0])]):
        asked = (id_, organization, MOST_ATTEMPTS)
        seqs = _SEQS.decode(db.row("attempts_of_delivery", asked)[0])
        found.attempts = attempts(db, seqs, whole=True, bodies=False)
        event_row = db.row("get_event", (found.event_id, organization))
        found.body = event_row[-1] if event_row else b""
        for one in found.attempts:
            one.request_body = found.body  # it is the same of all of them, and may be large
        return found
    return None


def event(db: Connection, organization: str, event_id: str) -> StoredEvent | None:
    """One event with its deliveries."""
    row = db.row("get_event", (event_id, organization))
    if row is None:
        return None
    first = delivery_id(event_id, 0)
    values = {"organization": organization, "first": first, "last": first[:-4] + "zzzz"}
    pairs = db.json("deliveries_of_event", values, _PAIRS)
    id_, _, name, client_id, accepted_at, body = row
    return StoredEvent(
        id=id_,
        organization=organization,
        name=name,
        client_id=client_id,
        accepted_at=accepted_at,
        body=body,
        deliveries=_deliveries_named(db, organization, pairs),
    )


def _deliveries_named(
    db: Connection, organization: str, pairs: list[tuple[str, str]]
) -> list[Delivery]:
    every = dict.fromkeys(("webhook", "event", "status", "since", "until"))
    return _matching_deliveries(
        db,
        {
            "organization": organization,
            "deliveries": as_json(pairs),
            "limit": len(pairs),
            **every,
        },
    )


def attempts(
    db: Connection, seqs: list[int], *, whole: bool, bodies: bool = True
) -> list[LoggedAttempt]:
    """Attempts by their row numbers, in that order; whole ones without the `bodies` they sent."""
    if not seqs:
        return []
    asked = {"attempts": as_json(seqs), "whole": whole, "bodies": whole and bodies}
    rows = db.json("attempt_page", asked, _ATTEMPTS)
    return [_logged(row) for row in rows]


def _matching_deliveries(db: Connection, values: dict[str, object]) -> list[Delivery]:
    return [
        Delivery(
            id=id_,
            organization=organization,
            event_id=event_of(id_),
            event=event,
            webhook_id=webhook_id,
            status=status,
            test=bool(test),
            next_attempt_at=next_attempt_at,
        )
        for id_, organization, event, webhook_id, status, test, next_attempt_at in db.json(
            "matching_deliveries", values, _DELIVERIES
        )
    ]


def _walk(
    search: Search[T],
    step: Callable[[str, int], _Step | None],
    matching: Callable[[_Step, int], list[T]],
) -> None:
    while not search.over:
        run = step(search.before, search.size)
        if run is None:
            search.end()
        else:
            search.add(run.size, run.oldest, matching(run, search.wanted))


def _is_own(db: Connection, organization: str, webhook: str) -> bool:
    return bool(db.row("is_own_webhook", (webhook, organization))[0])


def _known_id(db: Connection, organization: str, text: str) -> str | None:
    """The id that a text is, of something that is there: it needs no look into bodies."""
    text = text.lower()
    if not any(is_id(kind, text) for kind in ("att", "dlv", "evt", "wh")):
        return None
    known = db.row("is_known_id", {"organization": organization, "id": text})[0]
    return text if known else None


def _logged(row: _AttemptRow) -> LoggedAttempt:
    return LoggedAttempt(
        id=row.id,
        organization=row.organization,
        delivery_id=row.delivery_id,
        event_id=row.event_id,
        webhook_id=row.webhook_id,
        event=row.event,
        attempt=row.attempt,
        trigger=row.trigger,
        outcome=row.outcome,
        started_at=row.started_at,
        duration_ms=row.duration_ms,
        timings=Timings(
            dns_ms=row.dns_ms,
            connect_ms=row.connect_ms,
            tls_ms=row.tls_ms,
            first_byte_ms=row.first_byte_ms,
            reconnected=bool(row.reconnected),
        ),
        url=row.url,
        request_head=bytes.fromhex(row.request_head),
        request_body=bytes.fromhex(row.request_body),
        status=row.status,
        reason=row.reason,
        response_head=bytes.fromhex(row.response_head),
        response_body=bytes.fromhex(row.response_body),
        truncated=bool(row.truncated),
        error_kind=row.error_kind,
        error_message=row.error_message,
        error_code=row.error_code,
        error_phase=row.error_phase,
        delivery_status=row.delivery_status,
        next_attempt_at=row.next_attempt_at,
    )
