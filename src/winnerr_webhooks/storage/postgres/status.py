"""A webhook's status: it decides at once, by its epoch; its rows follow in a job.

Each pending delivery carries the epoch its webhook had when it was asked for. Leaving `active`
adds one, and from then on whatever carries an older number counts as cancelled, on every road:
claim passes it by, settle and reading treat it so. The job only writes down what is already so.

Rows are locked in one order: of failures, of the webhook, of the change mark.
"""

from collections.abc import Sequence

from winnerr_webhooks.storage.postgres.database import Session
from winnerr_webhooks.storage.postgres.text import storable


async def lock_active(db: Session, webhook_ids: Sequence[str]) -> tuple[str, ...]:
    """Lock webhooks, all before the first of them takes the change mark; those still active."""
    return tuple(row[0] for row in await db.rows("lock_active_webhooks", webhook_ids))


async def leave_active(
    db: Session, webhook_id: str, status: str, reason: str | None, now: int
) -> None:
    """Pause or disable a webhook that is locked and active; what waits is cancelled."""
    await db.run("leave_active", webhook_id, now, status, storable(reason))
    await db.run("add_cancel_job", webhook_id)


async def enter_active(db: Session, webhook_id: str, now: int) -> None:
    """Make a webhook active; it starts with a clean record."""
    # A run of failures from before says nothing about the webhook as it is now.
    await db.run("drop_runs", [webhook_id])
    await db.run("enter_active", webhook_id, now)


async def end(db: Session, organization: str, webhook_id: str, now: int) -> None:
    """Delete a webhook: its secrets at once, what waits (tests too) by a job; its log stays."""
    await db.run("drop_runs", [webhook_id])
    await db.run("unsubscribe", organization, webhook_id)
    await db.run("drop_lanes", [webhook_id])
    await db.run("end_webhook", webhook_id, now)
    await db.run("add_cancel_job", webhook_id)


async def relabel(db: Session, webhook_id: str, status: str, now: int) -> None:
    """Make a webhook that is not active inactive in another way: disabled, then paused."""
    await db.run("relabel", webhook_id, now, status)
