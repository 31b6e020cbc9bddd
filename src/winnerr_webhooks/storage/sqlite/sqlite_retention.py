"""Retention on SQLite: rows that are old and not needed are removed, a slice at a time.

A pass goes through attempts, then the deliveries that no attempt needs, then the events that no
delivery needs, each in the order of an index from where the last slice ended. A reader finds the
rows; the writer only deletes them. At the end of a pass, deleted webhooks that nothing needs are
removed.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from winnerr_webhooks.ids import id_floor
from winnerr_webhooks.storage.retention import KEPT_ATTEMPTS, SLICE, remove_expired
from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection
from winnerr_webhooks.storage.sqlite.sqlite_rows import as_json
from winnerr_webhooks.storage.sqlite.sqlite_session import SqliteSession

_DAY_MS: Final = 86_400_000


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


@dataclass(slots=True)
class RetentionPass:
    """How far a pass has come: which kind, and after which row of it."""

    kind: int = 0
    cursor: str = ""


def find(
    db: Connection, at: RetentionPass, retention_days: int, now: int
) -> list[tuple[str, str | int]]:
    """Return the next rows to remove, each as (position in the index, key); advance the pass."""
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


async def remove(
    db: SqliteSession,
    kind: int,
    found: list[tuple[str, str | int]],
    now: int,
    retention_days: int,
) -> int:
    """Remove what was found, and a slice of rows that expire by age alone; return how many."""
    gone = db.run(KINDS[kind].drop, (as_json(found),)) if found else 0
    return gone + await remove_expired(db, now, retention_days)
