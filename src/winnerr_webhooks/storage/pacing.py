"""Turns: when the attempts of a webhook with a rate limit may begin. Pure.

The deliveries of such a webhook are never leased when they are accepted. A claim takes a turn for
each delivery that it leases, a little ahead of time. So attempts begin at even intervals, however
often nodes claim. The database has the next free turn of each webhook, so the rate is that of all
nodes together. The turns of a node that dies are lost: there is no burst of attempts to make up for
them.

Instants are milliseconds of the database's clock.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from winnerr_webhooks.storage.delivery_rows import PendingRow
from winnerr_webhooks.storage.road_values import Claim, Claimed

AHEAD_MS: Final = 1_000.0
"""How far ahead turns are taken, at most. A node that dies loses the turns of that time."""
RECLAIM_MS: Final = 500.0
"""A lane is due again this long before its next free turn: a claim may be late by as much."""


class Pace(NamedTuple):
    """The rate limit of a webhook, and where its turns are."""

    per_second: float
    next_turn_at: float | None
    """The next free turn; None: there was none yet."""

    @property
    def interval(self) -> float:
        """The milliseconds from one turn to the next."""
        return 1000 / self.per_second

    def first(self, now: float) -> float:
        """Return the next turn that is not in the past."""
        return max(self.next_turn_at or now, now)

    def turns(self, now: float) -> int:
        """Return how many turns can be taken now."""
        return max(math.floor((now + AHEAD_MS - self.first(now)) / self.interval) + 1, 0)

    def after(self, taken: int, now: float) -> "Pace":
        """Return the pace once so many turns are taken."""
        return self._replace(next_turn_at=self.first(now) + taken * self.interval)

    @property
    def claim_at(self) -> int:
        """When to claim again, at the earliest."""
        return math.ceil((self.next_turn_at or 0) - RECLAIM_MS)


class TakenTurns(NamedTuple):
    """The turns that a claim takes."""

    waits: dict[str, float]
    """Milliseconds from now until each delivery's turn, by delivery."""
    paces: dict[str, Pace]
    """The paces from now on, of all paced webhooks of the claim."""
    used_up: frozenset[str]
    """Webhooks without a further turn now."""

    def claim_at(self, webhook_id: str) -> int:
        """Return when to claim again for a webhook, at the earliest; 0: at any time."""
        return self.paces[webhook_id].claim_at if webhook_id in self.used_up else 0

    def with_turns(self, claimed: Claimed, began: float) -> Claimed:
        """Return the claim with the turn of each delivery; `began` is `now` as monotonic time."""
        if not self.paces:
            return claimed
        for delivery in claimed.deliveries:
            wait = self.waits.get(delivery.id)
            if wait is not None:
                delivery.turn_at = began + wait / 1000
        return replace(claimed, backlogged=claimed.backlogged - self.used_up)


def within_turns(claim: Claim, paces: Mapping[str, Pace], now: float) -> Claim:
    """Return a claim that asks for no more deliveries than there are turns."""
    if not paces:
        return claim
    limits = {
        webhook_id: min(limit, paces[webhook_id].turns(now)) if webhook_id in paces else limit
        for webhook_id, limit in claim.limits.items()
    }
    return replace(claim, limits=limits)


def take_turns(rows: Iterable[PendingRow], paces: Mapping[str, Pace], now: float) -> TakenTurns:
    """Give a turn to each row of a paced webhook, in order."""
    waits: dict[str, float] = {}
    paces = dict(paces)
    for row in rows:
        pace = paces.get(row.webhook_id)
        if pace is not None:
            waits[row.delivery_id] = pace.first(now) - now
            paces[row.webhook_id] = pace.after(1, now)
    used_up = frozenset(id_ for id_, pace in paces.items() if not pace.turns(now))
    return TakenTurns(waits, paces, used_up)


def turn_rows(paces: Mapping[str, Pace]) -> Sequence[tuple[str, float]]:
    """Return the rows of `lane_turn` that paces make, in the order in which they are locked."""
    return sorted(
        (webhook_id, pace.next_turn_at)
        for webhook_id, pace in paces.items()
        if pace.next_turn_at is not None
    )
