"""What one settled attempt does to its delivery's rows: pure, tested without a database.

`domain.delivery` has the states and their transitions; this is how they lie in two tables. A
delivery has a row in `pending` (Waiting), or in `delivery` (Past), or in both: then its outcome
stands and a replay of it waits.
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
from winnerr_webhooks.storage.rows import Past, Waiting
from winnerr_webhooks.storage.values import Settlement


@dataclass(slots=True)
class Whereabouts:
    """A delivery's rows, as they are now and, after `move`, as they shall be."""

    webhook_id: str
    waiting: Waiting | None
    past: Past | None
    test: bool
    stopped: bool
    """Its webhook stopped being active since: it counts as cancelled already."""

    @property
    def status(self) -> str:
        """The delivery's state. One that retention has forgotten counts as failed."""
        if self.past is not None:
            return self.past.status
        if self.waiting is None:
            return FAILED
        return CANCELLED if self.stopped else PENDING


def is_plain(item: Settlement) -> bool:
    """Whether a settlement may be the common case: its delivery leaves `pending` and is delivered.

    It is when the lease is the current one and no replay waits, which the statement itself sees.
    """
    return item.verdict.happened == SUCCESS and item.delivery.trigger != "replay"


def move(at: Whereabouts, item: Settlement, now: int) -> bool:
    """Change the rows by one settled attempt; whether it exhausted the delivery."""
    before = at.status
    waiting = at.waiting
    current = waiting is not None and waiting.lease == item.delivery.lease
    happened = _happened(item, test=at.test)
    state = next_state(before, happened) if current or happened == SUCCESS else before

    attempts = 1 + (waiting.attempts if waiting else at.past.attempts if at.past else 0)
    if waiting is not None:
        waiting.attempts = attempts
    if state != PENDING:
        settled_at = at.past.settled_at if at.past and state == before else now
        at.past = _outcome(at, item, state, attempts, settled_at)
        if waiting is not None:
            waiting.finished = 1
            waiting.retry_at = None
    if waiting is not None and (current or happened == SUCCESS):
        at.waiting = _next(waiting, item, happened, now, current=current, stopped=at.stopped)
    return before == PENDING and state == FAILED


def _happened(item: Settlement, *, test: bool) -> str:
    """What the transition table is asked about: a replay never uses up a retry, a test has none."""
    happened = item.verdict.happened
    if happened == SUCCESS:
        return SUCCESS
    if item.delivery.trigger == "replay":
        return REPLAY_FAILED
    return RETRY if happened == RETRY and not test else EXHAUSTED


def _outcome(at: Whereabouts, item: Settlement, state: str, attempts: int, settled_at: int) -> Past:
    delivery, waiting, past = item.delivery, at.waiting, at.past
    return Past(
        organization=delivery.organization,
        id=delivery.id,
        webhook_id=delivery.webhook_id,
        event=delivery.event,
        status=state,
        test=int(at.test),
        attempts=attempts,
        lease=waiting.lease if waiting else past.lease if past else delivery.lease,
        accepted_at=(waiting.accepted_at if waiting else past.accepted_at if past else settled_at),
        settled_at=settled_at,
    )


def _next(
    waiting: Waiting,
    item: Settlement,
    happened: str,
    now: int,
    *,
    current: bool,
    stopped: bool,
) -> Waiting | None:
    """The waiting row that remains: of a retry, or of a replay that was asked for meanwhile."""
    if stopped:
        waiting.replay = 0
    if not current:  # a late success: whoever holds the lease now settles what is left
        return waiting if waiting.replay else None
    if happened == RETRY and not waiting.finished:
        waiting.retries_used += 1
        waiting.retry_at = now + round((item.verdict.retry_in or 0) * 1000)
    if item.delivery.trigger == "replay" and waiting.replay == item.delivery.replay:
        waiting.replay = 0
    waiting.lease_until = None
    waiting.idle_leases = 0
    if waiting.replay:
        waiting.due_at = now
    elif waiting.retry_at is not None:
        waiting.due_at = waiting.retry_at
    else:
        return None
    return waiting
