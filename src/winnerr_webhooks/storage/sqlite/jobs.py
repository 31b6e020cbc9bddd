"""Big changes in slices: cancelling what waits, replaying many; and one replay at once."""

import msgspec

from winnerr_webhooks.domain.webhook import ACTIVE, DELETED
from winnerr_webhooks.ids import webhook_number
from winnerr_webhooks.storage.replaying import (
    SLICE,
    ask_again,
    check_active,
    statuses_of,
    unknown,
)
from winnerr_webhooks.storage.rows import Run
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.rows import (
    as_json,
    lower_lanes,
    put_past,
    put_waiting,
    read_past,
    read_runs,
    read_waiting,
)
from winnerr_webhooks.storage.values import ReplayFilter


class _Job(msgspec.Struct, frozen=True, gc=False):
    """A row of `job`, as `next_job` gives it."""

    id: int
    kind: str
    webhook_id: str
    requested_at: int
    epoch: int
    event: str | None
    statuses: str
    since: int | None
    until: int | None
    cursor: str


_MATCHES = msgspec.json.Decoder(list[tuple[str, int]])
_IDS = msgspec.json.Decoder(list[str])


def run_slice(db: Connection, now: int) -> bool:
    """One slice of the job whose turn it is; see `Storage.run_job_slice`."""
    row = db.row("next_job")
    if row is None:
        return False
    job = _Job(*row)
    run = read_runs(db, [job.webhook_id])[job.webhook_id]
    cursor = _cancel(db, job, run) if job.kind == "cancel" else _replay(db, job, run, now)
    if cursor is None:
        db.run("end_job", (job.id,))
    else:
        db.run("move_job", {"cursor": cursor, "id": job.id})
    return True


def _cancel(db: Connection, job: _Job, run: Run) -> str | None:
    """Write down what is cancelled already; where to go on, None: it was the last slice."""
    values: dict[str, object] = {"webhook_id": job.webhook_id, "cursor": job.cursor}
    reach, count = db.row("cancel_reach", values | {"slice": SLICE})
    if not count:
        return None
    values |= {"reach": reach, "epoch": job.epoch, "deleted": run.status == DELETED}
    db.run("cancel_slice", values | {"requested_at": job.requested_at})
    db.run("drop_cancelled", values)
    return reach if count == SLICE else None


def _replay(db: Connection, job: _Job, run: Run, now: int) -> str | None:
    """Ask for a replay of what matches and was so when the job was asked for."""
    if run.status != ACTIVE:
        return None
    found = db.json(
        "replay_slice",
        {
            "webhook_id": job.webhook_id,
            "cursor": job.cursor,
            "requested_at": job.requested_at,
            "statuses": job.statuses,
            "event": job.event,
            "since": job.since,
            "until": job.until,
            "slice": SLICE,
        },
        _MATCHES,
    )
    wanted = [delivery_id for delivery_id, matches in found if matches]
    if wanted:
        values = {
            "organization": run.organization,
            "deliveries": as_json(wanted),
            "epoch": run.epoch,
            "now": now,
        }
        db.run("enqueue_replays", values)
        lower_lanes(db, {job.webhook_id: now})
    return found[-1][0] if len(found) == SLICE else None


def count_matching(db: Connection, query: ReplayFilter) -> int:
    """How many deliveries a replay of many would send now, or is still to send."""
    values = _filter(query) | {"asked_at": query.asked_at}
    written: int = db.row("count_replays", values)[0]
    unwritten: int = db.row("count_cancelling", values)[0]
    return written + unwritten


def enqueue(db: Connection, query: ReplayFilter, now: int) -> None:
    """A job for each active webhook that the filter names."""
    asked_at = now if query.asked_at is None else min(now, query.asked_at)
    values = {"organization": query.organization, "webhook": query.webhook}
    for webhook_id in _IDS.decode(db.row("replayable_webhooks", values)[0]):
        job = _filter(query) | {"webhook_id": webhook_id, "now": asked_at}
        del job["organization"], job["webhook"]
        db.run("add_replay_job", job)


def _filter(query: ReplayFilter) -> dict[str, object]:
    return {
        "organization": query.organization,
        "webhook": query.webhook,
        "event": query.event,
        "statuses": as_json(statuses_of(query)),
        "since": query.since,
        "until": query.until,
    }


def replay(db: Connection, organization: str, delivery_id: str, now: int) -> str:
    """Ask for one more attempt of a delivery; see `Storage.replay`."""
    webhook = db.row("webhook_numbered", (organization, webhook_number(delivery_id)))
    if webhook is None:
        raise unknown(delivery_id)
    webhook_id, status, epoch = webhook
    waiting = read_waiting(db, [(webhook_id, delivery_id)]).get(delivery_id)
    past = read_past(db, [(organization, delivery_id)]).get(delivery_id)
    if waiting is None and past is None:
        raise unknown(delivery_id)
    check_active(status)
    if waiting is not None:
        outcome = ask_again(waiting, past, epoch, now)
        if outcome is not None:
            put_past(db, [outcome])
        put_waiting(db, [waiting])
    else:
        db.run(
            "enqueue_replays",
            {
                "organization": organization,
                "deliveries": as_json([delivery_id]),
                "epoch": epoch,
                "now": now,
            },
        )
    lower_lanes(db, {webhook_id: now})
    return str(webhook_id)
