"""Rows of the tables `pending`, `delivery` and `attempt`, as verbs read and write them.

Each struct's fields are in the order of its table's columns. 0 and 1 are booleans.
"""

from typing import Final

import msgspec

from winnerr_webhooks.storage.road_values import Settlement

TEST_EPOCH: Final = -1
"""The epoch of test deliveries, which are sent whatever the webhook's status."""


ATTEMPT_COLUMNS: Final = (
    "id", "organization", "webhook_id", "delivery_id", "event", "attempt", "trigger", "outcome",
    "started_at", "duration_ms", "dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "reconnected",
    "status", "reason", "error_kind", "error_message", "error_code", "error_phase", "truncated",
    "url", "request_head", "response_head", "response_body",
)  # fmt: skip
"""The columns of `attempt` in the order of `attempt_row`."""


class PendingRow(msgspec.Struct, array_like=True, gc=False):
    """A row of `pending`: a delivery with another attempt to come, automatic or a replay."""

    webhook_id: str
    delivery_id: str
    organization: str
    event: str
    test: int
    epoch: int
    """Its webhook's epoch when the delivery, or the latest replay, was requested. A webhook's epoch
    goes up when it leaves `active`; a row with an older epoch counts as cancelled."""
    accepted_at: int
    due_at: int
    """When the next attempt is due, ms: the first attempt, a retry (`retry_at`) or a replay."""
    lease_until: int | None
    """When the lease ends, ms of the clock that the adapter measures leases by; None: free."""
    lease: int
    """The number of the latest lease, which fences late settlements; 0: there was none."""
    idle_leases: int
    """Leases since the last settled attempt. `MAX_IDLE_LEASES` of them end the delivery."""
    attempts: int
    """Settled attempts, replays included."""
    retries_used: int
    retry_at: int | None
    """When the scheduled retry is due, ms; None: no retry is scheduled. It outlasts a replay that
    is due earlier."""
    replay: int
    """Counts requested replays; 0: none waits. An attempt of a replay clears it only if the number
    is still the one it was leased with, so that a replay requested meanwhile is sent too."""
    finished: int
    """1: the delivery has an outcome in `delivery`, and only a replay of it waits here."""
    job: str
    """The report that counts this delivery when it ends; '': none."""
    order_key: str | None = None
    """The deliveries of a webhook with one key are sent one after the other; None: in no order."""
    order_number: int | None = None
    """Its place among these, with its id: see `place`."""

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands in its order. Ids of one transaction are in the order of its events."""
        return self.order_number or 0, self.delivery_id

    @property
    def event_id(self) -> str:
        """The event's id, which is a part of the delivery's (see `ids.delivery_id`)."""
        return event_of(self.delivery_id)

    def stopped(self, epoch: int) -> bool:
        """Return whether its webhook, now at `epoch`, left `active` after this was requested."""
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
    """Return the outcome of a delivery that ends without another attempt."""
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
    """Return the id of a delivery's event."""
    return f"evt_{delivery_id[4:-4]}"


def attempt_row(item: Settlement) -> tuple[object, ...]:
    """Return an attempt as a row of `ATTEMPT_COLUMNS`."""
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
        "listen" if item.by_listener else delivery.trigger,
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
