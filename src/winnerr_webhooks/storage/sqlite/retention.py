"""Retention: what is old and not needed goes, a slice at a time.

A pass goes through attempts, then the deliveries no attempt needs, then the events no delivery
needs, each in the order of an index from where the last slice ended. Looking is done by a
reader; the writer only deletes. At the end of a pass, deleted webhooks that nothing needs go, too.
"""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from winnerr_webhooks.ids import id_floor
from winnerr_webhooks.storage.sqlite.accept import REMEMBERED_MS
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.rows import as_json

SLICE = 1_000
KEPT_ATTEMPTS = 500
_DAY_MS = 86_400_000
_HEALTH_MS = 8 * _DAY_MS
REMOVALS = 200
"""Deleted webhooks that are checked in one transaction."""


class _Kind(NamedTuple):
    find: str
    drop: str
    prefix: str


KINDS = (
    _Kind("old_attempts", "drop_attempts", "att"),
    _Kind("old_deliveries", "drop_deliveries", "dlv"),
    _Kind("old_events", "drop_events", "evt"),
)
_FOUND = msgspec.json.Decoder(list[tuple[str, str | int]])
_DUE = msgspec.json.Decoder(list[tuple[str, int]])


@dataclass(slots=True)
class Pass:
    """How far a pass has come."""

    kind: int = 0
    cursor: str = ""


def find(db: Connection, at: Pass, retention_days: int, now: int) -> list[tuple[str, str | int]]:
    """The next rows that may go, each as (where it lies, what it is); moves the pass on."""
    while at.kind < len(KINDS):
        kind = KINDS[at.kind]
        values: dict[str, object] = {
            "cursor": at.cursor,
            "floor": id_floor(kind.prefix, now - retention_days * _DAY_MS),
            "kept": KEPT_ATTEMPTS,
            "slice": SLICE,
        }
        found = db.json(kind.find, values, _FOUND)
        if found:
            at.cursor = found[-1][0]
            return found
        at.kind, at.cursor = at.kind + 1, ""
    return []


def drop(db: Connection, kind: int, found: list[tuple[str, str | int]], now: int) -> int:
    """Delete what was found, and a slice of each kind that only has an age; how many rows."""
    gone = db.run(KINDS[kind].drop, (as_json(found),)) if found else 0
    gone += db.run("drop_health", {"before": now - _HEALTH_MS, "slice": SLICE})
    gone += db.run("drop_idempotency", {"before": now - REMEMBERED_MS, "slice": SLICE})
    gone += db.run("drop_links", {"now": now, "slice": SLICE})
    gone += db.run("drop_sessions", {"now": now, "slice": SLICE})
    db.run("end_overlaps", {"now": now})
    return gone


class Removals(NamedTuple):
    """What one check of deleted webhooks did."""

    checked: int
    removed: int


def remove_webhooks(db: Connection, now: int) -> Removals:
    """Remove the next deleted webhooks that nothing needs; check the others again in a day."""
    due = db.json("due_removals", {"now": now, "slice": REMOVALS}, _DUE)
    kept = [webhook_id for webhook_id, is_needed in due if is_needed]
    gone = [webhook_id for webhook_id, is_needed in due if not is_needed]
    if kept:
        db.run("keep_webhooks", {"webhooks": as_json(kept), "until": now + _DAY_MS})
    if gone:
        for statement in ("remove_health", "remove_lanes", "remove_webhooks"):
            db.run(statement, (as_json(gone),))
    return Removals(checked=len(due), removed=len(gone))
