"""Rows of the hot tables as values: what both adapters read, move and write.

Each struct's fields are in the order of its table's columns.
"""

from typing import Final

import msgspec

from winnerr_webhooks.storage.values import Settlement

TEST_EPOCH: Final = -1
"""Of test deliveries: they are sent whatever the webhook's status."""


class Waiting(msgspec.Struct, array_like=True, gc=False):
    """A row of `pending`: a delivery that still has an attempt coming."""

    webhook_id: str
    delivery_id: str
    organization: str
    event: str
    test: int
    epoch: int
    accepted_at: int
    due_at: int
    lease_until: int | None
    """None: free. Else ms of the clock this adapter measures leases by."""
    lease: int
    idle_leases: int
    attempts: int
    retries_used: int
    retry_at: int | None
    replay: int
    finished: int

    @property
    def event_id(self) -> str:
        """The event, from the delivery's id (see `ids.delivery_id`)."""
        return event_of(self.delivery_id)

    def stopped(self, epoch: int) -> bool:
        """Whether its webhook stopped being active (it is at `epoch`) after this was asked for."""
        return self.epoch not in (epoch, TEST_EPOCH)


class Past(msgspec.Struct, array_like=True, gc=False):
    """A row of `delivery`: one that has an outcome."""

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


class Run(msgspec.Struct, array_like=True, gc=False):
    """What settling needs of a webhook: its status, and its run of failures."""

    webhook_id: str
    organization: str
    status: str
    version: int
    epoch: int
    failing_since: int | None
    failures: int


def outcome_of(row: Waiting, status: str, now: int) -> Past:
    """The outcome of a delivery that ends without an attempt."""
    return Past(
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
