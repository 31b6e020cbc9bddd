"""The rules of replays, as far as they need no database."""

from typing import Final

from winnerr_webhooks.domain.delivery import CANCELLED, FAILED
from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.domain.webhook import ACTIVE, DELETED, DISABLED
from winnerr_webhooks.storage.delivery_rows import PendingRow, SettledRow, ended
from winnerr_webhooks.storage.values import ReplayFilter

SLICE: Final = 1_000
"""Rows that a job examines in one transaction."""


def statuses_of(query: ReplayFilter) -> list[str]:
    """The states that a replay of many looks for."""
    both = [FAILED, CANCELLED]
    if query.failed_only:
        both.remove(CANCELLED)
    if query.cancelled_only:
        both.remove(FAILED)
    return both


def request_replay(
    row: PendingRow, settled: SettledRow | None, epoch: int, now: int
) -> SettledRow | None:
    """Request a replay in a pending row; the outcome to store first, if there is one.

    `epoch` is its webhook's. A row that is leased is replayed after the attempt under way.
    """
    outcome = None
    if row.stopped(epoch):  # cancelled by a pause that is over, but not yet by the pause's job
        if settled is None:
            outcome = ended(row, CANCELLED, now)
        row.finished, row.retry_at = 1, None
        row.epoch, row.idle_leases = epoch, 0
    row.replay += 1
    if row.lease_until is None:
        row.due_at = now
    return outcome


def no_delivery(delivery_id: str) -> NotFound:
    """The error when there is nothing to replay."""
    return NotFound(f"There is no delivery {delivery_id}.")


def check_active(status: str) -> None:
    """`Conflict`, which says what to do, unless a webhook of this status can be sent replays."""
    if status == ACTIVE:
        return
    if status == DELETED:
        raise Conflict("The webhook of this delivery was deleted, so it cannot be replayed.")
    if status == DISABLED:
        raise Conflict("The webhook is disabled: set it active again, then replay.")
    raise Conflict("The webhook is paused: set it active, then replay.")
