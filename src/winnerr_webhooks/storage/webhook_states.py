"""How webhooks stand now, for the settings page: a few index look-ups for each."""

from winnerr_webhooks.storage.database_session import Session, struct_of
from winnerr_webhooks.storage.failure_streak import FirstFailure
from winnerr_webhooks.storage.log_scan import NEWEST, IdRange, streak_start, windows
from winnerr_webhooks.storage.values import COUNT_LIMIT, LastAttempt, WebhookState


async def webhook_states(db: Session, organization: str, now: int) -> list[WebhookState]:
    """Return every webhook of an organization; see `Webhooks.webhook_states`."""
    rows = await db.fetch("webhook_states", organization=organization, limit=COUNT_LIMIT)
    lasts = await _last_attempts(db, [row[0] for row in rows], now)
    firsts = await _first_failures(db, {row[0]: row[1] for row in rows if row[1] is not None})
    return [
        WebhookState(
            webhook_id=webhook_id,
            last=lasts.get(webhook_id),
            failing_since=failing_since,
            failures=failures,
            first_failure=firsts.get(webhook_id),
            waiting=waiting,
        )
        for webhook_id, failing_since, failures, waiting in rows
    ]


async def count_cancelled(db: Session, organization: str, webhook_id: str) -> int:
    """Return cancelled deliveries of a webhook; see `Webhooks.cancelled`."""
    count = await db.fetch_value(
        "count_cancelled", organization=organization, webhook=webhook_id, limit=COUNT_LIMIT
    )
    return min(COUNT_LIMIT, count or 0)


async def _last_attempts(db: Session, webhook_ids: list[str], now: int) -> dict[str, LastAttempt]:
    """Return the newest attempt of each webhook that has any."""
    found: dict[str, LastAttempt] = {}
    for part in windows("att", IdRange(NEWEST, ""), now):
        missing = [id_ for id_ in webhook_ids if id_ not in found]
        if not missing:
            break
        rows = await db.fetch("last_attempts", webhooks=missing, **part._asdict())
        for webhook_id, *last in rows:
            found[webhook_id] = struct_of(LastAttempt, last)
    return found


async def _first_failures(db: Session, failing_since: dict[str, int]) -> dict[str, str]:
    """Return the attempts that began the streaks of these webhooks."""
    starts = {webhook_id: streak_start(since) for webhook_id, since in failing_since.items()}
    rows = await db.fetch_many(
        "first_failures",
        FirstFailure,
        [(webhook_id, start.floor, start.before) for webhook_id, start in starts.items()],
        lowest=min((start.floor for start in starts.values()), default=""),
    )
    return {row.webhook_id: row.id for row in rows}
