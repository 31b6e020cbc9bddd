"""Lanes: the lanes of a node by webhook, and which of them have room for accepted deliveries."""

import itertools
from collections.abc import Callable, Iterable
from typing import Final

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.pipeline.lane import Lane, LaneOwner
from winnerr_webhooks.quotas import Budget
from winnerr_webhooks.storage.road_values import LeaseTerms

MAX_LANES: Final = 10_000
"""Lanes that are kept; beyond that, the ones that are idle for longest are dropped."""


class Lanes(dict[str, Lane]):
    """Lanes by webhook id; those without room for accepted deliveries are noted.

    `on_room_change` is called with each lane whose room may have changed because of the memory
    that other lanes use.
    """

    def __init__(
        self,
        memory: Budget,
        on_room_change: Callable[[Lane], None],
        *,
        concurrency: int,
        lease_seconds: float,
    ) -> None:
        super().__init__()
        self._memory = memory
        self._on_room_change = on_room_change
        self._owners: dict[str, LaneOwner] = {}
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds
        self._full: dict[str, dict[str, bool]] = {}
        """Lanes without room by organization, and whether an accept has used that since."""
        self._known_full: dict[str, frozenset[str]] = {}
        """Those of the organizations in which none has changed."""
        self._terms: LeaseTerms | None = None

    def terms(self) -> LeaseTerms:
        """Return the lease terms of the next accept: it leases no deliveries for full lanes."""
        if self._terms is None:
            for organization in self._full.keys() - self._known_full.keys():
                full = self._full[organization] = dict.fromkeys(self._full[organization], True)
                self._known_full[organization] = frozenset(full)
            self._terms = LeaseTerms(seconds=self._lease_seconds, full=self._known_full.copy())
        return self._terms

    def seconds_to_room(self, organizations: Iterable[str]) -> float | None:
        """Return how long until one of these organizations has room in all of its quick lanes.

        None if one of them has no quick lane; see `Lane.seconds_to_room`.
        """
        least = float("inf")
        for organization in organizations:
            owner = self._owners.get(organization)
            lanes = owner.lanes if owner is not None else ()
            seconds = [one for lane in lanes if (one := lane.seconds_to_room) is not None]
            if not seconds:
                return None
            least = min(least, max(seconds))
        return least

    def of(self, delivery: LeasedDelivery) -> Lane:
        """Return the lane of a delivery's webhook."""
        lane = self.get(delivery.webhook_id)
        if lane is None:
            owner = self._owner(delivery.organization)
            lane = self[delivery.webhook_id] = Lane(delivery.webhook_id, self._concurrency, owner)
        return lane

    def _owner(self, organization: str) -> LaneOwner:
        owner = self._owners.get(organization)
        if owner is None:
            owner = LaneOwner(organization, self._memory, self._on_room_change)
            self._owners[organization] = owner
        return owner

    def note_full(self, lane: Lane) -> None:
        """Note that a lane has no room for accepted deliveries any more."""
        lane.full = True
        self._full.setdefault(lane.owner.organization, {})[lane.webhook_id] = False
        self._forget_terms(lane)

    def note_room(self, lane: Lane) -> None:
        """Note that a lane has room for accepted deliveries again."""
        lane.full = False
        full = self._full.get(lane.owner.organization, {})
        if full.pop(lane.webhook_id, False):
            lane.has_backlog = True  # an accept may have left deliveries in the database
        if not full:
            self._full.pop(lane.owner.organization, None)
        self._forget_terms(lane)

    def _forget_terms(self, lane: Lane) -> None:
        self._known_full.pop(lane.owner.organization, None)
        self._terms = None

    def drop(self, lane: Lane) -> None:
        """Remove a lane that holds nothing."""
        self.pop(lane.webhook_id, None)
        lane.owner.lanes.discard(lane)
        if not lane.owner.lanes and lane.owner.organization in self._owners:
            del self._owners[lane.owner.organization]
            self._memory.untrack(lane.owner.memory)
        if lane.full:
            self.note_room(lane)

    def drop_idle(self) -> None:
        """Remove the longest idle lanes beyond MAX_LANES."""
        surplus = len(self) - MAX_LANES
        if surplus > 0:
            idle = [lane for lane in self.values() if lane.idle]
            idle.sort(key=lambda lane: lane.idle_since)
            for lane in itertools.islice(idle, surplus):
                self.drop(lane)
