"""Settle: attempts into the log, their deliveries onward, health and runs of failures along."""

from collections.abc import Sequence

import msgspec

from winnerr_webhooks.domain.webhook import DISABLED
from winnerr_webhooks.storage.moves import Whereabouts, move
from winnerr_webhooks.storage.rows import Past, Run, Waiting, attempt_row
from winnerr_webhooks.storage.runs import DisablingRule, count_health, move_runs, to_disable
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
    runs = read_runs(db, {item.delivery.webhook_id for item in batch})
    places = _find(db, batch, runs)
    health: dict[tuple[str, int, int], list[int]] = {}
    for item in batch:
        place = places[item.delivery.id]
        exhausted = move(place, item, now)
        if not place.test:
            count_health(health, item, exhausted=exhausted)
    replays_due = _write(db, places, now)
    db.write_rows("put_health", [(*key, *counts) for key, counts in health.items()], 6)
    disabled = _move_runs(db, batch, runs, places, rule=rule, now=now)
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
    places: dict[str, Whereabouts],
    *,
    rule: DisablingRule,
    now: int,
) -> tuple[str, ...]:
    """Count runs of failures, and disable what has failed for too long or is gone (410)."""
    changed, reasons = move_runs(batch, runs, places, now)
    db.write_rows(
        "put_runs", [(run.webhook_id, run.failing_since, run.failures) for run in changed], 3
    )
    disabled = to_disable(changed, reasons, rule, now)
    for webhook_id, reason in disabled.items():
        status.leave_active(db, webhook_id, DISABLED, reason, now)
    return tuple(disabled)
