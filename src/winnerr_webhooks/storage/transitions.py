"""How one settled attempt changes a delivery's rows. Pure: tested without a database.

`domain.delivery` has the states and which may follow on which. Here it is applied to two tables:
a delivery has a row in `pending`, or in `delivery`, or in both. Both means that it has an outcome
and that a replay of it waits.
"""

from dataclasses import dataclass

from winnerr_webhooks.domain.delivery import (
    CANCELLED,
    EXHAUSTED,
    FAILED,
    PENDING,
    REPLAY_FAILED,
    RETRY,
    SUCCESS,
    next_state,
)
from winnerr_webhooks.storage.delivery_rows import PendingRow, SettledRow
from winnerr_webhooks.storage.road_values import Settlement


@dataclass(slots=True)
class DeliveryRows:
    """The rows of one delivery: as they are stored and, after `transition`, as to be stored."""

    webhook_id: str
    pending: PendingRow | None
    settled: SettledRow | None
    test: bool
    stopped: bool
    """Whether its webhook has left `active` since: then the delivery counts as cancelled."""
    job: str | None = None
    """The report that counts the delivery when it ends, '' if none does; None: it has no pending
    row."""

    @property
    def status(self) -> str:
        """The delivery's state. One that retention has removed counts as failed."""
        if self.settled is not None:
            return self.settled.status
        if self.pending is None:
            return FAILED
        return CANCELLED if self.stopped else PENDING


def is_common_case(item: Settlement) -> bool:
    """Return whether a settlement may only need its row moved from `pending` to `delivery`.

    That is a success of an automatic attempt or a test, unless a listener made it, a report counts
    the delivery, or it is in an order. The statement that moves the row also checks that the lease
    is the current one and that no replay waits.
    """
    delivery = item.delivery
    return (
        item.verdict.happened == SUCCESS
        and delivery.trigger != "replay"
        and not delivery.job
        and not item.by_listener
        and delivery.order_key is None
    )


def transition(rows: DeliveryRows, item: Settlement, now: int) -> bool:
    """Apply one settled attempt to the rows; return whether it exhausted the delivery's retries."""
    before = rows.status
    pending, settled = rows.pending, rows.settled
    has_lease = pending is not None and pending.lease == item.delivery.lease
    happened = _happened(item, test=rows.test)
    counts = has_lease or happened == SUCCESS
    state = next_state(before, happened) if counts else before

    attempts = 1 + (pending.attempts if pending else settled.attempts if settled else 0)
    if pending is not None:
        pending.attempts = attempts
    if state != PENDING:
        settled_at = settled.settled_at if settled and state == before else now
        rows.settled = _outcome(rows, item, state, attempts, settled_at)
        if pending is not None:
            pending.finished = 1
            pending.retry_at = None
            pending.job = ""
    if pending is not None and counts:
        rows.pending = _remaining(
            pending, item, happened, now, has_lease=has_lease, stopped=rows.stopped
        )
    return before == PENDING and state == FAILED


def _happened(item: Settlement, *, test: bool) -> str:
    """Return the event for the state machine: a replay uses up no retry, and a test has none."""
    happened = item.verdict.happened
    if happened == SUCCESS:
        return SUCCESS
    if item.delivery.trigger == "replay":
        return REPLAY_FAILED
    return RETRY if happened == RETRY and not test else EXHAUSTED


def _outcome(
    rows: DeliveryRows, item: Settlement, state: str, attempts: int, settled_at: int
) -> SettledRow:
    delivery = item.delivery
    known = rows.pending or rows.settled
    return SettledRow(
        organization=delivery.organization,
        id=delivery.id,
        webhook_id=delivery.webhook_id,
        event=delivery.event,
        status=state,
        test=int(rows.test),
        attempts=attempts,
        lease=known.lease if known else delivery.lease,
        accepted_at=known.accepted_at if known else settled_at,
        settled_at=settled_at,
    )


def _remaining(
    row: PendingRow, item: Settlement, happened: str, now: int, *, has_lease: bool, stopped: bool
) -> PendingRow | None:
    """Return the pending row that remains, for a retry or for a replay requested meanwhile."""
    if stopped:
        row.replay = 0
    if not has_lease:  # a late success: the holder of the current lease settles the rest
        return row if row.replay else None
    if happened == RETRY and not row.finished:
        row.retries_used += 1
        row.retry_at = now + round((item.verdict.retry_in or 0) * 1000)
    if item.delivery.trigger == "replay" and row.replay == item.delivery.replay:
        row.replay = 0
    row.lease_until = None
    row.idle_leases = 0
    if row.replay:
        row.due_at = now
    elif row.retry_at is not None:
        row.due_at = row.retry_at
    else:
        return None
    return row
