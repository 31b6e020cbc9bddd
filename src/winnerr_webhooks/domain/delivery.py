"""A delivery: one event for one webhook, its states and the one table of their transitions.

A delivery is born `pending`, or `cancelled` when its webhook was paused or disabled just then.

    pending ── attempt succeeds ─────────────────────────────> delivered
       │ ^──── attempt fails, retries left
       ├────── attempt fails, no retries left;
       │       five leases without a settled attempt ────────> failed
       └────── webhook paused, disabled or deleted ──────────> cancelled

A success makes a delivery `delivered` from any state (a replay, or an attempt that was in flight
when its webhook was paused). Nothing leaves `delivered`.
"""

from typing import Final

PENDING: Final = "pending"
DELIVERED: Final = "delivered"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"

SUCCESS: Final = "success"
RETRY: Final = "retry"
EXHAUSTED: Final = "exhausted"
STOPPED: Final = "stopped"
REPLAY_FAILED: Final = "replay failed"

TRANSITIONS: Final[dict[tuple[str, str], str]] = {
    (PENDING, SUCCESS): DELIVERED,
    (PENDING, RETRY): PENDING,
    (PENDING, EXHAUSTED): FAILED,
    (PENDING, STOPPED): CANCELLED,
    (PENDING, REPLAY_FAILED): PENDING,
    (FAILED, SUCCESS): DELIVERED,
    (FAILED, REPLAY_FAILED): FAILED,
    (CANCELLED, SUCCESS): DELIVERED,
    (CANCELLED, REPLAY_FAILED): CANCELLED,
    (DELIVERED, SUCCESS): DELIVERED,
    (DELIVERED, REPLAY_FAILED): DELIVERED,
}
"""(state, what happened) -> state. What is not in it leaves the state as it is: the late answer
of an attempt whose lease is over moves nothing, unless it is a success."""

MAX_IDLE_LEASES: Final = 5
"""Leases in a row that ran out without a settled attempt, after which a delivery fails: an answer
that makes an attempt crash must not be asked for again for ever. A lease that ended with its
process does not count (docs/adr/0004)."""


def next_state(state: str, happened: str) -> str:
    """The state that follows; the same one where the table has no transition."""
    return TRANSITIONS.get((state, happened), state)
