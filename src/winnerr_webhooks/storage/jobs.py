"""Jobs: large changes that run in slices. A job cancels pending deliveries, or replays many.

A slice is one transaction. On PostgreSQL it has the job's row locked, so that no other node runs
the same job, nor a later one of the same webhook.
"""

from typing import Final, NamedTuple

from msgspec.structs import asdict

from winnerr_webhooks.domain.delivery import CANCELLED, FAILED
from winnerr_webhooks.domain.webhook import ACTIVE, DELETED
from winnerr_webhooks.ids import id_floor
from winnerr_webhooks.storage.database_session import Session, decoded_list
from winnerr_webhooks.storage.log_scan import SLACK_MS
from winnerr_webhooks.storage.values import ReplayFilter

SLICE: Final = 1_000
"""Rows that a job examines in one transaction."""
_FIRST_DELIVERY: Final = "dlv_"
_LAST_DELIVERY: Final = "dlv_~"


class _Job(NamedTuple):
    """A row of `next_job`."""

    id: int
    kind: str
    webhook: str
    requested_at: int
    epoch: int
    event: str | None
    statuses: str | list[str]
    since: int | None
    until: int | None
    cursor: str
    can_begin: bool
    organization: str
    status: str
    webhook_epoch: int


async def run_slice(db: Session, now: int) -> bool:
    """Run one slice of the next job; see `storage.port.Road.run_job_slice`."""
    row = await db.fetch_row("next_job")
    if row is None:
        return False
    job = _Job(*row)
    if not job.can_begin and not await db.fetch_value("see_job", job=job.id):
        return True
    cursor = await (_cancel(db, job) if job.kind == "cancel" else _replay(db, job, now))
    if cursor is None:
        await db.execute("end_job", job=job.id)
    else:
        await db.execute("move_job", job=job.id, cursor=cursor)
    return True


async def _cancel(db: Session, job: _Job) -> str | None:
    """Move deliveries that count as cancelled from `pending` to `delivery`.

    Return the cursor of the next slice, or None after the last one.
    """
    last, examined = await db.fetch_row(
        "cancel_slice", **job._asdict(), slice=SLICE, deleted=job.status == DELETED
    )
    return last if examined == SLICE else None


async def _replay(db: Session, job: _Job, now: int) -> str | None:
    """Request replays of deliveries that match the filter now and matched when the job was added.

    Return the cursor of the next slice, or None after the last one.
    """
    if job.status != ACTIVE:
        return None
    last, examined, matched = await db.fetch_row(
        "replay_slice",
        **job._asdict() | {"epoch": job.webhook_epoch, "statuses": decoded_list(job.statuses)},
        now=now,
        before=_before(job.until),
        slice=SLICE,
    )
    if matched:
        await db.lower_lanes({job.webhook: now})
    return last if examined == SLICE else None


async def count_matching(db: Session, query: ReplayFilter) -> int:
    """Return how many deliveries a replay of many would send now, or still has to send."""
    # What had its outcome by `asked_at` was accepted by then.
    until = query.asked_at if query.until is None else query.until
    values = _filter(query) | {"before": _before(until)}
    stored: int = await db.fetch_value("count_replays", **values)
    cancelling: int = await db.fetch_value("count_cancelling", **values)
    return stored + cancelling


async def enqueue(db: Session, query: ReplayFilter, now: int) -> None:
    """Add a job for each active webhook that the filter names."""
    asked_at = now if query.asked_at is None else min(now, query.asked_at)
    await db.execute("add_replay_jobs", **_filter(query), now=asked_at)


def _filter(query: ReplayFilter) -> dict[str, object]:
    floor = _FIRST_DELIVERY if query.since is None else id_floor("dlv", query.since - SLACK_MS)
    return asdict(query) | {"statuses": statuses_of(query), "floor": floor}


def _before(until: int | None) -> str:
    """Return the id that ends a range of deliveries accepted before `until`."""
    return _LAST_DELIVERY if until is None else id_floor("dlv", until + SLACK_MS)


def statuses_of(query: ReplayFilter) -> list[str]:
    """Return the states of the deliveries that a filter selects."""
    both = [FAILED, CANCELLED]
    if query.failed_only:
        both.remove(CANCELLED)
    if query.cancelled_only:
        both.remove(FAILED)
    return both
