"""How webhooks stand now: read for the settings page, a few index looks each."""

from winnerr_webhooks.storage.postgres.database import Row, Session
from winnerr_webhooks.storage.postgres.text import storable
from winnerr_webhooks.storage.reach import NEWEST, Reach, run_start, windows
from winnerr_webhooks.storage.values import COUNTED, LastAttempt, WebhookState


async def states(db: Session, organization: str, now: int) -> list[WebhookState]:
    """Every webhook of an organization; see `Storage.webhook_states`."""
    rows = await db.rows("webhook_states", organization, COUNTED)
    ids = [row["id"] for row in rows]
    lasts = await _lasts(db, ids, now)
    firsts = await _first_failures(
        db, {row["id"]: row["failing_since"] for row in rows if row["failing_since"] is not None}
    )
    return [
        WebhookState(
            webhook_id=row["id"],
            last=lasts.get(row["id"]),
            failing_since=row["failing_since"],
            failures=row["failures"],
            first_failure=firsts.get(row["id"]),
            waiting=row["waiting"],
        )
        for row in rows
    ]


async def cancelled(db: Session, organization: str, webhook_id: str) -> int:
    """Cancelled deliveries of a webhook; see `Storage.cancelled`."""
    count = await db.value("count_cancelled", organization, storable(webhook_id), COUNTED)
    return min(COUNTED, count or 0)


async def _lasts(db: Session, webhook_ids: list[str], now: int) -> dict[str, LastAttempt]:
    """The newest attempt of each webhook that has any."""
    found: dict[str, LastAttempt] = {}
    for part in windows("att", Reach(NEWEST, ""), now):
        missing = [id_ for id_ in webhook_ids if id_ not in found]
        if not missing:
            break
        rows = await db.rows("last_attempts", missing, part.floor, part.before)
        found.update({row["webhook_id"]: _last(row) for row in rows})
    return found


async def _first_failures(db: Session, failing_since: dict[str, int]) -> dict[str, str]:
    """Of webhooks that fail since so long, the attempt that began it."""
    if not failing_since:
        return {}
    starts = [run_start(since) for since in failing_since.values()]
    floors = [start.floor for start in starts]
    ceilings = [start.before for start in starts]
    rows = await db.rows("first_failures", list(failing_since), floors, ceilings, min(floors))
    return {row["webhook_id"]: row["id"] for row in rows}


def _last(row: Row) -> LastAttempt:
    return LastAttempt(
        id=row["id"],
        outcome=row["outcome"],
        status=row["status"],
        error_message=row["error_message"],
        started_at=row["started_at"],
    )
