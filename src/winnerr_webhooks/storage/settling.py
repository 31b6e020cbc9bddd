"""What follows from settled attempts once they are in the log, on either database.

Nearly every batch is nothing but successes, each under its current lease. Each adapter has a
statement of its own for these (`sqlite_settle`, `postgres_settle`); all others come here.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import astuple

from winnerr_webhooks.domain.alerts import OPERATOR
from winnerr_webhooks.domain.delivery import FAILED
from winnerr_webhooks.domain.webhook import DISABLED
from winnerr_webhooks.storage import alert_queries
from winnerr_webhooks.storage.claim_selection import given_up
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.delivery_rows import PendingRow, SettledRow
from winnerr_webhooks.storage.failure_streak import (
    Bucket,
    FailureRules,
    FailureStreak,
    count_failures,
    count_health,
    to_disable,
)
from winnerr_webhooks.storage.job_reports import (
    JobCounts,
    add_counts,
    count_late,
    count_settled,
)
from winnerr_webhooks.storage.ordering import wake_next
from winnerr_webhooks.storage.road_values import Settled, Settlement
from winnerr_webhooks.storage.transitions import DeliveryRows, transition

Key = tuple[str, str]
"""(webhook id, delivery id) of a pending delivery, (organization, delivery id) of a settled one."""


def lock_order(item: Settlement) -> Key:
    """Return the key of its pending row. All who lock such rows lock them in this order."""
    return item.delivery.webhook_id, item.delivery.id


async def settle_logged(
    db: Session,
    batch: Sequence[Settlement],
    *,
    rules: FailureRules,
    now: int,
    node: str = "",
    delivered: Sequence[Settlement] = (),
) -> Settled:
    """Move the deliveries of attempts that were just logged, with health figures and streaks.

    `delivered` are those of the batch whose deliveries were moved already. `node` is whose health
    figures these are, where several nodes write them.
    """
    health: dict[Bucket, list[int]] = {}
    uncounted = set()
    for item in delivered:
        if item.delivery.trigger == "test":
            uncounted.add(item.delivery.id)
        else:
            count_health(health, item, exhausted=False)
    done = {item.record.id for item in delivered}
    rest = [item for item in batch if item.record.id not in done]
    await _lock_turns(db, rest)
    pending = await read_pending(db, sorted(set(map(lock_order, rest))))
    in_order = [row for row in pending.values() if row.order_key is not None]
    streaks = await _read_streaks(db, {item.delivery.webhook_id for item in batch})
    found = await _find_rows(db, rest, pending, streaks)
    jobs = JobCounts()
    failed: Counter[str] = Counter()
    for item in rest:
        rows = found[item.delivery.id]
        before = rows.status
        exhausted = transition(rows, item, now)
        _count_job(jobs, rows, item, before, streaks)
        if rows.test or item.by_listener:
            uncounted.add(item.delivery.id)
        else:
            count_health(health, item, exhausted=exhausted)
            failed[item.delivery.webhook_id] += exhausted
    is_due = await _write_rows(db, found, now)
    is_due |= await wake_next(db, in_order, now)
    await _hold_turns(db, batch, now)
    await _put_health(db, health, node)
    disabled = await _count_failures(db, batch, streaks, uncounted, rules=rules, now=now)
    if rules.raises_alerts:
        await _note_alerts(db, failed, disabled, streaks, now)
    await add_counts(db, jobs, node)
    return Settled(disabled=disabled, is_due=is_due)


def _count_job(
    jobs: JobCounts,
    rows: DeliveryRows,
    item: Settlement,
    before: str,
    streaks: Mapping[str, FailureStreak],
) -> None:
    """Count a delivery for its report, if it has one and this attempt has ended it."""
    if rows.job is None:  # no row was pending: it was counted when that was removed
        if item.delivery.job:
            count_late(jobs, item.delivery.job, before, rows.status)
    elif rows.job and (rows.pending is None or rows.pending.finished):
        count_settled(jobs, rows.job, rows.status, streaks[rows.webhook_id].status)
        rows.job = None


async def _find_rows(
    db: Session,
    batch: Sequence[Settlement],
    pending: Mapping[str, PendingRow],
    streaks: Mapping[str, FailureStreak],
) -> dict[str, DeliveryRows]:
    """Return each delivery's rows; read `delivery` only where `pending` is not enough."""
    deliveries = {item.delivery.id: item.delivery for item in batch}
    settled = await read_settled(
        db,
        [
            (one.organization, one.id)
            for one in deliveries.values()
            if one.id not in pending or pending[one.id].finished
        ],
    )
    found = {}
    for one in deliveries.values():
        row, outcome = pending.get(one.id), settled.get(one.id)
        streak = streaks.get(one.webhook_id)
        known = row or outcome
        found[one.id] = DeliveryRows(
            webhook_id=one.webhook_id,
            pending=row,
            settled=outcome,
            test=one.trigger == "test" or (known is not None and bool(known.test)),
            stopped=row is not None and streak is not None and row.stopped(streak.epoch),
            job=None if row is None else row.job,
        )
    return found


async def _write_rows(db: Session, found: Mapping[str, DeliveryRows], now: int) -> bool:
    """Write the rows as they are now; return whether a replay among them is due at once."""
    kept = [rows.pending for rows in found.values() if rows.pending is not None]
    gone = [(rows.webhook_id, id_) for id_, rows in found.items() if rows.pending is None]
    lanes: dict[str, int] = {}
    for row in kept:
        if row.lease_until is None:
            lanes[row.webhook_id] = min(row.due_at, lanes.get(row.webhook_id, row.due_at))
    await put_settled(db, [rows.settled for rows in found.values() if rows.settled is not None])
    await drop_pending(db, gone)
    await put_pending(db, kept)
    await db.lower_lanes(lanes)
    return any(row.replay and row.lease_until is None and row.due_at <= now for row in kept)


