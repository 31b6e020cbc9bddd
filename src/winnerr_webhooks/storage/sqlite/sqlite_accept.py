"""Accept on SQLite: events and their deliveries, fanned out inside the transaction."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from winnerr_webhooks.domain.delivery import CANCELLED, LeasedDelivery
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.domain.event_filter import Judge, judge_of, parse_payload
from winnerr_webhooks.domain.event_order import order_key
from winnerr_webhooks.domain.event_pattern import CACHED_NAMES, patterns_matching
from winnerr_webhooks.domain.webhook import ACTIVE, DELETED
from winnerr_webhooks.ids import delivery_id
from winnerr_webhooks.storage.accepting import AcceptTerms, first_lease, repeated
from winnerr_webhooks.storage.retention import REMEMBERED_MS
from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection
from winnerr_webhooks.storage.sqlite.sqlite_rows import lower_lanes


class _Match(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A webhook that wants the events of one pair (organization, name)."""

    pair: int
    webhook_id: str
    number: int
    status: str
    version: int
    epoch: int
    filter: str | None
    rate_limit: float | None
    order_by: str | None


class _Count(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """How many webhooks want the events of one pair (organization, name)."""

    pair: int
    active: int
    all: int
    """Active, paused and disabled ones."""
    by_payload: int
    """Whether the payload matters for any of them: it has a filter or an order."""


_MATCHES = msgspec.json.Decoder(list[_Match])
_COUNTS = msgspec.json.Decoder(list[_Count])
_FIRSTS = msgspec.json.Decoder(list[tuple[int, str, str, int]])


class _NewRows:
    """The rows that a batch inserts, and how its deliveries are leased."""

    def __init__(self, terms: AcceptTerms, now: int) -> None:
        self._terms = terms
        self._now = now
        self.events: list[tuple[object, ...]] = []
        self.pending: list[tuple[object, ...]] = []
        self.ordered: list[tuple[object, ...]] = []
        self.cancelled: list[tuple[object, ...]] = []
        self.lanes: dict[str, int] = {}

    def event(self, event: NewEvent) -> None:
        self.events.append(
            (event.id, event.organization, event.name, event.client_id, self._now, event.body)
        )

    def delivery(self, event: NewEvent, to: _Match) -> LeasedDelivery | None:
        """Add a pending delivery. Return it if it is leased to the caller, None if it is free."""
        made = delivery_id(event.id, to.number)
        if to.order_by is not None:
            row = (to.webhook_id, made, event.organization, event.name, to.epoch)
            self.ordered.append((*row, order_key(event.body, to.order_by)))
            self.lanes[to.webhook_id] = self._now
            return None
        leased = to.rate_limit is None and self._terms.leases(event.organization, to.webhook_id)
        self.pending.append(
            (to.webhook_id, made, event.organization, event.name, to.epoch, int(leased))
        )
        if not leased:
            self.lanes[to.webhook_id] = self._now
            return None
        return first_lease(
            event, made, to.webhook_id, version=to.version, expires=self._terms.expires
        )

    def cancel(self, event: NewEvent, to: _Match) -> None:
        """Add a cancelled delivery for a webhook that is not active: it can be replayed later.

        The columns are those of `SettledRow`. A tuple is cheaper: this runs once for each row.
        """
        made = delivery_id(event.id, to.number)
        self.cancelled.append(
            (
                event.organization,
                made,
                to.webhook_id,
                event.name,
                CANCELLED,
                0,  # test
                0,  # attempts
                0,  # lease
                self._now,  # accepted_at
                self._now,  # settled_at
            )
        )

    def write(self, db: Connection) -> None:
        db.write_rows("put_events", self.events)
        db.write_rows(
            "insert_pending", self.pending, now=self._now, lease_until=self._terms.lease_until
        )
        db.write_rows("insert_ordered", self.ordered, now=self._now)
        db.write_rows("put_deliveries", self.cancelled)
        lower_lanes(db, self.lanes)


def accept(
    db: Connection, events: Sequence[NewEvent], terms: AcceptTerms, now: int
) -> list[Accepted]:
    """Store what is new of a batch; see `Road.accept`."""
    rows = _NewRows(terms, now)
    if terms.lease is None:
        counts = _counts(db, _pairs(events))
        if not any(count.by_payload for count in counts.values()):
            return _accept_free(db, events, rows, counts, now)
    wanted = _webhooks_wanting(db, events)

    def store(event: NewEvent) -> Accepted:
        rows.event(event)
        leased = []
        count = 0
        waits = False
        webhooks = _passing(event, wanted[event.organization, event.name])
        for webhook in webhooks:
            if webhook.status == ACTIVE:
                count += 1
                delivery = rows.delivery(event, webhook)
                if delivery is not None:
                    leased.append(delivery)
                elif terms.leases(event.organization, webhook.webhook_id):
                    waits = True  # the webhook has a rate limit or an order
            else:
                rows.cancel(event, webhook)
        return Accepted(
            id=event.id,
            deliveries=count,
            leased=tuple(leased),
            rows=1 + len(webhooks),
            to_claim=waits,
        )

    answers = _each_once(db, events, store, now)
    rows.write(db)
    return answers


def _accept_free(
    db: Connection,
    events: Sequence[NewEvent],
    rows: _NewRows,
    counts: Mapping[tuple[str, str], _Count],
    now: int,
) -> list[Accepted]:
    """Store what is new of a batch whose deliveries are all free: SQLite itself fans them out.

    None of the webhooks that want these events has a filter or an order: Python judges by payload.
    """
    new: list[NewEvent] = []

    def store(event: NewEvent) -> Accepted:
        new.append(event)
        rows.event(event)
        wanted = counts[event.organization, event.name]
        return Accepted(id=event.id, deliveries=wanted.active, rows=1 + wanted.all)

    answers = _each_once(db, events, store, now)
    rows.write(db)
    _insert_free(db, new, counts, now)
    return answers


def _insert_free(
    db: Connection, events: Sequence[NewEvent], counts: Mapping[tuple[str, str], _Count], now: int
) -> None:
    active, idle = [], []
    pairs: dict[tuple[str, str], None] = {}
    for event in events:
        pair = (event.organization, event.name)
        wanted = counts[pair]
        row = (event.id, *pair, _patterns(event.name))
        if wanted.active:
            active.append(row)
            pairs[pair] = None
        if wanted.all > wanted.active:
            idle.append(row)
    db.write_rows("insert_free", active, now=now)
    db.write_rows("insert_cancelled", idle, now=now)
    lanes = [(organization, _patterns(name)) for organization, name in pairs]
    db.write_rows("wake_lanes", lanes, now=now)


def _each_once(
    db: Connection, events: Sequence[NewEvent], store: Callable[[NewEvent], Accepted], now: int
) -> list[Accepted]:
    """Return the answers to a batch, which stores each client id once.

    `store` adds the rows of a new event, and returns its answer.
    """
    firsts = _accepted_before(db, events, now)
    remembered = []
    answers = []
    for event in events:
        key = (event.organization, event.client_id)
        if event.client_id is not None and key in firsts:
            answers.append(repeated(event, *firsts[key]))
            continue
        accepted = store(event)
        answers.append(accepted)
        if event.client_id is not None:
            firsts[key] = (event.fingerprint, event.id, accepted.deliveries)
            remembered.append((*key, event.fingerprint, event.id, accepted.deliveries, now))
    db.write_rows("remember_accepted", remembered)
    return answers


def fan_out(db: Connection, pairs: Sequence[tuple[str, str]]) -> list[int]:
    """Return how many webhooks want the events of each pair; see `Road.fan_out`."""
    counts = _counts(db, pairs)
    return [counts[pair].all for pair in pairs]


def _accepted_before(
    db: Connection, events: Sequence[NewEvent], now: int
) -> dict[tuple[str, str | None], tuple[bytes, str, int]]:
    """Return the first answers to known client ids, as (fingerprint, event id, count)."""
    asked = [
        (index, event.organization, event.client_id, now - REMEMBERED_MS)
        for index, event in enumerate(events)
        if event.client_id is not None
    ]
    return {
        (events[index].organization, events[index].client_id): (bytes.fromhex(print_), first, count)
        for index, print_, first, count in db.read_rows("find_accepted", asked, _FIRSTS)
    }


def _passing(event: NewEvent, wanted: Sequence[tuple[_Match, Judge | None]]) -> list[_Match]:
    """Return the webhooks whose filters an event matches, and those without one.

    The payload is parsed only if there is a filter.
    """
    payload = None
    found = []
    for webhook, judge in wanted:
        if judge is not None:
            if payload is None:
                payload = parse_payload(event.body)
            if not judge(payload):
                continue
        found.append(webhook)
    return found


def _webhooks_wanting(
    db: Connection, events: Sequence[NewEvent]
) -> dict[tuple[str, str], list[tuple[_Match, Judge | None]]]:
    """Return the webhooks that want each pair, once even if several subscriptions match.

    Beside each is the judge of its filter, if it has one.
    """
    pairs = _pairs(events)
    wanted: list[dict[str, _Match]] = [{} for _ in pairs]
    for match in db.read_rows("fan_out", list(_numbered(pairs)), _MATCHES):
        if match.status != DELETED:
            wanted[match.pair][match.webhook_id] = match
    return {
        pair: [(one, judge_of(one.filter) if one.filter else None) for one in found.values()]
        for pair, found in zip(pairs, wanted, strict=True)
    }


def _counts(db: Connection, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], _Count]:
    counted = db.read_rows("count_wanted", list(_numbered(pairs)), _COUNTS)
    return {pairs[count.pair]: count for count in counted}


def _pairs(events: Sequence[NewEvent]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((event.organization, event.name) for event in events))


def _numbered(pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[int, str, str]]:
    for index, (organization, name) in enumerate(pairs):
        yield index, organization, _patterns(name)


@lru_cache(CACHED_NAMES)
def _patterns(name: str) -> str:
    """Return what the statements call `patterns`."""
    return json.dumps(patterns_matching(name))
