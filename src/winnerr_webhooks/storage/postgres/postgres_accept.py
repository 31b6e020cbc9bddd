"""Accept on PostgreSQL: events and their deliveries, fanned out inside one statement."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.domain.event_pattern import CACHED_NAMES, patterns_matching
from winnerr_webhooks.storage.accepting import AcceptTerms, first_lease, repeated
from winnerr_webhooks.storage.postgres.known_filters import KnownFilters
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession, Row, columns
from winnerr_webhooks.storage.retention import REMEMBERED_MS
from winnerr_webhooks.storage.road_values import LeaseTerms

MOST_JUDGEMENTS: Final = 5
"""How often a batch is judged if filters change between the judgement and the statement."""


class AcceptedBatch(NamedTuple):
    """The answers to a batch, and what has to follow."""

    answers: list[Accepted]
    free: set[str]
    """Webhooks with free deliveries: their lanes are due."""


class Batch:
    """Events, each client id once: a repeat within a batch is answered like any other."""

    def __init__(self, events: Sequence[NewEvent]) -> None:
        self.events = events
        first: dict[tuple[str, str], NewEvent] = {}
        self.asked: list[NewEvent] = []
        for event in events:
            if event.client_id is not None:
                key = (event.organization, event.client_id)
                if first.setdefault(key, event) is not event:
                    continue
            self.asked.append(event)

    @property
    def has_client_ids(self) -> bool:
        """Whether the answers depend on what was accepted before."""
        return any(event.client_id is not None for event in self.asked)


async def accept(
    db: PostgresSession, batch: Batch, terms: AcceptTerms, now: int, filters: KnownFilters
) -> AcceptedBatch:
    """Store what is new of a batch; see `Road.accept`. One statement without client ids.

    If webhooks have filters that this node does not know, or other ones by now, that statement
    writes nothing and says which, and a second one follows.
    """
    asked = batch.asked
    events = columns([_row(event) for event in asked])
    full = _full(asked, terms.lease)
    filters.forget_oldest()
    for _ in range(MOST_JUDGEMENTS):
        rows = await db.fetch(
            "accept_free" if terms.lease is None else "accept",
            *events,
            now,
            terms.lease_until,
            full,
            now - REMEMBERED_MS,
            *filters.judge(asked),
        )
        if not (unjudged := [row for row in rows if row[0] < 0]):
            break
        filters.learn(
            (
                asked[-row[0] - 1].organization,
                *(row[3] if terms.lease is None else (row[2], row[1])),
            )
            for row in unjudged
        )
    else:
        raise Unavailable("Filters of webhooks change at this moment. Try again.")
    if terms.lease is None:
        fresh, free = _free_answers(asked, rows)
    else:
        fresh = _leased_answers(asked, rows, terms)
        free = {row[2] for row in rows if row[5] and not row[4]}
    return await _stored(db, batch, fresh, free)


def _full(events: Sequence[NewEvent], lease: LeaseTerms | None) -> list[str]:
    """Return the webhooks without room that these events may be for.

    No other organization's: thousands of ids would cost every event several milliseconds.
    """
    if lease is None or not lease.full:
        return []
    organizations = {event.organization for event in events}
    return [one for name in organizations for one in lease.full.get(name, ())]


def _row(event: NewEvent) -> tuple[object, ...]:
    patterns = _patterns(event.name)
    return (
        event.id,
        event.organization,
        event.name,
        patterns,
        event.client_id,
        event.fingerprint,
        event.body,
    )


@lru_cache(CACHED_NAMES)
def _patterns(name: str) -> str:
    """Return what the statements call `patterns`."""
    return " ".join(patterns_matching(name))


async def _stored(
    db: PostgresSession, batch: Batch, fresh: dict[str, Accepted], free: set[str]
) -> AcceptedBatch:
    repeated = [event for event in batch.events if event.id not in fresh]
    firsts = await _first_answers(db, repeated) if repeated else {}
    return AcceptedBatch([fresh.get(event.id) or firsts[event.id] for event in batch.events], free)


def _free_answers(
    asked: Sequence[NewEvent], rows: Sequence[Row]
) -> tuple[dict[str, Accepted], set[str]]:
    """Return the answers to new events, one for each row, and the webhooks in the last row."""
    fresh = {}
    free: set[str] = set()
    for ordinal, active, cancelled, webhooks in rows:
        if not ordinal:
            free.update(webhooks or ())
            continue
        id_ = asked[ordinal - 1].id
        fresh[id_] = Accepted(id=id_, deliveries=active, rows=1 + active + cancelled)
    return fresh, free


def _leased_answers(
    asked: Sequence[NewEvent], rows: Sequence[Row], terms: AcceptTerms
) -> dict[str, Accepted]:
    """Return the answers to new events. There is a row for each event and for each delivery."""
    counts: dict[str, int] = {}
    stored: dict[str, int] = {}
    leased: dict[str, list[LeasedDelivery]] = {}
    to_claim: set[str] = set()
    for ordinal, id_, webhook_id, version, is_leased, active in rows:
        event = asked[ordinal - 1]
        counts[event.id] = counts.get(event.id, 0) + active
        stored[event.id] = stored.get(event.id, 0) + 1
        if is_leased and active:
            leased.setdefault(event.id, []).append(
                first_lease(event, id_, webhook_id, version=version, expires=terms.expires)
            )
        elif active and terms.leases(event.organization, webhook_id):
            to_claim.add(event.id)  # the webhook has a rate limit or an order
    return {
        event_id: Accepted(
            id=event_id,
            deliveries=count,
            leased=tuple(leased.get(event_id, ())),
            rows=stored[event_id],
            to_claim=event_id in to_claim,
        )
        for event_id, count in counts.items()
    }


async def _first_answers(db: PostgresSession, repeating: Sequence[NewEvent]) -> dict[str, Accepted]:
    """Return the first answers to client ids, by the id of the event that repeats them."""
    rows = await db.fetch(
        "first_answers", *columns([(event.organization, event.client_id) for event in repeating])
    )
    answers = {}
    for ordinal, *first in rows:
        event = repeating[ordinal - 1]
        answers[event.id] = repeated(event, *first)
    if len(answers) < len(repeating):  # one was removed between the two statements, after 30 days
        raise Unavailable("An id expired at this moment. Try again.")
    return answers


async def find_committed(
    db: PostgresSession, batch: Batch, terms: AcceptTerms
) -> AcceptedBatch | None:
    """Return the answers to a batch whose commit was lost, or None if it is not on disk.

    A batch is one transaction, so one of its events proves that it is there. A commit whose wait
    for a standby was ended is visible before it is safe. So this transaction writes, and its own
    commit waits for what the lost one waited for.
    """
    ids = [event.id for event in batch.asked]
    found = {row[0] for row in await db.fetch("accepted_since", ids, min(ids), max(ids))}
    if not found:
        return None
    await db.fetch_value("write_to_the_log")
    mine = [event for event in batch.asked if event.id in found]
    rows = await db.fetch(
        "deliveries_of_events",
        *columns([(event.organization, f"dlv_{event.id[4:]}") for event in mine]),
    )

    def leases(ordinal: int, webhook_id: str) -> bool:
        return terms.leases(mine[ordinal - 1].organization, webhook_id)

    born = [
        # A row that was free may be leased by now, to another node.
        (ordinal, id_, webhook, version, lease == 1 and leases(ordinal, webhook), 1)
        for ordinal, id_, webhook, version, lease in rows
    ]
    events = [(ordinal, None, None, None, False, 0) for ordinal in range(1, len(mine) + 1)]
    free = {row[2] for row in born if not row[4]}
    return await _stored(db, batch, _leased_answers(mine, born + events, terms), free)


async def fan_out(db: PostgresSession, pairs: Sequence[tuple[str, str]]) -> list[int]:
    """Return how many webhooks want the events of each pair; see `Road.fan_out`."""
    if not pairs:
        return []
    asked = [(organization, _patterns(name)) for organization, name in pairs]
    rows = await db.fetch("fan_out", *columns(asked))
    counts = [0] * len(pairs)
    for ordinal, count in rows:
        counts[ordinal - 1] = count
    return counts
