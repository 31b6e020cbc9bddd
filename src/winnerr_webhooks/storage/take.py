"""What of the due work a claim takes: pure."""

from collections.abc import Iterable, Mapping
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


def take(
    due: Iterable[Waiting], sizes: Mapping[str, int], room: dict[str, int], claim: Claim
) -> Taken:
    """What fits: into each lane's room, the claim's limit, its bytes, and each organization's.

    `due` in the order of their times; `sizes` of the bodies by event; `room` is used up.
    """
    taken = Taken([], [], set())
    size = 0
    shares = dict(claim.shares)
    for row in due:
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
