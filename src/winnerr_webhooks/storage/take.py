"""What of the due work a claim takes: pure.

Lanes take turns, so that one with an old backlog leaves the others their part of what bounds the
whole claim.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import attrgetter, itemgetter
from typing import NamedTuple

from winnerr_webhooks.domain.delivery import FAILED, MAX_IDLE_LEASES, LeasedDelivery
from winnerr_webhooks.storage.rows import Past, Waiting, outcome_of
from winnerr_webhooks.storage.values import Claim


class Taken(NamedTuple):
    """Due rows, sorted out."""

    rows: list[Waiting]
    worn_out: list[Waiting]
    """Their last lease saw no attempt settled either."""
    backlogged: set[str]
    """Webhooks of which more is due than fits."""


def in_turn(due: Iterable[Waiting]) -> list[Waiting]:
    """The first of every lane, then the second of every lane and so on; each by their times."""
    seen: Counter[str] = Counter()
    ranked = []
    for row in sorted(due, key=attrgetter("due_at")):
        ranked.append((seen[row.webhook_id], row))
        seen[row.webhook_id] += 1
    ranked.sort(key=itemgetter(0))
    return [row for _, row in ranked]


def take(due: Iterable[Waiting], sizes: Mapping[str, int], claim: Claim) -> Taken:
    """What fits: into each lane's places, the claim's bytes, and each organization's.

    `sizes` of the bodies by event.
    """
    taken = Taken([], [], set())
    places = dict(claim.places)
    bytes_left = dict(claim.bytes_left)
    size = 0
    for row in in_turn(due):
        if row.idle_leases >= MAX_IDLE_LEASES:
            taken.worn_out.append(row)
            continue
        left = bytes_left.get(row.organization, claim.max_bytes)
        if size >= claim.max_bytes or left <= 0 or places[row.webhook_id] <= 0:
            taken.backlogged.add(row.webhook_id)
            continue
        places[row.webhook_id] -= 1
        size += sizes[row.event_id]
        bytes_left[row.organization] = left - sizes[row.event_id]
        taken.rows.append(row)
    return taken


def given_up(rows: Iterable[Waiting], known: Mapping[str, Past], now: int) -> list[Past]:
    """The outcomes of deliveries that were leased too often for nothing.

    One that had an outcome (`known`, by delivery id) keeps it, but for the lease: there its next
    replay goes on counting, so that no lease is handed out twice.
    """
    outcomes = []
    for row in rows:
        past = known.get(row.delivery_id) if row.finished else outcome_of(row, FAILED, now)
        if past is not None:  # else retention has forgotten it
            past.lease = row.lease
            outcomes.append(past)
    return outcomes


def leased(row: Waiting, body: bytes, version: int, expires: float) -> LeasedDelivery:
    """A row that was just taken, as its node gets it."""
    return LeasedDelivery(
        id=row.delivery_id,
        event_id=row.event_id,
        event=row.event,
        organization=row.organization,
        webhook_id=row.webhook_id,
        webhook_version=version,
        body=body,
        trigger="replay" if row.replay else "test" if row.test else "automatic",
        test=bool(row.test),
        attempt=row.attempts + 1,
        retries_used=row.retries_used,
        lease=row.lease,
        replay=row.replay,
        expires=expires,
    )
