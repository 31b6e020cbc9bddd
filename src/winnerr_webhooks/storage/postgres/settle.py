"""Settle: attempts into the log, their deliveries onward, health and runs of failures along.

Nearly every batch is nothing but successes, each under its current lease: `settle_delivered` is
one statement for them. What it leaves alone goes the long way, through `moves`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from winnerr_webhooks.domain.webhook import DISABLED
from winnerr_webhooks.storage.moves import Whereabouts, move
from winnerr_webhooks.storage.postgres import status
from winnerr_webhooks.storage.postgres.database import Session
from winnerr_webhooks.storage.postgres.text import storable
from winnerr_webhooks.storage.rows import Past, Run, Waiting, attempt_row
from winnerr_webhooks.storage.runs import (
    DisablingRule,
    bucket_of,
    count_health,
    move_runs,
    to_disable,
)
from winnerr_webhooks.storage.values import Settled, Settlement

_TEXTS = (16, 18)
"""The columns of an attempt whose text comes from a receiver: it may hold NUL."""
_OF_ITS_OWN = (*range(7), *range(8, 17), *range(20, 26))
"""The columns in which one success differs from another: not outcome, error kind, message, code."""


class Outcome(NamedTuple):
    """What the long way made of a batch, and when which lanes are due for it."""

    settled: Settled
    lanes: dict[str, int]


def lock_order(item: Settlement) -> tuple[str, str]:
    """Where its delivery waits; rows there are locked in this order, whoever locks them."""
    return item.delivery.webhook_id, item.delivery.id


async def settle_delivered(
    db: Session, batch: Sequence[Settlement], node: str, now: int
) -> set[str]:
    """Settle what is plain in truth, of a sorted batch; the ids of the attempts settled."""
    buckets = [bucket_of(item) for item in batch]
    columns = _columns(batch)
    rows = await db.rows(
        "settle_delivered",
        *[columns[at] for at in _OF_ITS_OWN],
        [item.delivery.lease for item in batch],
        [starts_at for _, starts_at, _ in buckets],
        [class_ for _, _, class_ in buckets],
        node,
        now,
    )
    return {batch[place - 1].record.id for (place,) in rows}


async def settle(
    db: Session, batch: Sequence[Settlement], *, rule: DisablingRule, node: str, now: int
) -> Outcome:
    """Record a batch and what follows from it; see `Storage.settle`."""
    fresh = {item.record.id: item for item in batch}
    put = await db.rows("put_attempts", *_columns(list(fresh.values())))
    new = {row[0] for row in put}
    batch = [item for id_, item in fresh.items() if id_ in new]
    if not batch:
        return Outcome(Settled(), {})
    waiting = await _lock(db, batch)
    runs = await read_runs(db, {item.delivery.webhook_id for item in batch})
    places = await _find(db, batch, waiting, runs)
    health: dict[tuple[str, int, int], list[int]] = {}
    for item in batch:
        place = places[item.delivery.id]
        exhausted = move(place, item, now)
        if not place.test:
            count_health(health, item, exhausted=exhausted)
    lanes, replays_due = await _write(db, places, now)
    if health:
        rows = [(*key, *counts) for key, counts in sorted(health.items())]
        await db.run("put_health", *map(list, zip(*rows, strict=True)), node)
    disabled = await _move_runs(db, batch, runs, places, rule=rule, now=now)
    return Outcome(Settled(disabled=disabled, replays_due=replays_due), lanes)


def _columns(batch: Sequence[Settlement]) -> list[list[object]]:
    """The attempts of a batch, a list a column."""
    columns = [list(column) for column in zip(*map(attempt_row, batch), strict=True)]
    for at in _TEXTS:
        if any("\0" in str(text) for text in columns[at]):
            columns[at] = [storable(text) for text in columns[at]]
    return columns


async def _lock(db: Session, batch: Sequence[Settlement]) -> dict[str, Waiting]:
    return await lock_waiting(db, sorted(set(map(lock_order, batch))))


async def lock_waiting(db: Session, keys: Sequence[tuple[str, str]]) -> dict[str, Waiting]:
    """Waiting deliveries of (webhook id, delivery id), sorted; by delivery id, locked."""
    rows = await db.rows("lock_pending", [key[0] for key in keys], [key[1] for key in keys])
    return {row[1]: Waiting(*row) for row in rows}


async def read_past(db: Session, keys: Sequence[tuple[str, str]]) -> dict[str, Past]:
    """Settled deliveries of (organization, delivery id), by delivery id."""
    if not keys:
        return {}
    ids = [key[1] for key in keys]
    rows = await db.rows("deliveries_of", [key[0] for key in keys], ids, min(ids), max(ids))
    return {row[1]: Past(*row) for row in rows}


async def read_runs(db: Session, webhook_ids: set[str]) -> dict[str, Run]:
    """Webhooks by id; the runs of failures that there are, locked."""
    asked = sorted(webhook_ids)
    await db.rows("lock_runs", asked)
    return {row[0]: Run(*row) for row in await db.rows("runs_of", asked)}


async def _find(
    db: Session,
    batch: Sequence[Settlement],
    waiting: Mapping[str, Waiting],
    runs: Mapping[str, Run],
) -> dict[str, Whereabouts]:
    """Each delivery's rows. Nearly always that is one in `pending`, so history waits its turn."""
    deliveries = {item.delivery.id: item.delivery for item in batch}
    elsewhere = [
        (one.organization, one.id)
        for one in deliveries.values()
        if one.id not in waiting or waiting[one.id].finished
    ]
    past = await read_past(db, elsewhere)
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


