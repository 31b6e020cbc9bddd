"""Lanes: every webhook of which a node has had work, and how accepted work is leased to it."""

import itertools
from typing import Final

from winnerr_webhooks.domain.event import LeasedDelivery
from winnerr_webhooks.pipeline.lane import Lane
from winnerr_webhooks.pipeline.memory import Memory
from winnerr_webhooks.storage.values import LeaseTerms

MAX_LANES: Final = 10_000
"""Lanes kept although they are idle; beyond that the longest idle go."""


class Lanes(dict[str, Lane]):
    """Lanes by webhook id; those without room for accepted deliveries are noted."""

    def __init__(self, memory: Memory, *, concurrency: int, lease_seconds: float) -> None:
        super().__init__()
        self._memory = memory
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds
        self._full: set[str] = set()
        self._terms: LeaseTerms | None = None

    def terms(self) -> LeaseTerms:
        """The lease terms of the next accept: its deliveries for full lanes are not leased."""
        if self._terms is None:
            self._terms = LeaseTerms(seconds=self._lease_seconds, full=frozenset(self._full))
        return self._terms

    def of(self, delivery: LeasedDelivery) -> Lane:
        """The lane of a delivery's webhook."""
        lane = self.get(delivery.webhook_id)
        if lane is None:
            share = self._memory.join(delivery.organization)
            lane = self[delivery.webhook_id] = Lane(delivery.webhook_id, self._concurrency, share)
        return lane

    def note_full(self, lane: Lane) -> None:
        """This lane has no room for accepted deliveries."""
        if lane.webhook_id not in self._full:
            self._full.add(lane.webhook_id)
            self._terms = None

    def note_room(self, lane: Lane) -> None:
        """This lane has room for accepted deliveries."""
        if lane.webhook_id in self._full:
            self._full.discard(lane.webhook_id)
            self._terms = None
            lane.backlog = True  # what found no room here waits in the database

    def drop(self, lane: Lane) -> None:
        """Forget a lane; it holds nothing."""
        self.pop(lane.webhook_id, None)
        self._memory.leave(lane)
        if lane.webhook_id in self._full:
            self._full.discard(lane.webhook_id)
            self._terms = None

    def drop_idle(self) -> None:
        """Forget the longest idle lanes beyond MAX_LANES."""
        surplus = len(self) - MAX_LANES
        if surplus > 0:
            idle = [lane for lane in self.values() if lane.idle]
            idle.sort(key=lambda lane: lane.idle_since)
            for lane in itertools.islice(idle, surplus):
                self.drop(lane)
