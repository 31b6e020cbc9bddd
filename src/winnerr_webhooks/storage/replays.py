"""Replays of single deliveries. `jobs` replays many.

A replay waits in `pending`, like a retry.
"""

from winnerr_webhooks.domain.delivery import CANCELLED
from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import ACTIVE, DELETED, DISABLED, PAUSED
from winnerr_webhooks.ids import webhook_number
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.delivery_rows import PendingRow, SettledRow, ended
from winnerr_webhooks.storage.job_reports import JobCounts, add_counts
from winnerr_webhooks.storage.settling import (
    put_pending,
    put_settled,
    read_pending,
    read_settled,
)


async def replay(db: Session, organization: str, delivery_id: str, now: int) -> str:
    """Request one more attempt of a delivery, and return its webhook's id; see `Log.replay`.

    The pending row is locked first: an attempt that is being settled, or a claim, comes before or
    after as a whole. Only then is the outcome read.
    """
    webhook = await db.fetch_row(
        "webhook_numbered", organization=organization, number=webhook_number(delivery_id)
    )
    if webhook is None:
        raise no_delivery(delivery_id)
    webhook_id, status, epoch = webhook
    await db.execute("end_hold", webhook=webhook_id, now=now)  # locks before the pending row
    pending = (await read_pending(db, [(webhook_id, delivery_id)])).get(delivery_id)
    settled = (await read_settled(db, [(organization, delivery_id)])).get(delivery_id)
    if pending is None and settled is None:
        raise no_delivery(delivery_id)
    check_active(status)
    if pending is None:
        await db.execute(
            "enqueue_replay", epoch=epoch, now=now, organization=organization, delivery=delivery_id
        )
    else:
        counts = JobCounts()
        if pending.job and pending.stopped(epoch):
            counts[pending.job, PAUSED] = 1
        outcome = request_replay(pending, settled, epoch, now)
        await put_settled(db, [] if outcome is None else [outcome])
        await put_pending(db, [pending])
        await add_counts(db, counts)
    await db.lower_lanes({webhook_id: now})
    return str(webhook_id)


def request_replay(
    row: PendingRow, settled: SettledRow | None, epoch: int, now: int
) -> SettledRow | None:
    """Request a replay in a pending row, and return the outcome to store first, if there is one.

    `epoch` is the current epoch of its webhook. A leased row is replayed after its attempt.
    """
    outcome = None
    if row.stopped(epoch):  # cancelled by a pause that is over, but not yet by the pause's job
        if settled is None:
            outcome = ended(row, CANCELLED, now)
        row.finished, row.retry_at, row.job = 1, None, ""
        row.epoch, row.idle_leases = epoch, 0
    row.replay += 1
    if row.lease_until is None:
        row.due_at = now
    return outcome


def no_delivery(delivery_id: str) -> NotFound:
    """Return the error for a delivery that does not exist."""
    return NotFound(Text("There is no delivery {id}.", id=delivery_id))


def check_active(status: str) -> None:
    """Raise `Conflict`, which says what to do, unless a webhook of this status accepts replays."""
    if status == ACTIVE:
        return
    if status == DELETED:
        raise Conflict(Text("The webhook of this delivery was deleted, so it cannot be replayed."))
    if status == DISABLED:
        raise Conflict(Text("The webhook is disabled: set it active again, then replay."))
    raise Conflict(Text("The webhook is paused: set it active, then replay."))