async def _write(
    db: Session, places: Mapping[str, Whereabouts], now: int
) -> tuple[dict[str, int], bool]:
    """Write the rows as they shall be; when lanes are due, and whether a replay is at once."""
    kept = [place.waiting for place in places.values() if place.waiting is not None]
    gone = [(place.webhook_id, id_) for id_, place in places.items() if place.waiting is None]
    lanes: dict[str, int] = {}
    for row in kept:
        if row.lease_until is None:
            lanes[row.webhook_id] = min(row.due_at, lanes.get(row.webhook_id, row.due_at))
    await put_past(db, [place.past for place in places.values() if place.past is not None])
    await drop_waiting(db, gone)
    await move_waiting(db, kept)
    due = any(row.replay and row.lease_until is None and row.due_at <= now for row in kept)
    return lanes, due


async def put_past(db: Session, rows: Sequence[Past]) -> None:
    """Insert or replace outcomes."""
    if rows:
        tuples = map(msgspec.structs.astuple, rows)
        await db.run("put_deliveries", *map(list, zip(*tuples, strict=True)))


async def drop_waiting(db: Session, keys: Sequence[tuple[str, str]]) -> None:
    """Delete waiting deliveries of (webhook id, delivery id)."""
    if keys:
        await db.run("drop_pending", [key[0] for key in keys], [key[1] for key in keys])


async def move_waiting(db: Session, rows: Sequence[Waiting]) -> None:
    """Write back waiting deliveries that were locked."""
    if rows:
        moved = [
            (
                row.webhook_id, row.delivery_id, row.epoch, row.due_at, row.lease_until, row.lease,
                row.idle_leases, row.attempts, row.retries_used, row.retry_at, row.replay,
                row.finished,
            )
            for row in rows
        ]  # fmt: skip
        await db.run("move_pending", *map(list, zip(*moved, strict=True)))


async def _move_runs(
    db: Session,
    batch: Sequence[Settlement],
    runs: Mapping[str, Run],
    places: Mapping[str, Whereabouts],
    *,
    rule: DisablingRule,
    now: int,
) -> tuple[str, ...]:
    """Count runs of failures, and disable what has failed for too long or is gone (410)."""
    tests = {id_ for id_, place in places.items() if place.test}
    changed, reasons = move_runs(batch, runs, tests, now)
    failing = [run for run in changed if run.failing_since is not None]
    if failing:
        await db.run(
            "put_runs",
            [run.webhook_id for run in failing],
            [run.failing_since for run in failing],
            [run.failures for run in failing],
        )
    calm = [run.webhook_id for run in changed if run.failing_since is None]
    if calm:
        await db.run("drop_runs", calm)
    doomed = to_disable(changed, reasons, rule, now)
    if not doomed:
        return ()
    disabled = await status.lock_active(db, list(doomed))
    for webhook_id in disabled:
        await status.leave_active(db, webhook_id, DISABLED, doomed[webhook_id], now)
    return disabled
