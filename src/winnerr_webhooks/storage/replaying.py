"""Replays, as far as they need no database: what they look for, and when they are refused."""

from typing import Final

from winnerr_webhooks.domain.delivery import CANCELLED, FAILED
from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.domain.webhook import ACTIVE, DELETED, DISABLED
from winnerr_webhooks.storage.rows import Past, Waiting, outcome_of
from winnerr_webhooks.storage.values import ReplayFilter

SLICE: Final = 1_000
"""Rows that a job looks at in one transaction."""


def statuses_of(query: ReplayFilter) -> list[str]:
    """The states a replay of many looks for."""
    both = [FAILED, CANCELLED]
    if query.failed_only:
        both.remove(CANCELLED)
    if query.cancelled_only:
        both.remove(FAILED)
    return both


def ask_again(row: Waiting, past: Past | None, epoch: int, now: int) -> Past | None:
    """Ask for a replay of a delivery that waits; the outcome to store first, if there is one.

    `epoch` is its webhook's. A row that is leased is replayed after the attempt under way.
    """
    outcome = None
    if row.stopped(epoch):  # cancelled by a pause that is over, ahead of the job that writes it
        if past is None:
            outcome = outcome_of(row, CANCELLED, now)
        row.finished, row.retry_at = 1, None
        row.epoch, row.idle_leases = epoch, 0
    row.replay += 1
    if row.lease_until is None:
        row.due_at = now
    return outcome


def unknown(delivery_id: str) -> NotFound:
    """There is nothing to replay."""
    return NotFound(f"There is no delivery {delivery_id}.")


def check_active(status: str) -> None:
    """`Conflict` unless a webhook of this status may be sent replays; it says what to do."""
    if status == ACTIVE:
        return
    if status == DELETED:
        raise Conflict("The webhook of this delivery was deleted, so it cannot be replayed.")
    if status == DISABLED:
        raise Conflict("The webhook is disabled: set it active again, then replay.")
    raise Conflict("The webhook is paused: set it active, then replay.")
