"""Skipping a delivery that waits: it is cancelled, and holds nothing behind it any more."""

from winnerr_webhooks.domain.delivery import CANCELLED
from winnerr_webhooks.domain.errors import Conflict
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.ids import webhook_number
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.delivery_rows import ended
from winnerr_webhooks.storage.job_reports import STOPPED, JobCounts, add_counts
from winnerr_webhooks.storage.ordering import wake_next
from winnerr_webhooks.storage.replays import no_delivery
from winnerr_webhooks.storage.settling import drop_pending, put_settled, read_pending, read_settled


async def skip(db: Session, organization: str, delivery_id: str, now: int) -> str:
    """Cancel a delivery that waits, and return its webhook's id; see `Log.skip`."""
    webhook = await db.fetch_row(
        "webhook_numbered", organization=organization, number=webhook_number(delivery_id)
    )
    if webhook is None:
        raise no_delivery(delivery_id)
    webhook_id, _, epoch = webhook
    await db.execute("lock_turns", webhooks=[webhook_id])
    row = (await read_pending(db, [(webhook_id, delivery_id)])).get(delivery_id)
    if row is None and not await read_settled(db, [(organization, delivery_id)]):
        raise no_delivery(delivery_id)
    if row is None or row.finished or row.stopped(epoch):
        raise Conflict(Text("The delivery has ended: there is nothing to skip."))
    if row.lease_until is not None:
        raise Conflict(
            Text("An attempt of the delivery is being made now, or is next. Try again in a minute.")
        )
    await put_settled(db, [ended(row, CANCELLED, now)])
    await drop_pending(db, [(webhook_id, delivery_id)])
    await add_counts(db, JobCounts([(row.job, STOPPED)] if row.job else []))
    await wake_next(db, [row], now)
    return str(webhook_id)
