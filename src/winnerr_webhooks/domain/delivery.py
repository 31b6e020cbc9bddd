"""A delivery: one event for one webhook. Its states and the table of their transitions.

A delivery starts as `pending`, or as `cancelled` if its webhook is paused or disabled.

    pending ── attempt succeeds ─────────────────────────────> delivered
       │ ^──── attempt fails, retries left
       ├────── attempt fails, no retries left;
       │       five leases without a settled attempt ────────> failed
       └────── webhook paused, disabled or deleted, or
               the delivery skipped ─────────────────────────> cancelled

A success changes any state to `delivered`: of a replay, or of an attempt that was in flight when
the webhook was paused. `delivered` is final. A recovery makes a failed or cancelled delivery
pending again, with its whole retry schedule.
"""

from typing import Final

import msgspec

PENDING: Final = "pending"
DELIVERED: Final = "delivered"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"

SUCCESS: Final = "success"
RETRY: Final = "retry"
EXHAUSTED: Final = "exhausted"
STOPPED: Final = "stopped"
REPLAY_FAILED: Final = "replay failed"
RECOVERED: Final = "recovered"

TRANSITIONS: Final[dict[tuple[str, str], str]] = {
    (PENDING, SUCCESS): DELIVERED,
    (PENDING, RETRY): PENDING,
    (PENDING, EXHAUSTED): FAILED,
    (PENDING, STOPPED): CANCELLED,
    (PENDING, REPLAY_FAILED): PENDING,
    (FAILED, SUCCESS): DELIVERED,
    (FAILED, RECOVERED): PENDING,
    (FAILED, REPLAY_FAILED): FAILED,
    (CANCELLED, SUCCESS): DELIVERED,
    (CANCELLED, RECOVERED): PENDING,
    (CANCELLED, REPLAY_FAILED): CANCELLED,
    (DELIVERED, SUCCESS): DELIVERED,
    (DELIVERED, REPLAY_FAILED): DELIVERED,
}
"""(state, what happened) -> next state. Storage cancels and recovers many deliveries in SQL, so
only tests ask for STOPPED and RECOVERED. A pair that is missing here changes nothing: a late result
of an attempt whose lease has expired counts only if it is a success."""

NOT_SENT_REASONS: Final = ("stopped", "paused", "disabled", "deleted", "unsubscribed")
"""Why a job does not send a delivery: the job was cancelled; the webhook was paused, disabled or
deleted; or the webhook no longer subscribes to the event type."""

MAX_IDLE_LEASES: Final = 5
"""A delivery fails after this many leases in a row that expired without a settled attempt, so that
a response that crashes the process is not requested forever. A lease that ended because its
process stopped does not count (docs/adr/0004)."""


class LeasedDelivery(msgspec.Struct, kw_only=True, gc=False):
    """A delivery that this node may attempt until its lease expires."""

    id: str
    event_id: str
    event: str
    organization: str
    webhook_id: str
    webhook_version: int
    """The webhook's version at the time of reading; a lane with an older one reloads it."""
    body: bytes
    trigger: str = "automatic"
    """`automatic`, `replay` or `test`. An attempt of a listener is logged as `listen`."""
    test: bool = False
    """Whether the event is a sample; a replayed test has the trigger `replay` and is a test."""
    attempt: int = 1
    """The number of the next attempt."""
    retries_used: int = 0
    """How many automatic attempts were made before."""
    lease: int = 1
    """The fencing token: settling changes the delivery only while the stored lease equals it."""
    replay: int = 0
    """Which replay request this attempt serves, so that a later request is not lost with it."""
    job: str = ""
    """The report that counts this delivery when it ends; empty: none."""
    expires: float = 0.0
    """When the lease expires, on the monotonic clock of the node that took it."""
    order_key: str | None = None
    """What it shares with those deliveries of its webhook that are sent one after the other
    (`domain.event_order`); None: it is in no order."""
    turn_at: float = 0.0
    """When its webhook's rate limit lets the attempt begin, on the same clock; 0: at once."""


def next_state(state: str, happened: str) -> str:
    """Return the state after `happened`, or the same state if there is no transition."""
    return TRANSITIONS.get((state, happened), state)
