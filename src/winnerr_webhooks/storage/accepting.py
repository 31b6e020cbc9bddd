"""What accepting events has in common on both databases: leases, repeated events, and tests.

Each adapter accepts a batch with statements of its own (`sqlite_accept`, `postgres_accept`).
"""

from typing import NamedTuple

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.ids import delivery_id
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.delivery_rows import TEST_EPOCH
from winnerr_webhooks.storage.road_values import LeaseTerms


class AcceptTerms(NamedTuple):
    """How new deliveries are leased."""

    lease: LeaseTerms | None
    """None: all of them are free and due now."""
    expires: float
    """The monotonic instant at which leases taken now end."""
    lease_until: int | None
    """The same instant as the column `lease_until` has it; None without a lease."""

    def leases(self, organization: str, webhook_id: str) -> bool:
        """Return whether new deliveries of a webhook are leased to the caller."""
        return self.lease is not None and webhook_id not in self.lease.full.get(organization, ())


def first_lease(
    event: NewEvent,
    delivery: str,
    webhook_id: str,
    *,
    version: int,
    expires: float,
    test: bool = False,
) -> LeasedDelivery:
    """Return a new delivery, leased to the caller."""
    return LeasedDelivery(
        id=delivery,
        event_id=event.id,
        event=event.name,
        organization=event.organization,
        webhook_id=webhook_id,
        webhook_version=version,
        body=event.body,
        trigger="test" if test else "automatic",
        test=test,
        expires=expires,
    )


def repeated(event: NewEvent, fingerprint: bytes, first: str, deliveries: int) -> Accepted:
    """Return the answer to an event whose client id was accepted before, as the event `first`."""
    same = event.fingerprint == fingerprint
    return Accepted(id=first, deliveries=deliveries, duplicate=same, conflict=not same)


async def send_test(
    db: Session, event: NewEvent, webhook_id: str, terms: AcceptTerms, now: int
) -> Accepted:
    """Store a sample event and its delivery to one webhook; see `Road.send_test`."""
    webhook = await db.fetch_row(
        "webhook_for_test", webhook=webhook_id, organization=event.organization
    )
    if webhook is None:
        raise NotFound(f"There is no webhook {webhook_id}.")
    number, version, is_claimed = webhook
    made = delivery_id(event.id, number)
    leased = not is_claimed and terms.leases(event.organization, webhook_id)
    row = {
        "id": event.id,
        "organization": event.organization,
        "name": event.name,
        "body": event.body,
        "webhook": webhook_id,
        "delivery": made,
        "epoch": TEST_EPOCH,
        "now": now,
        "lease_until": terms.lease_until if leased else None,
        "lease": int(leased),
    }
    await db.execute("put_test_event", **row)
    await db.execute("put_test", **row)
    if not leased:
        if is_claimed:
            await db.execute("end_hold", webhook=webhook_id, now=now)
        await db.lower_lanes({webhook_id: now})
        return Accepted(id=event.id, deliveries=1, to_claim=bool(is_claimed))
    delivery = first_lease(
        event, made, webhook_id, version=version, expires=terms.expires, test=True
    )
    return Accepted(id=event.id, deliveries=1, leased=(delivery,))
