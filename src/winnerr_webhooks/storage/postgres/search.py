"""Pages of the log: walked newest first in steps, each matched inside the database."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import LoggedAttempt, Timings
from winnerr_webhooks.ids import delivery_id, id_floor, is_id, webhook_number
from winnerr_webhooks.storage.postgres.database import Row, Session
from winnerr_webhooks.storage.postgres.parts import parts_of
from winnerr_webhooks.storage.postgres.text import storable
from winnerr_webhooks.storage.reach import FIRST_TEXT_STEP, Reach, Search, reach, sources, windows
from winnerr_webhooks.storage.rows import event_of
from winnerr_webhooks.storage.values import (
    MOST_ATTEMPTS,
    Delivery,
    DeliveryFilter,
    DeliveryPage,
    LogFilter,
    LogPage,
    StoredEvent,
)

_APART_MS: Final = 86_400_000
"""A node's clock, by which it made an attempt's id, is not more than this behind the one by which
the event was accepted."""
_TIMINGS: Final = ("dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "reconnected")

_ALL: Final = (None,) * 6
"""The values of `matching_deliveries` from $6 on when nothing is asked."""

Key = tuple[str, str]
"""An attempt and its delivery, or a delivery and its webhook."""


class _Named(NamedTuple):
    """Something of the organization's whose id was searched for."""

    kind: str
    id: str
    accepted_at: int = 0
    """Of an event or of a delivery's event."""


class _Way(NamedTuple):
    """Which index is walked, for what, and from where to where."""

    walk: str
    key: str
    reach: Reach


async def log(db: Session, query: LogFilter, clock: Clock) -> LogPage:
    """Attempts by filter; see `Storage.log`."""
    webhook = _storable(query.webhook)
    if webhook is not None and not await db.value("is_own_webhook", webhook, query.organization):
        return LogPage(items=[], next=None)
    named = await _named(db, query)
    way = _way(query, webhook, named)
    filters = _filters(query, way, named)
    now = clock.now_ms()
    first = FIRST_TEXT_STEP if query.text else None
    search = Search[Key](way.reach.before, query.limit, clock.monotonic, first=first)
    while not search.over:
        keys = await _step(db, way, search, now)
        if not keys:
            search.end()
            break
        found = keys
        if any(value is not None for value in filters):
            values = *filters, search.wanted
            found = await _matching_attempts(db, query.organization, keys, values)
        search.add(len(keys), keys[-1][0], found)
    items = await attempts(db, query.organization, search.kept, whole=False)
    return LogPage(items=items, next=search.next(items))


async def deliveries(db: Session, query: DeliveryFilter, clock: Clock) -> DeliveryPage:
    """Deliveries by filter; see `Storage.deliveries`."""
    webhook = _storable(query.webhook)
    filters = (webhook, _storable(query.event), query.status, query.since, query.until)
    whole = reach("dlv", _storable(query.before), query.since, query.until)
    now = clock.now_ms()
    search = Search[Delivery](whole.before, query.limit, clock.monotonic)
    while not search.over:
        ahead = Reach(search.before, whole.floor)
        keys = await _delivery_step(db, query, ahead, search.size, now)
        if keys:
            values = *filters, search.wanted
            found = await _matching_deliveries(db, query.organization, keys, values)
            search.add(len(keys), keys[-1][0], found)
        else:
            search.end()
    return DeliveryPage(items=search.kept, next=search.next(search.kept))


async def attempt(db: Session, organization: str, id_: str) -> LoggedAttempt | None:
    """One attempt, whole."""
    if not is_id("att", id_):
        return None
    delivery = await db.value("delivery_of_attempt", id_, organization)
    if delivery is None:
        return None
    (found,) = await attempts(db, organization, [(id_, delivery)], whole=True)
    return found


async def delivery(db: Session, organization: str, id_: str) -> Delivery | None:
    """One delivery, whole: with its attempts, oldest first, and the body they sent."""
    webhook = await db.value("webhook_of_delivery", organization, webhook_number(id_))
    if webhook is None:
        return None
    for found in await _matching_deliveries(db, organization, [(id_, webhook)]):
        row = await db.row("get_event", found.event_id, organization)
        floor = ""
        if row is not None:
            found.body = row["body"]
            floor = id_floor("att", row["accepted_at"] - _APART_MS)
        asked = (id_, organization, floor, MOST_ATTEMPTS)
        keys = _keys(await db.rows("attempts_of_delivery", *asked))
        found.attempts = await attempts(db, organization, keys, whole=True, bodies=False)
        for one in found.attempts:
            one.request_body = found.body  # it is the same of all of them, and may be large
        return found
    return None


async def event(db: Session, organization: str, event_id: str) -> StoredEvent | None:
    """One event with its deliveries."""
    if not is_id("evt", event_id):
        return None
    row = await db.row("get_event", event_id, organization)
    if row is None:
        return None
    first = delivery_id(event_id, 0)
    last = first[:-4] + "zzzz"
    keys = _keys(await db.rows("deliveries_of_event", organization, first, last))
    return StoredEvent(**row, deliveries=await _matching_deliveries(db, organization, keys))


