"""Which of the due rows a claim leases. Pure.

Lanes take turns, so that a lane with an old backlog does not use up the claim's limits alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import NamedTuple

from winnerr_webhooks.domain.delivery import FAILED, MAX_IDLE_LEASES, LeasedDelivery
from winnerr_webhooks.storage.delivery_rows import TEST_EPOCH, PendingRow, SettledRow, ended
from winnerr_webhooks.storage.road_values import Claim, Claimed


class Selection(NamedTuple):
    """What a claim does with the due rows."""

    rows: list[PendingRow]
    """To be leased."""
    worn_out: list[PendingRow]
    """To be given up: `MAX_IDLE_LEASES` leases in a row saw no settled attempt."""
    backlogged: set[str]
    """Webhooks that have more due deliveries than fit."""


def round_robin(due: Iterable[PendingRow]) -> list[PendingRow]:
    """Return the first row of every lane, then the second of every lane, and so on.

    The rows of a lane are in the order in which they are due, tests first: a person waits for them.
    """
    seen: Counter[str] = Counter()
    ranked = []
    for row in sorted(due, key=_order):
        ranked.append((seen[row.webhook_id], row))
        seen[row.webhook_id] += 1
    ranked.sort(key=itemgetter(0))
    return [row for _, row in ranked]


def _order(row: PendingRow) -> int:
    return 0 if row.epoch == TEST_EPOCH else row.due_at


def select(due: Iterable[PendingRow], sizes: Mapping[str, int], claim: Claim) -> Selection:
    """Select what fits into each lane's limit, the claim's bytes, and each organization's bytes.

    `sizes` are the lengths of the bodies, by event.
    """
    selected = Selection([], [], set())
    limits = dict(claim.limits)
    bytes_left = dict(claim.bytes_left)
    size = 0
    for row in round_robin(due):
        if row.idle_leases >= MAX_IDLE_LEASES:
            selected.worn_out.append(row)
            continue
        left = bytes_left.get(row.organization, claim.max_bytes)
        if size >= claim.max_bytes or left <= 0 or limits[row.webhook_id] <= 0:
            selected.backlogged.add(row.webhook_id)
            continue
        limits[row.webhook_id] -= 1
        size += sizes[row.event_id]
        bytes_left[row.organization] = left - sizes[row.event_id]
        selected.rows.append(row)
    return selected


def given_up(
    rows: Iterable[PendingRow], known: Mapping[str, SettledRow], now: int
) -> list[SettledRow]:
    """Return the outcomes of deliveries that were leased too often without a settled attempt.

    A delivery that has an outcome (`known`, by delivery id) keeps it. Only its lease number is
    raised: the next replay counts from it, so that no lease number is used twice.
    """
    outcomes = []
    for row in rows:
        settled = known.get(row.delivery_id) if row.finished else ended(row, FAILED, now)
        if settled is not None:  # None: retention has removed it
            settled.lease = row.lease
            outcomes.append(settled)
    return outcomes


def mark_leased(rows: Iterable[PendingRow], lease_until: int) -> None:
    """Enter a new lease into rows."""
    for row in rows:
        row.lease += 1
        row.idle_leases += 1
        row.lease_until = lease_until


def claimed(
    selected: Selection, bodies: Mapping[str, bytes], versions: Mapping[str, int], expires: float
) -> Claimed:
    """Return what was selected and leased, as its node gets it.

    `bodies` are by event, `versions` by webhook. A row whose event has no body is left out.
    """
    return Claimed(
        deliveries=[
            LeasedDelivery(
                id=row.delivery_id,
                event_id=row.event_id,
                event=row.event,
                organization=row.organization,
                webhook_id=row.webhook_id,
                webhook_version=versions[row.webhook_id],
                body=bodies[row.event_id],
                trigger="replay" if row.replay else "test" if row.test else "automatic",
                test=bool(row.test),
                attempt=row.attempts + 1,
                retries_used=row.retries_used,
                lease=row.lease,
                replay=row.replay,
                job=row.job,
                order_key=None if row.replay or row.test else row.order_key,
                expires=expires,
            )
            for row in selected.rows
            if row.event_id in bodies
        ],
        backlogged=frozenset(selected.backlogged),
    )
