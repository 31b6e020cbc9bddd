"""Big changes in slices: cancelling what waits, replaying many; and one replay at once.

A slice is one transaction. Whoever runs it has the job's row locked, so that no other node runs
the same one, nor a later one of the same webhook.
"""

from typing import Final, NamedTuple

from winnerr_webhooks.domain.webhook import ACTIVE, DELETED
from winnerr_webhooks.ids import id_floor, webhook_number
from winnerr_webhooks.storage.postgres.database import Session
from winnerr_webhooks.storage.postgres.settle import (
    lock_waiting,
    move_waiting,
    put_past,
    read_past,
)
from winnerr_webhooks.storage.postgres.text import storable
from winnerr_webhooks.storage.replaying import (
    SLICE,
    ask_again,
    check_active,
    statuses_of,
    unknown,
)
from winnerr_webhooks.storage.values import ReplayFilter

_SLACK_MS: Final = 3_600_000
"""An id is made before its event is accepted, and by another clock: never by more than this."""
_BEFORE_ALL: Final = "dlv_"
_AFTER_ALL: Final = "dlv_~"


class _Job(NamedTuple):
    """A row of `next_job`."""

    id: int
    kind: str
    webhook_id: str
    requested_at: int
    epoch: int
    event: str | None
    statuses: list[str]
    since: int | None
    until: int | None
    cursor: str
    is_seen: bool
    organization: str
    status: str
    webhook_epoch: int


class Ran(NamedTuple):
    """What a slice did."""

    found: bool
    """Whether there was a job to run."""
    due: dict[str, int]
    """When lanes are due for it."""


async def run_slice(db: Session, now: int) -> Ran:
    """One slice of the job whose turn it is; see `Storage.run_job_slice`."""
    row = await db.row("next_job")
    if row is None:
        return Ran(found=False, due={})
    job = _Job(*row)
    if not job.is_seen and not await db.value("see_job", job.id):
        return Ran(found=True, due={})
    due: dict[str, int] = {}
    cursor = await (_cancel(db, job) if job.kind == "cancel" else _replay(db, job, now, due))
    if cursor is None:
        await db.run("end_job", job.id)
    else:
        await db.run("move_job", job.id, cursor)
    return Ran(found=True, due=due)


async def _cancel(db: Session, job: _Job) -> str | None:
    """Write down what is cancelled already; where to go on, None: it was the last slice."""
    reach, looked_at = await db.row(
        "cancel_slice",
        job.webhook_id,
        job.cursor,
        SLICE,
        job.epoch,
        job.status == DELETED,
        job.requested_at,
    )
    return reach if looked_at == SLICE else None


async def _replay(db: Session, job: _Job, now: int, due: dict[str, int]) -> str | None:
    """Ask for a replay of what matches and was so when the job was asked for."""
    if job.status != ACTIVE:
        return None
    reach, looked_at, matched = await db.row(
        "replay_slice",
        job.webhook_epoch,
        now,
        job.webhook_id,
        job.cursor,
        _ceiling(job.until),
        SLICE,
        job.requested_at,
        job.statuses,
        job.event,
        job.since,
        job.until,
    )
    if matched:
        due[job.webhook_id] = now
    return reach if looked_at == SLICE else None


async def count_matching(db: Session, query: ReplayFilter) -> int:
    """How many deliveries a replay of many would send now, or is still to send."""
    # What had its outcome by then was accepted by then.
    until = query.asked_at if query.until is None else query.until
    values = (*_filter(query), _ceiling(until), query.asked_at)
    written: int = await db.value("count_replays", *values)
    unwritten: int = await db.value("count_cancelling", *values)
    return written + unwritten


async def enqueue(db: Session, query: ReplayFilter, now: int) -> None:
    """A job for each active webhook that the filter names."""
    asked_at = now if query.asked_at is None else min(now, query.asked_at)
    await db.run("add_replay_jobs", *_filter(query), asked_at)


def _filter(query: ReplayFilter) -> tuple[object, ...]:
    return (
        query.organization,
        storable(query.webhook),
        statuses_of(query),
        storable(query.event),
        query.since,
        query.until,
        _BEFORE_ALL if query.since is None else id_floor("dlv", query.since - _SLACK_MS),
    )


def _ceiling(until: int | None) -> str:
    return _AFTER_ALL if until is None else id_floor("dlv", until + _SLACK_MS)


async def replay(db: Session, organization: str, delivery_id: str, now: int) -> str:
    """Ask for one more attempt of a delivery; see `Storage.replay`.

    What waits is locked first: an attempt that is being settled, or a claim, comes before or
    after as a whole. Only then history says what became of it.
    """
    number = webhook_number(delivery_id)
    webhook = await db.row("webhook_numbered", organization, number) if number >= 0 else None
    if webhook is None:
        raise unknown(delivery_id)
    webhook_id, status, epoch = webhook
    waiting = (await lock_waiting(db, [(webhook_id, delivery_id)])).get(delivery_id)
    past = (await read_past(db, [(organization, delivery_id)])).get(delivery_id)
    if waiting is None and past is None:
        raise unknown(delivery_id)
    check_active(status)
    if waiting is None:
        await db.run("enqueue_replay", epoch, now, organization, delivery_id)
    else:
        outcome = ask_again(waiting, past, epoch, now)
        if outcome is not None:
            await put_past(db, [outcome])
        await move_waiting(db, [waiting])
    return str(webhook_id)
