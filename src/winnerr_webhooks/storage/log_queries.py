"""Pages of the log, on either database: scanned newest first, each step matched in the database."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import asdict

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import LoggedAttempt, Timings
from winnerr_webhooks.ids import delivery_id, id_floor, is_id, webhook_number
from winnerr_webhooks.storage.database_session import Session, struct_of
from winnerr_webhooks.storage.delivery_rows import event_of
from winnerr_webhooks.storage.log_scan import (
    FIRST_TEXT_STEP,
    NEWEST,
    IdRange,
    LogScan,
    id_range,
    next_id,
    sources,
    windows,
)
from winnerr_webhooks.storage.search_text import search_text
from winnerr_webhooks.storage.values import (
    MAX_ATTEMPTS,
    Delivery,
    DeliveryFilter,
    DeliveryPage,
    HealthBucket,
    LogFilter,
    LogPage,
    StoredEvent,
)

EXAMINED_EVENTS: Final = 20_000
"""Events of all organizations that are looked through for the last ones of one of them."""
_APART_MS: Final = 86_400_000
"""How far the clock of the node that makes an attempt's id may be behind the one that dates the
event's acceptance."""
_TIMINGS: Final = ("dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "reconnected")
_ATTEMPT: Final = (
    "id", "organization", "delivery_id", "event_id", "webhook_id", "event", "attempt", "trigger",
    "outcome", "started_at", "duration_ms", *_TIMINGS, "url", "request_head", "request_body",
    "status", "reason", "response_head", "response_body", "truncated", "error_kind",
    "error_message", "error_code", "error_phase", "delivery_status", "next_attempt_at",
)  # fmt: skip
"""The columns of `attempt_page`, in order."""
_BYTES: Final = ("request_head", "request_body", "response_head", "response_body")
_EVERY_DELIVERY: Final = dict.fromkeys(("webhook", "event", "status", "since", "until", "limit"))

Key = Sequence[Any]
"""An id and a second value that finds its row.

For an attempt this is its row number (SQLite) or its delivery's id (PostgreSQL), for a delivery it
is its webhook's id."""


class _Named(NamedTuple):
    """An object of the organization whose id was searched for."""

    kind: str
    id: str
    accepted_at: int = 0
    """Of an event or a delivery: when the event was accepted, ms."""


class _Walk(NamedTuple):
    """The index that is read, one of its keys, and the range of ids to read there."""

    statement: str
    key: str
    range: IdRange


async def log(db: Session, query: LogFilter, clock: Clock) -> LogPage:
    """Return attempts by filter; see `Log.log`."""
    organization = query.organization
    if query.webhook is not None and not await _is_own(db, organization, query.webhook):
        return LogPage(items=[], next=None)
    named = await _named(db, query)
    walk = _walk(query, named)
    filters = _filters(query, walk, named)
    is_filtered = any(value is not None for value in filters.values())
    now = clock.now_ms()
    first = FIRST_TEXT_STEP if query.text else None
    scan = LogScan[Key](walk.range.before, query.limit, clock.monotonic, first=first)
    while not scan.over:
        keys = await _step(db, walk, scan, now)
        if not keys:
            scan.end()
            break
        found = keys
        if is_filtered:
            found = list(
                await db.fetch(
                    "matching_attempts",
                    **_key_values(organization, keys),
                    **filters,
                    limit=scan.wanted,
                )
            )
        scan.add(len(keys), keys[-1][0], found)
    items = await _attempts(db, organization, scan.kept, whole=False)
    return LogPage(items=items, next=scan.next(items))


async def deliveries(db: Session, query: DeliveryFilter, clock: Clock) -> DeliveryPage:
    """Return deliveries by filter; see `Log.deliveries`."""
    filters = asdict(query)
    whole = id_range("dlv", query.before, query.since, query.until)
    now = clock.now_ms()
    scan = LogScan[Delivery](whole.before, query.limit, clock.monotonic)
    while not scan.over:
        keys = await _delivery_step(db, query, IdRange(scan.before, whole.floor), scan.size, now)
        if keys:
            found = await _matching_deliveries(
                db, query.organization, keys, filters | {"limit": scan.wanted}
            )
            scan.add(len(keys), keys[-1][0], found)
        else:
            scan.end()
    return DeliveryPage(items=scan.kept, next=scan.next(scan.kept))


async def attempt(db: Session, organization: str, id_: str) -> LoggedAttempt | None:
    """Return one attempt, whole."""
    if not is_id("att", id_):
        return None
    key = await db.fetch_row("key_of_attempt", organization=organization, id=id_)
    if key is None:
        return None
    (found,) = await _attempts(db, organization, [key], whole=True)
    return found


async def delivery(db: Session, organization: str, id_: str) -> Delivery | None:
    """Return one delivery, whole: with its attempts, oldest first, and the body they sent."""
    webhook = await db.fetch_row(
        "webhook_numbered", organization=organization, number=webhook_number(id_)
    )
    if webhook is None:
        return None
    for found in await _matching_deliveries(db, organization, [(id_, webhook[0])]):
        row = await db.fetch_row("get_event", id=found.event_id, organization=organization)
        floor = ""
        if row is not None:
            *_, accepted_at, found.body = row
            floor = id_floor("att", accepted_at - _APART_MS)
        keys = await db.fetch(
            "attempts_of_delivery",
            delivery=id_,
            organization=organization,
            floor=floor,
            limit=MAX_ATTEMPTS,
        )
        found.attempts = await _attempts(db, organization, keys, whole=True, bodies=False)
        for one in found.attempts:
            one.request_body = found.body  # all attempts send the same, and it may be large
        return found
    return None


async def event(db: Session, organization: str, event_id: str) -> StoredEvent | None:
    """Return one event with its deliveries."""
    if not is_id("evt", event_id):
        return None
    row = await db.fetch_row("get_event", id=event_id, organization=organization)
    if row is None:
        return None
    first = delivery_id(event_id, 0)
    keys = await db.fetch(
        "deliveries_of_event", organization=organization, first=first, last=first[:-4] + "zzzz"
    )
    found = await _matching_deliveries(db, organization, keys)
    return struct_of(StoredEvent, row, deliveries=found)


async def recent_events(
    db: Session, organization: str, names: Sequence[str] | None, last: int
) -> list[tuple[str, bytes]]:
    """Return id and body of the last events; see `Log.recent_events`."""
    rows = await db.fetch(
        "recent_events",
        organization=organization,
        named=names is not None,
        names=list(names or ()),
        newest=NEWEST,
        examined=EXAMINED_EVENTS,
        last=last,
    )
    return [(row[0], row[1]) for row in rows]


async def health(db: Session, organization: str, since: int) -> list[HealthBucket]:
    """Return the health figures of an organization's webhooks."""
    rows = await db.fetch("get_health", organization=organization, since=since)
    return [struct_of(HealthBucket, row) for row in rows]


# --- steps ----------------------------------------------------------------------------------------


async def _is_own(db: Session, organization: str, webhook: str) -> bool:
    return bool(await db.fetch_value("is_own_webhook", webhook=webhook, organization=organization))


async def _named(db: Session, query: LogFilter) -> _Named | None:
    """Return what the searched text is an id of, if that exists: then no body is searched."""
    text, organization = (query.text or "").lower(), query.organization
    if is_id("att", text):
        if await db.fetch_row("key_of_attempt", organization=organization, id=text) is not None:
            return _Named("att", text)
    elif is_id("wh", text):
        if await _is_own(db, organization, text):
            return _Named("wh", text)
    elif is_id("evt", text) or is_id("dlv", text):
        event_id = text if text.startswith("evt") else event_of(text)
        accepted_at = await db.fetch_value("event_time", id=event_id, organization=organization)
        if accepted_at is not None:
            return _Named(text[:3], text, accepted_at)
    return None


def _walk(query: LogFilter, named: _Named | None) -> _Walk:
    """Return the index that has the fewest rows to examine."""
    organization, webhook = query.organization, query.webhook
    whole = id_range("att", query.before, query.since, query.until, query.after)
    if named is not None and named.kind == "att":
        one = IdRange(min(whole.before, next_id(named.id)), max(whole.floor, named.id))
        return _Walk("walk_organization", organization, one)
    if named is not None and named.kind in {"evt", "dlv"}:
        event_id = named.id if named.kind == "evt" else event_of(named.id)
        floor = id_floor("att", named.accepted_at - _APART_MS)
        return _Walk("walk_event", event_id, IdRange(whole.before, max(whole.floor, floor)))
    if webhook is None and named is not None:
        webhook = named.id
    if webhook is not None:
        return _Walk("walk_webhook", webhook, whole)
    if query.outcome == "failed":
        return _Walk("walk_failed", organization, whole)
    return _Walk("walk_organization", organization, whole)


def _filters(query: LogFilter, walk: _Walk, named: _Named | None) -> dict[str, object]:
    """Return the filters that rows of a walk still have to pass. If all are None, all match."""
    text = search_text(query.text) if query.text and named is None else None
    status_from, status_to = query.status or (None, None)
    return {
        "webhook": None if walk.key == query.webhook else query.webhook,
        "event": query.event,
        "outcome": None if walk.statement == "walk_failed" else query.outcome,
        "trigger": query.trigger,
        "slower_than": query.slower_than,
        "status_from": status_from,
        "status_to": status_to,
        "since": query.since,
        "until": query.until,
        "id": None if named is None else named.id,
        "patterns": None if text is None else text.patterns,
        "parts": None if text is None else text.parts,
        "byte_parts": None if text is None else text.byte_parts,
    }


async def _step(db: Session, walk: _Walk, scan: LogScan[Key], now: int) -> list[Key]:
    keys: list[Key] = []
    for part in windows("att", IdRange(scan.before, walk.range.floor), now):
        missing = scan.size - len(keys)
        keys += await db.fetch(walk.statement, key=walk.key, limit=missing, **part._asdict())
        if len(keys) == scan.size:
            break
    return keys


async def _delivery_step(
    db: Session, query: DeliveryFilter, whole: IdRange, size: int, now: int
) -> list[Key]:
    found: dict[str, str] = {}
    for part in windows("dlv", whole, now):
        for source in sources(query.status):
            rows = await db.fetch(source, **asdict(query) | part._asdict() | {"limit": size})
            found.update((id_, webhook) for id_, webhook in rows)
        if len(found) >= size:
            break
    # Each source gave its first `size`, so the first `size` of all are among them.
    keys: list[Key] = list(sorted(found.items(), reverse=True)[:size])
    return keys


async def _matching_deliveries(
    db: Session,
    organization: str,
    keys: Sequence[Key],
    filters: dict[str, Any] = _EVERY_DELIVERY,
) -> list[Delivery]:
    if not keys:
        return []
    rows = await db.fetch(
        "matching_deliveries",
        **filters | _key_values(organization, keys) | {"limit": filters["limit"] or len(keys)},
    )
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
            waits_for=None if waits_for == id_ else waits_for,
        )
        for id_, event, webhook_id, status, test, next_attempt_at, waits_for in rows
    ]