async def attempts(
    db: Session, organization: str, keys: Sequence[Key], *, whole: bool, bodies: bool = True
) -> list[LoggedAttempt]:
    """Attempts by their ids and their deliveries', in that order.

    `bodies`: whole ones with the bodies they sent.
    """
    if not keys:
        return []
    ids = [id_ for id_, _ in keys]
    bounds = *_bounds(ids), *_bounds(sent for _, sent in keys)
    asked = (organization, ids, whole, *bounds, whole and bodies)
    rows = await db.rows("attempt_page", *asked)
    return [_logged(row) for row in rows]


# --- steps ----------------------------------------------------------------------------------------


async def _named(db: Session, query: LogFilter) -> _Named | None:
    """What the text is the id of, if it is there: it needs no look into bodies."""
    text = (query.text or "").lower()
    if is_id("att", text):
        if await db.value("delivery_of_attempt", text, query.organization) is not None:
            return _Named("att", text)
    elif is_id("wh", text):
        if await db.value("is_own_webhook", text, query.organization):
            return _Named("wh", text)
    elif is_id("evt", text) or is_id("dlv", text):
        event_id = text if text.startswith("evt") else event_of(text)
        accepted_at = await db.value("event_time", event_id, query.organization)
        if accepted_at is not None:
            return _Named(text[:3], text, accepted_at)
    return None


def _way(query: LogFilter, webhook: str | None, named: _Named | None) -> _Way:
    """The index that has the fewest rows to look at."""
    before, after = _storable(query.before), _storable(query.after)
    whole = reach("att", before, query.since, query.until, after)
    if named is not None and named.kind == "att":
        one = Reach(min(whole.before, named.id + "0"), max(whole.floor, named.id))
        return _Way("walk_organization", query.organization, one)
    if named is not None and named.kind in {"evt", "dlv"}:
        event_id = named.id if named.kind == "evt" else event_of(named.id)
        floor = id_floor("att", named.accepted_at - _APART_MS)
        return _Way("walk_event", event_id, Reach(whole.before, max(whole.floor, floor)))
    if webhook is None and named is not None:
        webhook = named.id
    if webhook is not None:
        return _Way("walk_webhook", webhook, whole)
    if query.outcome == "failed":
        return _Way("walk_failed", query.organization, whole)
    return _Way("walk_organization", query.organization, whole)


def _filters(query: LogFilter, way: _Way, named: _Named | None) -> tuple[object, ...]:
    """What is left to ask of the rows of a walk; the values of `matching_attempts` from $7 on."""
    webhook = _storable(query.webhook)
    status = query.status or (None, None)
    parts = parts_of(query.text) if query.text and named is None else (None, None)
    return (
        None if way.key == webhook else webhook,
        _storable(query.event),
        None if way.walk == "walk_failed" else query.outcome,
        *status,
        query.since,
        query.until,
        None if named is None else named.id,
        *parts,
    )


async def _step(db: Session, way: _Way, search: Search[Key], now: int) -> list[Key]:
    keys: list[Key] = []
    for part in windows("att", Reach(search.before, way.reach.floor), now):
        missing = search.size - len(keys)
        keys += _keys(await db.rows(way.walk, way.key, part.floor, part.before, missing))
        if len(keys) == search.size:
            break
    return keys


async def _delivery_step(
    db: Session, query: DeliveryFilter, whole: Reach, size: int, now: int
) -> list[Key]:
    found: dict[str, str] = {}
    for part in windows("dlv", whole, now):
        for source in sources(query.status):
            asked: list[object] = [query.organization, part.floor, part.before, size]
            if source != "step_deliveries":
                asked.append(_storable(query.webhook))
            found.update(_keys(await db.rows(source, *asked)))
        if len(found) >= size:
            break
    # each source gave its first `size`, so the first `size` of all are among them
    return sorted(found.items(), reverse=True)[:size]


async def _matching_attempts(
    db: Session, organization: str, keys: Sequence[Key], values: tuple[object, ...]
) -> list[Key]:
    ids = [id_ for id_, _ in keys]
    bounds = *_bounds(ids), *_bounds(sent for _, sent in keys)
    return _keys(await db.rows("matching_attempts", organization, ids, *bounds, *values))


async def _matching_deliveries(
    db: Session,
    organization: str,
    keys: Sequence[Key],
    values: tuple[object, ...] = _ALL,
) -> list[Delivery]:
    if not keys:
        return []
    ids = [id_ for id_, _ in keys]
    webhooks = [webhook for _, webhook in keys]
    rows = await db.rows("matching_deliveries", organization, ids, webhooks, *_bounds(ids), *values)
    return [
        Delivery(**row, organization=organization, event_id=event_of(row["id"])) for row in rows
    ]


# --- rows -----------------------------------------------------------------------------------------


def _keys(rows: Iterable[Row]) -> list[Key]:
    return [(one, other) for one, other in rows]


def _bounds(ids: Iterable[str]) -> tuple[str, str]:
    """First and last: what lies in no partition between them is not looked for there."""
    ordered = sorted(ids)
    return ordered[0], ordered[-1]


def _logged(row: Row) -> LoggedAttempt:
    values = dict(row)
    timings = {name: values.pop(name) for name in _TIMINGS}
    return LoggedAttempt(timings=Timings(**timings), **values)


def _storable(text: str | None) -> str | None:
    return None if text is None else storable(text)
