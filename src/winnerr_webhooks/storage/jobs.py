"""Jobs: large changes that run in slices.

A job cancels pending deliveries, replays many, recovers many, or stops a recovery. A slice is one
transaction. On PostgreSQL it has the job's row locked, so that no other node runs the same job, nor
a later one of the same webhook.
"""

from winnerr_webhooks.domain.webhook import ACTIVE, DELETED
from winnerr_webhooks.storage.database_session import Session, decoded_counts, decoded_list
from winnerr_webhooks.storage.job_reports import JobCounts, add_counts
from winnerr_webhooks.storage.job_selection import SLICE, Job, before_id, filter_values
from winnerr_webhooks.storage.recovery import recover_slice
from winnerr_webhooks.storage.values import ReplayFilter


async def run_slice(db: Session, now: int) -> bool:
    """Run one slice of the next job; see `storage.port.Road.run_job_slice`."""
    row = await db.fetch_row("next_job")
    if row is None:
        return False
    job = Job(*row)
    if not job.can_begin and not await db.fetch_value("see_job", job=job.id):
        return True
    cursor = await _slice(db, job, now)
    if cursor is None:
        await db.execute("end_job", job=job.id)
    else:
        await db.execute("move_job", job=job.id, cursor=cursor)
    return True


async def _slice(db: Session, job: Job, now: int) -> str | None:
    """Return the cursor of the next slice, or None after the last one."""
    if job.kind == "recover":
        return await recover_slice(db, job, now)
    if job.kind == "replay":
        return await _replay(db, job, now)
    return await _cancel(db, job, now)


async def _cancel(db: Session, job: Job, now: int) -> str | None:
    """Move deliveries from `pending` to `delivery`, as cancelled.

    These are what a webhook's change of status cancels, or what a recovery has not sent yet.
    """
    stops = job.kind == "stop"
    last, examined, counted = await db.fetch_row(
        "cancel_slice",
        **job._asdict() | {"requested_at": now if stops else job.requested_at},
        slice=SLICE,
        deleted=not stops and job.status == DELETED,
    )
    counts = decoded_counts(counted)
    await add_counts(db, JobCounts({(one, job.reason): counts[one] for one in counts}))
    return last if examined == SLICE else None


async def _replay(db: Session, job: Job, now: int) -> str | None:
    """Request replays of deliveries that match the filter now and matched when the job was added.

    Return the cursor of the next slice, or None after the last one.
    """
    if job.status != ACTIVE:
        return None
    last, examined, matched = await db.fetch_row(
        "replay_slice",
        **job._asdict() | {"epoch": job.webhook_epoch, "statuses": decoded_list(job.statuses)},
        now=now,
        before=before_id(job.until),
        slice=SLICE,
    )
    if matched:
        await db.lower_lanes({job.webhook: now})
    return last if examined == SLICE else None


async def enqueue(db: Session, query: ReplayFilter, now: int) -> None:
    """Add a job for each active webhook that the filter names."""
    asked_at = now if query.asked_at is None else min(now, query.asked_at)
    await db.execute("add_replay_jobs", **filter_values(query) | {"now": asked_at})