async def _lock_turns(db: Session, batch: Sequence[Settlement]) -> None:
    """Lock the turns of webhooks with an order, before any of their rows: see `ordering`."""
    webhooks = {
        item.delivery.webhook_id
        for item in batch
        if item.delivery.order_key is not None or item.delivery.trigger == "replay"
    }
    if webhooks:
        await db.execute("lock_turns", webhooks=sorted(webhooks))


async def _hold_turns(db: Session, batch: Sequence[Settlement], now: int) -> None:
    """Let the webhooks with a rate limit whose receivers asked for a pause wait, on all nodes."""
    held: dict[str, float] = {}
    for item in batch:
        if item.verdict.hold_lane:
            until = now + item.verdict.hold_lane * 1000
            held[item.delivery.webhook_id] = max(until, held.get(item.delivery.webhook_id, 0))
    await db.execute_many("hold_turns", sorted(held.items()))


async def _count_failures(
    db: Session,
    batch: Sequence[Settlement],
    streaks: Mapping[str, FailureStreak],
    uncounted: Collection[str],
    *,
    rules: FailureRules,
    now: int,
) -> tuple[str, ...]:
    """Count streaks of failures; return the webhooks that this disables, or that a 410 does."""
    changed, reasons = count_failures(batch, streaks, uncounted, now)
    failing = [one for one in changed if one.failing_since is not None]
    await db.execute_many(
        "put_streaks", [(one.webhook_id, one.failing_since, one.failures) for one in failing]
    )
    if len(failing) < len(changed):
        over = [one.webhook_id for one in changed if one.failing_since is None]
        await db.execute("end_streaks", webhooks=over)
    reasons_by_id = to_disable(changed, reasons, rules, now)
    if not reasons_by_id:
        return ()
    # All are locked before the first of them takes the change mark.
    rows = await db.fetch("lock_active_webhooks", webhooks=list(reasons_by_id))
    disabled = tuple(row[0] for row in rows)
    for webhook_id in disabled:
        await leave_active(db, webhook_id, DISABLED, reasons_by_id[webhook_id], now)
    return disabled


async def _note_alerts(
    db: Session,
    failed: Mapping[str, int],
    disabled: Sequence[str],
    streaks: Mapping[str, FailureStreak],
    now: int,
) -> None:
    """Note failed deliveries and disabled webhooks for `raise_alerts`, except the operator's."""
    customers = {id_ for id_, streak in streaks.items() if streak.organization != OPERATOR}
    await alert_queries.note_failures(
        db,
        {id_: count for id_, count in failed.items() if count and id_ in customers},
        [id_ for id_ in disabled if id_ in customers],
        now,
    )


async def leave_active(
    db: Session, webhook_id: str, status: str, reason: str | None, now: int
) -> None:
    """Pause or disable a webhook that is locked and active; what is pending is cancelled."""
    await db.execute("leave_active", webhook=webhook_id, status=status, reason=reason, now=now)
    await db.execute("add_cancel_job", webhook=webhook_id)


async def _read_streaks(db: Session, webhook_ids: Iterable[str]) -> dict[str, FailureStreak]:
    """Return webhooks by id, with their streaks of failures, which are locked."""
    asked = sorted(webhook_ids)
    await db.execute("lock_streaks", webhooks=asked)
    rows = await db.fetch("streaks_of", webhooks=asked)
    return {row[0]: FailureStreak(*row) for row in rows}


async def give_up(db: Session, rows: Sequence[PendingRow], now: int) -> None:
    """End deliveries that were leased too often without a settled attempt."""
    jobs = JobCounts((row.job, FAILED) for row in rows if row.job and not row.finished)
    finished = [(row.organization, row.delivery_id) for row in rows if row.finished]
    await put_settled(db, given_up(rows, await read_settled(db, finished), now))
    await drop_pending(db, [(row.webhook_id, row.delivery_id) for row in rows])
    await add_counts(db, jobs)


# --- rows -----------------------------------------------------------------------------------------


async def read_pending(db: Session, keys: Sequence[Key]) -> dict[str, PendingRow]:
    """Return pending rows by delivery id, locked; `keys` are sorted (`lock_order`)."""
    rows = await db.fetch_many("lock_pending", PendingRow, keys)
    return {row.delivery_id: row for row in rows}


async def read_settled(db: Session, keys: Sequence[Key]) -> dict[str, SettledRow]:
    """Return outcomes by delivery id."""
    if not keys:
        return {}
    ids = [id_ for _, id_ in keys]
    rows = await db.fetch_many("deliveries_of", SettledRow, keys, first=min(ids), last=max(ids))
    return {row.id: row for row in rows}


async def put_pending(db: Session, rows: Sequence[PendingRow]) -> None:
    """Write back pending rows that were locked."""
    await db.execute_many("put_pending", [astuple(row) for row in rows])


async def drop_pending(db: Session, keys: Sequence[Key]) -> None:
    """Delete pending rows that were locked."""
    await db.execute_many("drop_pending", keys)


async def put_settled(db: Session, rows: Sequence[SettledRow]) -> None:
    """Insert or replace outcomes."""
    await db.execute_many("put_deliveries", [astuple(row) for row in rows])


async def _put_health(db: Session, health: Mapping[Bucket, list[int]], node: str) -> None:
    """Add to health figures: (succeeded, failed, exhausted) by bucket."""
    counts = [(*bucket, *health[bucket]) for bucket in sorted(health)]
    await db.execute_many("put_health", counts, node=node)
