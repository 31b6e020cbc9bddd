"""Recovery: undelivered deliveries of a webhook get their whole retry schedule anew.

Each becomes `pending` again, as if its event had just been accepted. A job does this in slices
(`jobs`), and a report (`job_reports`) says what becomes of them.
"""

from typing import Final

from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.domain.event_pattern import patterns_matching
from winnerr_webhooks.domain.webhook import ACTIVE, NOT_ACTIVE, Webhook
from winnerr_webhooks.storage import job_reports
from winnerr_webhooks.storage.database_session import Session, decoded_list
from winnerr_webhooks.storage.job_reports import (
    FOUND,
    STOPPED,
    UNSUBSCRIBED,
    JobCounts,
    add_counts,
    reason_of,
)
from winnerr_webhooks.storage.job_selection import (
    SLICE,
    Job,
    before_id,
    count_matching,
    filter_values,
)
from winnerr_webhooks.storage.settling import read_pending
from winnerr_webhooks.storage.values import RecoveryPlan, ReplayFilter

MOST_EXAMINED: Final = 50_000
"""How many of an organization's deliveries a plan examines for those that arrived."""


async def plan(db: Session, query: ReplayFilter) -> RecoveryPlan:
    """Return what a recovery would do; see `Jobs.plan_recovery`."""
    count = await count_matching(db, query)
    examined, arrived = await db.fetch_row(
        "count_arrived", **filter_values(query), most=MOST_EXAMINED
    )
    return RecoveryPlan(count=count, arrived=arrived, arrived_is_partial=examined >= MOST_EXAMINED)


async def enqueue(
    db: Session,
    webhook: Webhook | None,
    query: ReplayFilter,
    report: str,
    *,
    planned: int,
    now: int,
) -> None:
    """Add the job and its report; see `Jobs.recover_since`. The webhook is locked.

    Jobs of one webhook run in order, so no delivery belongs to two recoveries at once.
    """
    if webhook is None:
        raise NotFound(f"There is no webhook {query.webhook}.")
    if webhook.status != ACTIVE:
        raise Conflict(NOT_ACTIVE[webhook.status])
    values = filter_values(query) | {
        "requested_at": max(now, webhook.updated_at),
        "report": report,
        "planned": planned,
    }
    await db.execute("add_report", **values)
    await db.execute("add_recover_job", **values)


async def recover_slice(db: Session, job: Job, now: int) -> str | None:
    """Make the next undelivered deliveries that match pending again.

    Return the cursor of the next slice, or None after the last one.
    """
    report = await job_reports.report(db, job.organization, job.report)
    if report is None:  # removed, because it is too old
        return None
    if report.cancelled_at is not None or job.status != ACTIVE:
        missed = max(report.total - report.found, 0)
        reason = reason_of(job.status) if report.cancelled_at is None else STOPPED
        await db.execute("end_collecting", report=job.report, now=now)
        counts = JobCounts({(job.report, FOUND): missed, (job.report, reason): missed})
        await add_counts(db, counts)
        return None
    statuses = decoded_list(job.statuses)
    values = job._asdict() | {"statuses": statuses, "before": before_id(job.until)}
    rows = await db.fetch("next_to_recover", **values, slice=SLICE)
    asked = [(id_, event) for id_, event, matches in rows if matches]
    subscribed = set(decoded_list(job.events))
    wanted = [id_ for id_, event in asked if not subscribed.isdisjoint(patterns_matching(event))]
    taken = await _take(db, job, wanted, now)
    counts = JobCounts()
    counts[job.report, UNSUBSCRIBED] = len(asked) - len(wanted)
    counts[job.report, FOUND] = taken + counts[job.report, UNSUBSCRIBED]
    is_last = len(rows) < SLICE
    if is_last:
        await db.execute("end_collecting", report=job.report, now=now)
    await add_counts(db, counts)
    return None if is_last else rows[-1][0]


async def _take(db: Session, job: Job, ids: list[str], now: int) -> int:
    """Move deliveries from `delivery` to `pending`; return how many.

    Pending rows are locked first, as everywhere. An outcome is locked before it is removed: a
    late success may have made it `delivered`.
    """
    if not ids:
        return 0
    await read_pending(db, [(job.webhook, id_) for id_ in ids])
    bounds = {"organization": job.organization, "first": ids[0], "last": ids[-1]}
    held = [row[0] for row in await db.fetch("lock_undelivered", ids=ids, **bounds)]
    if held:
        epoch = job.webhook_epoch
        await db.execute(
            "recover_rows", ids=held, **bounds, epoch=epoch, now=now, report=job.report
        )
        await db.execute("drop_outcomes", ids=held, **bounds)
        await db.lower_lanes({job.webhook: now})
    return len(held)