async def _attempts(
    db: Session, organization: str, keys: Sequence[Key], *, whole: bool, bodies: bool = True
) -> list[LoggedAttempt]:
    """Return attempts in the order of their keys; `bodies`: with the bodies they sent."""
    if not keys:
        return []
    rows = await db.fetch(
        "attempt_page", **_key_values(organization, keys), whole=whole, bodies=whole and bodies
    )
    return [_logged(row) for row in rows]


# --- rows -----------------------------------------------------------------------------------------


def _key_values(organization: str, keys: Sequence[Key]) -> dict[str, Any]:
    """Return keys as the statements take them.

    SQLite takes the `keys` as they are. PostgreSQL takes both lists, and opens no partition that
    lies outside of their bounds.
    """
    ids, others = [key[0] for key in keys], [key[1] for key in keys]
    return {
        "organization": organization,
        "keys": keys,
        "ids": ids,
        "others": others,
        "first": min(ids),
        "last": max(ids),
        "first_other": min(others),
        "last_other": max(others),
    }


def _logged(row: Iterable[Any]) -> LoggedAttempt:
    values = dict(zip(_ATTEMPT, row, strict=True))
    timings = {name: values.pop(name) for name in _TIMINGS}
    timings["reconnected"] = bool(timings["reconnected"])
    for name in _BYTES:
        if isinstance(values[name], str):  # SQLite's JSON holds them as hex
            values[name] = bytes.fromhex(values[name])
    values["truncated"] = bool(values["truncated"])
    return LoggedAttempt(timings=Timings(**timings), **values)
