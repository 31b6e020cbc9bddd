"""The verdict on an exchange: what the delivery does next, and what becomes of the webhook."""

import msgspec


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What follows from one attempt."""

    happened: str
    """One of `domain.delivery`'s SUCCESS, RETRY, EXHAUSTED, REPLAY_FAILED."""
    retry_in: float | None = None
    """Seconds until the next automatic attempt; set with RETRY only."""
    error_kind: str | None = None
    error_message: str = ""
    error_code: str = ""
    disable: str | None = None
    """Why the webhook is disabled by this answer (410), as its `statusReason`."""
    hold_lane: float = 0.0
    """Seconds the receiver asked everyone to stay away (Retry-After)."""
    congested: bool = False
    """The receiver is slow or overloaded: the lane's window is halved."""
