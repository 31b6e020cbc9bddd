"""Allocation: how many deliveries of each due lane the next claim may take.

Organizations take turns, and so do the lanes of an organization. So neither an organization with
many lanes nor a lane with an old backlog keeps the others waiting (docs/adr/0019).
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

QUIET_PLACES: Final = 4
"""Most places for a lane without a known backlog, while another candidate has one. A new lane
attempts as many at once. Most such lanes have one retry due; the backlog gets the other places."""


class Candidate(NamedTuple):
    """A lane that has work due and room for it."""

    webhook_id: str
    organization: str
    room: int
    """How many deliveries it can take on; more than 0."""
    has_backlog: bool
    """Whether it is known to have more due than fits."""


def allocate(lanes: Sequence[Candidate], limit: int) -> dict[str, int]:
    """Return how many each webhook may take, at most `limit` in all, given out one at a time."""
    crowded = any(lane.has_backlog for lane in lanes)
    wanted = {
        lane.webhook_id: min(lane.room, QUIET_PLACES)
        if crowded and not lane.has_backlog
        else lane.room
        for lane in lanes
    }
    if sum(wanted.values()) <= limit:
        return wanted
    if len(wanted) == 1:
        return dict.fromkeys(wanted, limit)
    rings: dict[str, deque[str]] = {}
    for lane in lanes:
        rings.setdefault(lane.organization, deque()).append(lane.webhook_id)
    limits: dict[str, int] = {}
    turns = deque(rings.values())
    for _ in range(limit):
        ring = turns.popleft()
        webhook_id = ring.popleft()
        limits[webhook_id] = limits.get(webhook_id, 0) + 1
        if limits[webhook_id] < wanted[webhook_id]:
            ring.append(webhook_id)
        if ring:
            turns.append(ring)
    return limits
