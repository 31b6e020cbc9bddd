"""Memory: the bodies queued and under way on a node, in all and by organization.

A receiver that answers well but slowly never narrows its window, so nothing else would keep one
organization from holding all of a node's memory, and everybody else from being served. Each may
hold a share of it; while memory is tight the share is smaller, and lanes hold only what they can
attempt at once (docs/adr/0012).
"""

from collections.abc import Callable
from typing import Final

from winnerr_webhooks.budgets import Budget
from winnerr_webhooks.pipeline.lane import Lane, Share

TIGHT_SHARE: Final = 4
"""With more than half of the memory in use, an organization holds a quarter of its share."""


class Memory:
    """Counts bytes where deliveries come and go, and tells which lanes have room for more.

    `on_change` gets each lane whose room may have changed for what others hold. Both bounds end a
    quarter below where they begin, so that they are not crossed with every delivery.
    """

    def __init__(self, budget: Budget, on_change: Callable[[Lane], None]) -> None:
        self.held = 0
        self.tight = False
        self._size = budget.bound.limit
        self._half = self._size // 2
        self._largest_share = self._share = budget.bound.share
        self._on_change = on_change
        self._shares: dict[str, Share] = {}
        budget.measure(lambda: self.held)

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return self.held > self._size

    @property
    def free(self) -> int:
        """How many more bytes fit."""
        return max(self._size - self.held, 0)

    def left_of(self, organization: str) -> int:
        """How many more bytes of this organization fit."""
        share = self._shares.get(organization)
        if share is None:
            return self._share
        return 0 if share.spent else self._share - share.held

    def join(self, organization: str) -> Share:
        """The share of an organization, for one more lane of it."""
        share = self._shares.get(organization)
        if share is None:
            share = self._shares[organization] = Share(organization)
        return share

    def leave(self, lane: Lane) -> None:
        """Forget a lane; it holds nothing."""
        share = lane.share
        share.lanes.discard(lane)
        if not share.lanes:
            self._shares.pop(share.organization, None)

    def take(self, share: Share, size: int) -> None:
        """Count a body that has come."""
        share.held = held = share.held + size
        if held >= self._share and not share.spent:
            self._spend(share, spent=True)
        self.held = held = self.held + size
        if held > self._half and not self.tight:
            self._tighten(tight=True)

    def release(self, share: Share, size: int) -> None:
        """Count a body that has gone."""
        self.held -= size
        share.held -= size
        if share.spent and share.held * 4 <= self._share * 3:
            self._spend(share, spent=False)
        if self.tight and self.held * 4 <= self._half * 3:
            self._tighten(tight=False)

    def _spend(self, share: Share, *, spent: bool) -> None:
        share.spent = spent
        for lane in share.lanes:
            self._on_change(lane)

    def _tighten(self, *, tight: bool) -> None:
        self.tight = tight
        self._share = self._largest_share // (TIGHT_SHARE if tight else 1)
        for share in self._shares.values():
            self._spend(share, spent=share.held >= self._share)
