"""Settle: attempts into the log, their deliveries onward, health and runs of failures along.

Nearly every batch is nothing but successes, each under its current lease: their rows move from
`pending` to `delivery` within SQLite. The others go the long way, through `moves`.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from winnerr_webhooks.domain.webhook import DISABLED
from winnerr_webhooks.storage.moves import Whereabouts, is_plain, move
from winnerr_webhooks.storage.rows import Past, Run, Waiting, attempt_row
from winnerr_webhooks.storage.runs import (
    Bucket,
    DisablingRule,
    count_health,
    move_runs,
    to_disable,
)
from winnerr_webhooks.storage.sqlite import status
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
from winnerr_webhooks.storage.values import Settled, Settlement

_IDS = msgspec.json.Decoder(list[str])


def settle(db: Connection, batch: Sequence[Settlement], rule: DisablingRule, now: int) -> Settled:
    """Record a batch and what follows from it; see `Storage.settle`."""
    batch = _record(db, batch)
    if not batch:
        return Settled()
    delivered = _deliver(db, [item for item in batch if is_plain(item)], now)
    health: dict[Bucket, list[int]] = {}
    tests = set()
    for item in delivered:
        if item.delivery.trigger == "test":
            tests.add(item.delivery.id)
        else:
            count_health(health, item, exhausted=False)
    if len(delivered) == len(batch):
        _put_health(db, health)
        db.run("calm_runs", (as_json({webhook_id for webhook_id, _, _ in health}),))
        return Settled()
    done = {item.record.id for item in delivered}
    rest = [item for item in batch if item.record.id not in done]
    runs = read_runs(db, {item.delivery.webhook_id for item in batch})
    places = _find(db, rest, runs)
    for item in rest:
        place = places[item.delivery.id]
        exhausted = move(place, item, now)
        if place.test:
            tests.add(item.delivery.id)
        else:
            count_health(health, item, exhausted=exhausted)
    replays_due = _write(db, places, now)
    _put_health(db, health)
    disabled = _move_runs(db, batch, runs, tests, rule=rule, now=now)
    return Settled(disabled=disabled, replays_due=replays_due)


def _record(db: Connection, batch: Sequence[Settlement]) -> list[Settlement]:
    """Log the attempts; those that were not logged before."""
    fresh = list({item.record.id: item for item in batch}.values())
    written = db.write_rows("put_attempts", [attempt_row(item) for item in fresh], 26)
    if written == len(fresh):
        return fresh
    keys = [(item.delivery.organization, item.record.id) for item in fresh]
    known = db.json("attempts_before", {"attempts": as_json(keys), "newest": written}, _IDS)
    return [item for item in fresh if item.record.id not in known]


def _deliver(db: Connection, plain: list[Settlement], now: int) -> list[Settlement]:
    """Move what is plain in truth on to `delivery`; which of them that were."""
    leases = [(item.delivery.webhook_id, item.delivery.id, item.delivery.lease) for item in plain]
    if db.write_rows("deliver", leases, 3, (now,)) != len(plain):
        others = set(db.read_rows("not_plain", leases, 3, _IDS))
        plain = [item for item in plain if item.delivery.id not in others]
    db.write_rows(
        "drop_pending", [(item.delivery.webhook_id, item.delivery.id) for item in plain], 2
    )
    return plain


def _put_health(db: Connection, health: Mapping[Bucket, list[int]]) -> None:
    db.write_rows("put_health", [(*key, *counts) for key, counts in health.items()], 6)


def _find(
    db: Connection, batch: Sequence[Settlement], runs: dict[str, Run]
) -> dict[str, Whereabouts]:
    """Each delivery's rows. Nearly always that is one in `pending`, so history waits its turn."""
    deliveries = {item.delivery.id: item.delivery for item in batch}
    waiting = read_waiting(db, [(one.webhook_id, one.id) for one in deliveries.values()])
    elsewhere = [
        (one.organization, one.id)
        for one in deliveries.values()
        if one.id not in waiting or waiting[one.id].finished
    ]
    past = read_past(db, elsewhere)
    places = {}
    for one in deliveries.values():
        row, outcome = waiting.get(one.id), past.get(one.id)
        run = runs.get(one.webhook_id)
        known = row or outcome
        places[one.id] = Whereabouts(
            webhook_id=one.webhook_id,
            waiting=row,
            past=outcome,
            test=one.trigger == "test" or (known is not None and bool(known.test)),
            stopped=row is not None and run is not None and row.stopped(run.epoch),
        )
    return places


def _write(db: Connection, places: dict[str, Whereabouts], now: int) -> bool:
    """Write the rows as they shall be; whether a replay among them is due at once."""
    kept: list[Waiting] = []
    gone: list[tuple[str, str]] = []
    outcomes: list[Past] = []
    lanes: dict[str, int] = {}
    for delivery_id, place in places.items():
        if place.past is not None:
            outcomes.append(place.past)
        row = place.waiting
        if row is None:
            gone.append((place.webhook_id, delivery_id))
            continue
        kept.append(row)
        if row.lease_until is None:
            lanes[row.webhook_id] = min(row.due_at, lanes.get(row.webhook_id, row.due_at))
    put_past(db, outcomes)
    db.write_rows("drop_pending", gone, 2)
    put_waiting(db, kept)
    lower_lanes(db, lanes)
    return any(row.replay and row.lease_until is None and row.due_at <= now for row in kept)


def _move_runs(
    db: Connection,
    batch: Sequence[Settlement],
    runs: dict[str, Run],
    tests: Collection[str],
    *,
    rule: DisablingRule,
    now: int,
) -> tuple[str, ...]:
    """Count runs of failures, and disable what has failed for too long or is gone (410)."""
    changed, reasons = move_runs(batch, runs, tests, now)
    db.write_rows(
        "put_runs", [(run.webhook_id, run.failing_since, run.failures) for run in changed], 3
    )
    disabled = to_disable(changed, reasons, rule, now)
    for webhook_id, reason in disabled.items():
        status.leave_active(db, webhook_id, DISABLED, reason, now)
    return tuple(disabled)
