"""Settle: attempts into the log, their deliveries onward, health and runs of failures along."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.domain.health import duration_class
from winnerr_webhooks.domain.webhook import ACTIVE, DISABLED
from winnerr_webhooks.storage.sqlite import status
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.moves import Whereabouts, move
from winnerr_webhooks.storage.sqlite.rows import (
    Past,
    Run,
    Waiting,
    as_json,
    lower_lanes,
    put_past,
    put_waiting,
    read_past,
    read_runs,
    read_waiting,
)
from winnerr_webhooks.storage.values import Settled, Settlement

BUCKET_MS = 300_000
_DAY_MS = 86_400_000
_IDS = msgspec.json.Decoder(list[str])


class DisablingRule(NamedTuple):
    """When a webhook with nothing but failures is disabled; 0 days: never."""

    days: float
    min_failures: int


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
            _count_health(health, item, exhausted=exhausted)
    replays_due = _write(db, places, now)
    db.write_rows("put_health", [(*key, *counts) for key, counts in health.items()], 6)
    disabled = _move_runs(db, batch, runs, places, rule=rule, now=now)
    return Settled(disabled=disabled, replays_due=replays_due)


def _record(db: Connection, batch: Sequence[Settlement]) -> list[Settlement]:
    """Log the attempts; those that were not logged before."""
    fresh = list({item.record.id: item for item in batch}.values())
    written = db.write_rows("put_attempts", [_attempt_row(item) for item in fresh], 26)
    if written == len(fresh):
        return fresh
    keys = [(item.delivery.organization, item.record.id) for item in fresh]
    known = db.json("attempts_before", {"attempts": as_json(keys), "newest": written}, _IDS)
    return [item for item in fresh if item.record.id not in known]


def _attempt_row(item: Settlement) -> tuple[object, ...]:
    delivery, record = item.delivery, item.record
    exchange = record.exchange
    timings = exchange.timings
    return (
        record.id,
        delivery.organization,
        delivery.webhook_id,
        delivery.id,
        delivery.event,
        delivery.attempt,
        delivery.trigger,
        record.outcome,
        exchange.started_at,
        exchange.duration_ms,
        timings.dns_ms,
        timings.connect_ms,
        timings.tls_ms,
        timings.first_byte_ms,
        timings.reconnected,
        exchange.status,
        exchange.reason,
        record.error_kind,
        record.error_message,
        record.error_code,
        exchange.failure.phase if exchange.failure else "",
        exchange.truncated,
        record.url,
        record.request_head,
        exchange.response_head,
        exchange.response_body,
    )


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


def _count_health(
    health: dict[tuple[str, int, int], list[int]], item: Settlement, *, exhausted: bool
) -> None:
    exchange = item.record.exchange
    starts_at = exchange.started_at - exchange.started_at % BUCKET_MS
    key = (item.delivery.webhook_id, starts_at, duration_class(exchange.duration_ms))
    counts = health.setdefault(key, [0, 0, 0])
    counts[0 if item.record.outcome == "succeeded" else 1] += 1
    counts[2] += exhausted


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
    changed: dict[str, Run] = {}
    reasons: dict[str, str] = {}
    for item in batch:
        run = runs.get(item.delivery.webhook_id)
        if run is None or places[item.delivery.id].test:
            continue
        if item.record.outcome == "succeeded":
            if run.failing_since is not None:
                run.failing_since, run.failures = None, 0
                changed[run.webhook_id] = run
            continue
        if run.failing_since is None:
            run.failing_since = now
        run.failures += 1
        changed[run.webhook_id] = run
        # a 410 of the URL before an edit says nothing about the one after it
        if item.verdict.disable and item.delivery.webhook_version == run.version:
            reasons[run.webhook_id] = item.verdict.disable
    db.write_rows(
        "put_runs",
        [(run.webhook_id, run.failing_since, run.failures) for run in changed.values()],
        3,
    )
    for run in changed.values():
        if run.webhook_id not in reasons and _failed_too_long(run, rule, now):
            reasons[run.webhook_id] = _too_long(run)
    disabled = tuple(sorted(one for one in reasons if runs[one].status == ACTIVE))
    for webhook_id in disabled:
        status.leave_active(db, webhook_id, DISABLED, reasons[webhook_id], now)
    return disabled


def _failed_too_long(run: Run, rule: DisablingRule, now: int) -> bool:
    return (
        rule.days > 0
        and run.failing_since is not None
        and run.failures >= rule.min_failures
        and now - run.failing_since >= rule.days * _DAY_MS
    )


def _too_long(run: Run) -> str:
    since = rfc3339(run.failing_since or 0)
    return (
        f"All {run.failures} attempts since {since} failed. Repair the receiver, then set the "
        "webhook active again."
    )
