"""Backlog: which lanes have work waiting in the database, and what the next claim asks for.

Storage knows which lanes are due. The backlog knows which of them have room: that depends on their
windows and queues, on pauses that receivers asked for, and on each organization's quota of memory.
A lane without room is skipped, and added again when it has room (docs/adr/0019).
"""

import asyncio
from collections.abc import Iterable, Mapping

from winnerr_webhooks.pipeline.allocation import Candidate, allocate
from winnerr_webhooks.pipeline.due_lanes import DueLanes
from winnerr_webhooks.pipeline.lane import FIRST_WINDOW, QUEUE_PER_WINDOW, Lane
from winnerr_webhooks.quotas import Budget
from winnerr_webhooks.storage.road_values import Claim, DueLane


class Backlog:
    """The lanes with work in the database, and the claims to make for them."""

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        memory: Budget,
        *,
        concurrency: int,
        lease_seconds: float,
    ) -> None:
        self.wakeup = asyncio.Event()
        """Set when there may be something to claim."""
        self.poll_requested = False
        """Whether the database may have due work that this backlog does not know about."""
        self.lease_seconds = lease_seconds
        self._lanes = lanes
        self._memory = memory
        self._first_window = min(FIRST_WINDOW, concurrency)
        self._due = DueLanes()

    def __len__(self) -> int:
        return len(self._due)

    def request_poll(self) -> None:
        """Poll soon, because something became due in the database."""
        self.poll_requested = True
        self.wakeup.set()

    def add(self, lane: Lane) -> None:
        """Add a lane that has work in the database, and room for it."""
        self._due.add(lane.webhook_id, lane.owner.organization, has_backlog=lane.has_backlog)
        self.wakeup.set()

    def add_due(self, due: Iterable[DueLane]) -> int:
        """Add lanes that are due in the database and have room; returns how many."""
        before = len(self._due)
        for one in due:
            lane = self._lanes.get(one.webhook_id)
            if lane is None or self.claim_allowance(lane) > 0:
                has_backlog = lane is not None and lane.has_backlog
                self._due.add(one.webhook_id, one.organization, has_backlog=has_backlog)
            else:
                lane.has_backlog = True
        return len(self._due) - before

    def next_claim(self, limit: int) -> Claim | None:
        """Return the next claim, for at most `limit` deliveries, if a lane has work and room."""
        lanes = self._due.take(limit, self._candidate)
        if not lanes:
            return None
        return Claim(
            lease_seconds=self.lease_seconds,
            limits=allocate(lanes, limit),
            max_bytes=self._memory.free,
            bytes_left={
                lane.organization: self._memory.free_for(lane.organization) for lane in lanes
            },
        )

    def claim_allowance(self, lane: Lane) -> int:
        """How many claimed deliveries a lane may queue, by its room and by the memory in use."""
        if lane.owner.memory.exhausted:
            return 0
        return lane.attempt_room if self._memory.under_pressure else lane.claim_room

    def fresh_allowance(self, lane: Lane) -> int:
        """How many accepted deliveries a lane may queue, by its room and by the memory in use."""
        if lane.owner.memory.exhausted:
            return 0
        return lane.attempt_room if self._memory.under_pressure else lane.fresh_room

    def allows_another(self, lane: Lane) -> bool:
        """Whether a lane may queue one more delivery of the commit that is being handed on."""
        if lane.owner.memory.exhausted:
            return False
        return lane.attempt_room > 0 if self._memory.under_pressure else lane.accepts_another

    def _candidate(self, webhook_id: str, organization: str) -> Candidate | None:
        lane = self._lanes.get(webhook_id)
        if lane is None:
            return self._new_lane(webhook_id, organization)
        room = self.claim_allowance(lane)
        if room <= 0:
            lane.has_backlog = True  # when it has room, it is added again
            return None
        return Candidate(webhook_id, organization, room, lane.has_backlog)

    def _new_lane(self, webhook_id: str, organization: str) -> Candidate | None:
        if self._memory.free_for(organization) <= 0:
            return None
        window = self._first_window
        room = window if self._memory.under_pressure else QUEUE_PER_WINDOW * window
        return Candidate(webhook_id, organization, room, has_backlog=False)
