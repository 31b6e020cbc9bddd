"""The part of retention that both databases share: rows with an age alone, and deleted webhooks.

Some rows are removed by their age alone: health figures, idempotency entries, links, sessions,
reports of jobs, rehearsals, entries of the activity log.
Attempts, deliveries and events are removed by `sqlite_retention` and `postgres_retention`.
"""

from typing import Final, NamedTuple

from winnerr_webhooks.ids import id_floor
from winnerr_webhooks.storage.database_session import Session

SLICE: Final = 1_000
"""Rows of a kind that are removed in one transaction."""
KEPT_ATTEMPTS: Final = 500
"""How many of its newest attempts each organization keeps, however old they are."""
REMEMBERED_MS: Final = 30 * 86_400_000
"""How long a client id makes a call safe to repeat: 30 days, as the API promises."""
REMOVALS: Final = 200
"""Deleted webhooks that are checked in one transaction."""
_DAY_MS: Final = 86_400_000
_HEALTH_MS: Final = 31 * _DAY_MS
"""The longest time that charts show, and a day."""
REPORTS_MS: Final = 30 * _DAY_MS
"""How long the report of a job stays."""
REHEARSALS_MS: Final = 7 * _DAY_MS
"""How long a rehearsal stays."""


async def remove_expired(db: Session, now: int, retention_days: int) -> int:
    """Remove a slice of each kind of row that expires by its age alone; return how many.

    Entries of the activity log stay as long as attempts: `retention_days`.
    """
    gone = await db.execute("drop_health", before=now - _HEALTH_MS, slice=SLICE)
    gone += await db.execute("drop_idempotency", before=now - REMEMBERED_MS, slice=SLICE)
    gone += await db.execute("drop_links", now=now, slice=SLICE)
    gone += await db.execute("drop_sessions", now=now, slice=SLICE)
    await db.execute("drop_counts", before=now - REPORTS_MS, slice=SLICE)
    gone += await db.execute("drop_reports", before=now - REPORTS_MS, slice=SLICE)
    floor = id_floor("reh", now - REHEARSALS_MS)
    await db.execute("drop_rehearsal_answers", floor=floor, slice=SLICE)
    gone += await db.execute("drop_rehearsals", floor=floor, slice=SLICE)
    floor = id_floor("act", now - retention_days * _DAY_MS)
    gone += await db.execute("drop_activity", floor=floor, slice=SLICE)
    await db.execute("end_overlaps", now=now, slice=SLICE)
    return gone


class Removals(NamedTuple):
    """The result of one check of deleted webhooks."""

    checked: int = 0
    removed: int = 0


async def remove_webhooks(db: Session, now: int) -> Removals:
    """Remove the next deleted webhooks that nothing needs; check the others again in a day."""
    due = await db.fetch("due_removals", now=now, slice=REMOVALS)
    kept = [webhook_id for webhook_id, is_needed in due if is_needed]
    gone = [webhook_id for webhook_id, is_needed in due if not is_needed]
    if kept:
        await db.execute("keep_webhooks", webhooks=kept, until=now + _DAY_MS)
    if gone:
        for statement in (
            "end_streaks",
            "remove_health",
            "drop_lanes",
            "drop_turns",
            "drop_alert_states",
            "remove_webhooks",
        ):
            await db.execute(statement, webhooks=gone)
    return Removals(checked=len(due), removed=len(gone))
