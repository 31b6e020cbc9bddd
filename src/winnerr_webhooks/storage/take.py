"""What of the due work a claim takes: pure.

A claim is shared among the lanes that are due, so that one with an old backlog does not keep the
retries and replays of the others waiting until it has drained. Each lane has an equal portion at
first; what the others leave of theirs is dealt out once more.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter, itemgetter
from typing import NamedTuple

from winnerr_webhooks.domain.delivery import FAILED, MAX_IDLE_LEASES
from winnerr_webhooks.domain.event import LeasedDelivery
from winnerr_webhooks.storage.rows import Past, Waiting, outcome_of
from winnerr_webhooks.storage.values import Claim


class Taken(NamedTuple):
    """Due rows, sorted out."""

    rows: list[Waiting]
    worn_out: list[Waiting]
    """Their last lease saw no attempt settled either."""
    backlogged: set[str]
    """Webhooks of which more is due than fits."""


def first_portion(rooms: Collection[int], limit: int) -> int:
    """How many deliveries of each due lane are looked at first; in all it may be a few too many."""
    return min(limit, max(rooms), -(-limit // len(rooms)))


def portions_of(
    due: Iterable[Waiting], room: Mapping[str, int], first: int, limit: int
) -> dict[str, int]:
    """What each lane may have, once its first portion was looked at.

    Where more is due, and has room, that is a part of what the others leave, too; again it may be
    a few too many in all.
    """
    found: Counter[str] = Counter()
    worn_out: Counter[str] = Counter()
    for row in due:
        found[row.webhook_id] += 1
        worn_out[row.webhook_id] += row.idle_leases >= MAX_IDLE_LEASES
    portions = {id_: min(places, first) for id_, places in room.items()}
    left = limit - sum(min(found[id_] - worn_out[id_], portions[id_]) for id_ in found)
    more = [id_ for id_, count in found.items() if count > first and room[id_] > first]
    if more and left > 0:
        second = first - (-left // len(more))
        portions |= {id_: min(room[id_], second) for id_ in more}
    return portions


def in_turn(due: Iterable[Waiting]) -> list[Waiting]:
    """The first of every lane, then the second of every lane and so on; each by their times."""
    seen: Counter[str] = Counter()
    ranked = []
    for row in sorted(due, key=attrgetter("due_at")):
        ranked.append((seen[row.webhook_id], row))
        seen[row.webhook_id] += 1
    ranked.sort(key=itemgetter(0))
    return [row for _, row in ranked]


def take(
    due: Iterable[Waiting], sizes: Mapping[str, int], room: dict[str, int], claim: Claim
) -> Taken:
    """What fits: into each lane's room, the claim's limit, its bytes, and each organization's.

    `sizes` of the bodies by event; `room` is used up.
    """
    taken = Taken([], [], set())
    size = 0
    shares = dict(claim.shares)
    for row in in_turn(due):
        if row.idle_leases >= MAX_IDLE_LEASES:
            taken.worn_out.append(row)
            continue
        share = shares.get(row.organization, claim.share)
        full = len(taken.rows) >= claim.limit or size >= claim.max_bytes or share <= 0
        if full or not room[row.webhook_id]:
            taken.backlogged.add(row.webhook_id)
            continue
        room[row.webhook_id] -= 1
        size += sizes[row.event_id]
        shares[row.organization] = share - sizes[row.event_id]
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
