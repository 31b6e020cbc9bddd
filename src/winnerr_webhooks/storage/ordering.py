"""Deliveries in an order: of one key, each is sent when those before it have ended.

A claim leases the first deliveries of each key together, as a run, unless one of the key is leased
already. Their node sends them one after the other, and releases the rest of a run when one of them
fails. A delivery that waits for an earlier one is parked: it is due at `PARKED`, so that claims do
not find it again and again. When a delivery ends, the next one of its key becomes due.

Claims and settlements of a webhook with an order lock its row in `lane_turn`, so that none parks a
delivery while the one before it ends. Replays and tests are outside the order.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.delivery_rows import PendingRow

RUN_LENGTH: Final = 16
"""Deliveries of one key that a claim leases together, at most."""
PARKED: Final = 9_000_000_000_000_000
"""The due time of a parked delivery, ms; the same number is in the statements."""
EXAMINED: Final = 256
"""Due deliveries of a webhook with an order that a claim reads at least, to park some of them."""

OrderKey = tuple[str, str, int]
"""A webhook, a key and the webhook's epoch. Deliveries of an earlier epoch count as cancelled."""


class Runs(NamedTuple):
    """What a claim may lease of the deliveries that it found due."""

    due: list[PendingRow]
    """Deliveries in no order, replays, and the run of each key, in order."""
    heads: list[PendingRow]
    """The first of each run."""
    were_parked: set[tuple[str, str]]
    """Deliveries of runs that were parked until now, by webhook and delivery."""
    due_times: dict[tuple[str, str], int]
    """The new due times of deliveries that are in no run, by webhook and delivery."""

    def due_rows(self, leased: Iterable[PendingRow], now: int) -> list[tuple[str, str, int]]:
        """Return the rows of the statement `set_due`; `leased` are the rows that were leased.

        The first delivery of a key is due even if it is not leased: otherwise no claim would find
        its key.
        """
        keys = {(row.webhook_id, row.delivery_id) for row in (*self.heads, *leased)}
        times = self.due_times | dict.fromkeys(keys & self.were_parked, now)
        return [(*key, at) for key, at in sorted(times.items())]


def held_keys(due: Iterable[PendingRow]) -> list[OrderKey]:
    """Return the keys of due deliveries that may have to wait for others."""
    return sorted({_key(row) for row in due if _is_in_order(row)})


def choose_runs(due: Iterable[PendingRow], heads: Iterable[PendingRow], now: int) -> Runs:
    """Choose what may be leased.

    `heads` are the first deliveries of each of `held_keys`, without keys that have a lease.
    """
    by_key: dict[OrderKey, list[PendingRow]] = {}
    for row in sorted(heads, key=lambda row: row.place):
        by_key.setdefault(_key(row), []).append(row)
    chosen = Runs([], [], set(), {})
    for row in due:
        if _is_in_order(row):
            chosen.due_times[row.webhook_id, row.delivery_id] = PARKED
        else:
            chosen.due.append(row)
    for rows in by_key.values():
        run = _run(rows, now)
        for row in run:
            key = (row.webhook_id, row.delivery_id)
            chosen.due_times.pop(key, None)
            if row.due_at == PARKED:
                chosen.were_parked.add(key)
            row.due_at = now  # all the same, so that a selection keeps their order
        chosen.due.extend(run)
        chosen.heads.extend(run[:1])
        first = rows[0]
        if not run and not first.replay and first.due_at == PARKED:
            chosen.due_times[first.webhook_id, first.delivery_id] = first.retry_at or now
    return chosen


def _run(rows: Sequence[PendingRow], now: int) -> list[PendingRow]:
    """Return the rows at the start of a key that can be sent now, one after the other."""
    run: list[PendingRow] = []
    for row in rows:
        if row.replay or (row.retry_at or 0) > now:
            break
        run.append(row)
    return run


def _is_in_order(row: PendingRow) -> bool:
    return row.order_key is not None and not row.replay and not row.finished


def _key(row: PendingRow) -> OrderKey:
    assert row.order_key is not None  # noqa: S101  only rows in an order are asked
    return row.webhook_id, row.order_key, row.epoch


async def wake_next(db: Session, rows: Iterable[PendingRow], now: int) -> bool:
    """Make the next delivery of each row's key due; these rows have ended, or were attempted.

    Return whether there is any. The caller has locked the turns of their webhooks.
    """
    keys = sorted({_key(row) for row in rows if row.order_key is not None})
    if not await db.execute_many("wake_keys", keys, now=now):
        return False
    await db.lower_lanes({webhook_id: now for webhook_id, _, _ in keys})
    return True
