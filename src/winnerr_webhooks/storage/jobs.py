"""Jobs: big changes in slices, which cancel pending deliveries or replay many. And single replays.

A slice is one transaction. On PostgreSQL it has the job's row locked, so that no other node runs
the same job, nor a later one of the same webhook.
"""

from typing import Final, NamedTuple

from msgspec.structs import asdict

from winnerr_webhooks.domain.delivery import CANCELLED, FAILED
from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.domain.webhook import ACTIVE, DELETED, DISABLED
from winnerr_webhooks.ids import id_floor, webhook_number
from winnerr_webhooks.storage.database_session import Session, decoded_list
from winnerr_webhooks.storage.delivery_rows import PendingRow, SettledRow, ended
from winnerr_webhooks.storage.log_scan import SLACK_MS
from winnerr_webhooks.storage.settling import (
    put_pending,
    put_settled,
    read_pending,
    read_settled,
)
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
    """Run one slice of the next job; see `Road.run_job_slice`."""
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
    """Write down what counts as cancelled; where to go on, or None after the last slice."""
    last, examined = await db.fetch_row(
        "cancel_slice", **job._asdict(), slice=SLICE, deleted=job.status == DELETED
    )
    return last if examined == SLICE else None


async def _replay(db: Session, job: _Job, now: int) -> str | None:
    """Request replays of what matches and did so when the job was asked for."""
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
    """How many deliveries a replay of many would send now, or still has to send."""
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
    """The id that ends a range of deliveries accepted before `until`."""
    return _LAST_DELIVERY if until is None else id_floor("dlv", until + SLACK_MS)


async def replay(db: Session, organization: str, delivery_id: str, now: int) -> str:
    """Ask for one more attempt of a delivery; see `Log.replay`.

    The pending row is locked first: an attempt that is being settled, or a claim, comes before or
    after as a whole. Only then is the outcome read.
    """
    webhook = await db.fetch_row(
        "webhook_numbered", organization=organization, number=webhook_number(delivery_id)
    )
    if webhook is None:
        raise no_delivery(delivery_id)
    webhook_id, status, epoch = webhook
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
        outcome = request_replay(pending, settled, epoch, now)
        await put_settled(db, [] if outcome is None else [outcome])
        await put_pending(db, [pending])
    await db.lower_lanes({webhook_id: now})
    return str(webhook_id)


# --- rules ----------------------------------------------------------------------------------------


def statuses_of(query: ReplayFilter) -> list[str]:
    """The states of the deliveries that a filter selects."""
    both = [FAILED, CANCELLED]
    if query.failed_only:
        both.remove(CANCELLED)
    if query.cancelled_only:
        both.remove(FAILED)
    return both


def request_replay(
    row: PendingRow, settled: SettledRow | None, epoch: int, now: int
) -> SettledRow | None:
    """Request a replay in a pending row; the outcome to store first, if there is one.

    `epoch` is its webhook's. A row that is leased is replayed after the attempt under way.
    """
    outcome = None
    if row.stopped(epoch):  # cancelled by a pause that is over, but not yet by the pause's job
        if settled is None:
            outcome = ended(row, CANCELLED, now)
        row.finished, row.retry_at = 1, None
        row.epoch, row.idle_leases = epoch, 0
    row.replay += 1
    if row.lease_until is None:
        row.due_at = now
    return outcome


def no_delivery(delivery_id: str) -> NotFound:
    """The error when there is nothing to replay."""
    return NotFound(f"There is no delivery {delivery_id}.")


def check_active(status: str) -> None:
    """`Conflict`, which says what to do, unless a webhook of this status can be sent replays."""
    if status == ACTIVE:
        return
    if status == DELETED:
        raise Conflict("The webhook of this delivery was deleted, so it cannot be replayed.")
    if status == DISABLED:
        raise Conflict("The webhook is disabled: set it active again, then replay.")
    raise Conflict("The webhook is paused: set it active, then replay.")
