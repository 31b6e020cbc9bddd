"""Rows of the tables `pending`, `delivery` and `attempt` as values: what verbs read and write.

Each struct's fields are in the order of its table's columns. 0 and 1 are booleans.
"""

from typing import Final

import msgspec

from winnerr_webhooks.storage.values import Settlement

TEST_EPOCH: Final = -1
"""The epoch of test deliveries: they are sent whatever the webhook's status."""


class PendingRow(msgspec.Struct, array_like=True, gc=False):
    """A row of `pending`: a delivery that has another attempt coming."""

    webhook_id: str
    delivery_id: str
    organization: str
    event: str
    test: int
    epoch: int
    accepted_at: int
    due_at: int
    lease_until: int | None
    """None: free. Else ms of the clock that the adapter measures leases by."""
    lease: int
    idle_leases: int
    attempts: int
    retries_used: int
    retry_at: int | None
    replay: int
    finished: int

    @property
    def event_id(self) -> str:
        """The event's id, which is a part of the delivery's (see `ids.delivery_id`)."""
        return event_of(self.delivery_id)

    def stopped(self, epoch: int) -> bool:
        """Whether its webhook, which is at `epoch` now, stopped being active after this began."""
        return self.epoch not in (epoch, TEST_EPOCH)


class SettledRow(msgspec.Struct, array_like=True, gc=False):
    """A row of `delivery`: a delivery that has an outcome."""

    organization: str
    id: str
    webhook_id: str
    event: str
    status: str
    test: int
    attempts: int
    lease: int
    accepted_at: int
    settled_at: int


def ended(row: PendingRow, status: str, now: int) -> SettledRow:
    """The outcome of a delivery that ends without another attempt."""
    return SettledRow(
        row.organization,
        row.delivery_id,
        row.webhook_id,
        row.event,
        status,
        row.test,
        row.attempts,
        row.lease,
        row.accepted_at,
        now,
    )


def event_of(delivery_id: str) -> str:
    """The id of a delivery's event."""
    return f"evt_{delivery_id[4:-4]}"


def attempt_row(item: Settlement) -> tuple[object, ...]:
    """An attempt in the order of the columns of `attempt`, from `id` to `response_body`."""
    delivery, record = item.delivery, item.record
    exchange = record.exchange
    timings = exchange.timings
    return (
        record.id,
        delivery.organization,
        delivery.webhook_id,
        delivery.id,
        delivery.event,
        delivery.attempt,
        delivery.trigger,
        record.outcome,
        exchange.started_at,
        exchange.duration_ms,
        timings.dns_ms,
        timings.connect_ms,
        timings.tls_ms,
        timings.first_byte_ms,
        timings.reconnected,
        exchange.status,
        exchange.reason,
        record.error_kind,
        record.error_message,
        record.error_code,
        exchange.failure.phase if exchange.failure else "",
        exchange.truncated,
        record.url,
        record.request_head,
        exchange.response_head,
        exchange.response_body,
    )
