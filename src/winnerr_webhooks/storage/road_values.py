"""Values of the road: what a node claims, leases and settles."""

from collections.abc import Mapping, Sequence

import msgspec

from winnerr_webhooks.domain.attempt import AttemptRecord
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.verdict import Verdict


class LeaseTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How new deliveries are leased to the node that accepts them, which attempts them at once."""

    seconds: float
    full: Mapping[str, frozenset[str]] = msgspec.field(default_factory=dict)
    """Webhooks whose lane in this node has no room, by organization: their deliveries stay free."""


class Settlement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt, and what follows from it."""

    delivery: LeasedDelivery
    record: AttemptRecord
    verdict: Verdict
    by_listener: bool = False
    """Whether a listener made it: it is logged with the trigger `listen`, and it counts neither in
    health figures nor in the streak of failures."""


class Settled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The result of settling one batch."""

    disabled: tuple[str, ...] = ()
    """Webhooks this batch disabled: by a 410, or by days of nothing but failures."""
    is_due: bool = False
    """Whether something is due now because of this batch: a replay that was asked for during one of
    these attempts, or the next delivery of an order."""

    @classmethod
    def merge(cls, parts: "Sequence[Settled]") -> "Settled":
        """Return the result of a batch that was settled in parts."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            disabled=tuple(id_ for part in parts for id_ in part.disabled),
            is_due=any(part.is_due for part in parts),
        )


class DueLane(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A webhook with deliveries in the database that are due and leased to nobody."""

    webhook_id: str
    organization: str
    due_at: int
    """When the first of them was due, ms."""


class DuePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of due lanes."""

    lanes: list[DueLane]
    """Longest due first. The next page begins after the last of them."""
    next_due_in: float | None
    """Seconds until the next lane becomes due. If no other lane will, None."""


class News(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which kinds of work wait in the database, whichever node left them."""

    is_due: bool
    """Whether a lane is due."""
    has_jobs: bool
    """Whether a job or a rehearsal waits."""
    outbox_waits: bool
    """Whether an event waits in the outbox."""
    change_mark: int
    """It grows with every change of a webhook."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries a node takes a lease on."""

    lease_seconds: float
    limits: dict[str, int]
    """How many due deliveries to take of each webhook at most, by webhook id."""
    max_bytes: int
    """Stop after the delivery whose body crosses this sum."""
    bytes_left: dict[str, int] = {}
    """By organization: stop after its delivery whose body crosses this sum. An organization that
    is not named may have all of `max_bytes`."""


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """Due deliveries, leased to the caller."""

    deliveries: list[LeasedDelivery]
    backlogged: frozenset[str] = frozenset()
    """Those webhooks in `limits` of which more is due than was leased."""
