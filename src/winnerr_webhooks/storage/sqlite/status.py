"""A webhook's status: it decides at once, by its epoch; its rows follow in a job.

Each pending delivery carries the epoch its webhook had when it was asked for. Leaving `active`
adds one, and from then on whatever carries an older number counts as cancelled, on every road:
claim passes it by, settle and reading treat it so. The job only writes down what is already so.
"""

from winnerr_webhooks.storage.sqlite.connection import Connection


def leave_active(
    db: Connection, webhook_id: str, status: str, reason: str | None, now: int
) -> None:
    """Pause or disable a webhook; what waits is cancelled."""
    values = {"id": webhook_id, "status": status, "reason": reason, "now": now}
    db.run("leave_active", values)
    db.run("add_cancel_job", {"webhook_id": webhook_id, "now": now})


def enter_active(db: Connection, webhook_id: str, now: int) -> None:
    """Make a webhook active; it starts with a clean record."""
    db.run("enter_active", {"id": webhook_id, "now": now})


def end(db: Connection, organization: str, webhook_id: str, now: int) -> None:
    """Delete a webhook: its secrets at once, what waits (tests too) by a job; its log stays."""
    db.run("unsubscribe", {"id": webhook_id, "organization": organization})
    db.run("end_webhook", {"id": webhook_id, "now": now})
    db.run("drop_lane", (webhook_id,))
    db.run("add_cancel_job", {"webhook_id": webhook_id, "now": now})


def relabel(db: Connection, webhook_id: str, status: str, now: int) -> None:
    """Make a webhook that is not active inactive in another way: disabled, then paused."""
    db.run("relabel", {"id": webhook_id, "status": status, "now": now})
