"""Claim on PostgreSQL: due lanes, leases on their deliveries, release and repair."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.webhook import DELETED
from winnerr_webhooks.storage.claim_selection import Selection, claimed, mark_leased, select
from winnerr_webhooks.storage.delivery_rows import TEST_EPOCH, PendingRow, event_of
from winnerr_webhooks.storage.ordering import (
    EXAMINED,
    RUN_LENGTH,
    choose_runs,
    held_keys,
    wake_next,
)
from winnerr_webhooks.storage.pacing import (
    Pace,
    take_turns,
    turn_rows,
    within_turns,
)
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession, columns
from winnerr_webhooks.storage.road_values import Claim, Claimed, DueLane, DuePage
from winnerr_webhooks.storage.settling import give_up

EXPIRED_SLICE = 2_000
"""Leases that are freed in one transaction."""
_PENDING_COLUMNS: Final = len(PendingRow.__struct_fields__)
"""`due_pending` finds these first, then the length of the body."""


class _Lane(NamedTuple):
    webhook_id: str
    version: int
    epoch: int
    status: str
    since: int
    rate_limit: float | None
    is_ordered: bool
    has_turns: bool


async def due_lanes(db: PostgresSession, after: DueLane | None, limit: int, now: int) -> DuePage:
    """Return a page of due lanes; see `Road.due_lanes`."""
    since = (after.due_at, after.webhook_id) if after else (0, "")
    lanes = [DueLane(*row) for row in await db.fetch("due_lanes", now, *since, limit)]
    waits = None
    if lanes and lanes[-1].due_at > now:  # the first that is not due yet
        waits = (lanes.pop().due_at - now) / 1000
    return DuePage(lanes=lanes, next_due_in=waits)


async def claim(
    db: PostgresSession, claim: Claim, expires: float, now: int, began: float
) -> Claimed:
    """Take due deliveries; see `Road.claim`.

    `expires` is monotonic, and `began` is the monotonic instant that is `now`.
    """
    lanes = [_Lane(*row) for row in await db.fetch("lock_lanes", list(claim.limits))]
    alive = [lane for lane in lanes if lane.status != DELETED]
    paces = await _locked_paces(db, alive)
    selected = await _select(db, alive, within_turns(claim, paces, now), now)
    bodies = await _lease(db, selected.rows, now + round(claim.lease_seconds * 1000))
    bodiless = [row for row in selected.rows if row.event_id not in bodies]
    await give_up(db, selected.worn_out + bodiless, now)
    await wake_next(db, selected.worn_out + bodiless, now)
    turns = take_turns(selected.rows, paces, now)
    await db.execute_many("put_turns", turn_rows(turns.paces))
    if alive:
        lanes_now = [
            (lane.webhook_id, lane.epoch, lane.since, turns.claim_at(lane.webhook_id))
            for lane in alive
        ]
        await db.execute_many("advance_lanes", lanes_now)
    gone = [lane.webhook_id for lane in lanes if lane.status == DELETED]
    if gone:
        await db.execute("drop_lanes", webhooks=gone)
    versions = {lane.webhook_id: lane.version for lane in lanes}
    return turns.with_turns(claimed(selected, bodies, versions, expires), began)


async def _locked_paces(db: PostgresSession, lanes: Sequence[_Lane]) -> dict[str, Pace]:
    """Lock the turns of these lanes, and return the paces of those that have a rate limit."""
    limits = {lane.webhook_id: lane.rate_limit for lane in lanes if lane.has_turns}
    if not limits:
        return {}
    turns = await db.fetch("lock_turns", webhooks=list(limits))
    next_turns: dict[str, float] = {row["webhook_id"]: row["next_turn_at"] for row in turns}
    return {
        webhook_id: Pace(limit, next_turns.get(webhook_id))
        for webhook_id, limit in limits.items()
        if limit is not None
    }


async def _select(db: PostgresSession, lanes: Sequence[_Lane], claim: Claim, now: int) -> Selection:
    """Select what is due in these lanes and fits."""
    asked = [
        (lane.webhook_id, epoch, lane.since, _most(lane, claim))
        for lane in lanes
        for epoch in (TEST_EPOCH, lane.epoch)
        if claim.limits[lane.webhook_id]  # else it has no turn now
    ]
    if not asked:
        return Selection([], [], set())
    rows = await db.fetch("due_pending", *columns(asked), now)
    due = [PendingRow(*row[:_PENDING_COLUMNS]) for row in rows]
    sizes = {
        row.event_id: max(given[_PENDING_COLUMNS], 0) for row, given in zip(due, rows, strict=True)
    }
    keys = held_keys(due)
    if not keys:
        return select(due, sizes, claim)
    found = await db.fetch("key_heads", *columns(keys), most=RUN_LENGTH)
    heads = [PendingRow(*row[:_PENDING_COLUMNS]) for row in found]
    sizes |= {
        row.event_id: max(given[_PENDING_COLUMNS], 0)
        for row, given in zip(heads, found, strict=True)
    }
    chosen = choose_runs(due, heads, now)
    selected = select(chosen.due, sizes, claim)
    await db.execute_many("set_due", chosen.due_rows(selected.rows, now))
    return selected


def _most(lane: _Lane, claim: Claim) -> int:
    """Return how many due deliveries to read: one more than may be leased, to see if there are."""
    most = claim.limits[lane.webhook_id] + 1
    return max(most, EXAMINED) if lane.is_ordered else most


async def _lease(
    db: PostgresSession, rows: Sequence[PendingRow], lease_until: int
) -> dict[str, bytes]:
    """Write the leases, and return the bodies by event."""
    if not rows:
        return {}
    mark_leased(rows, lease_until)
    keys = sorted((row.webhook_id, row.delivery_id) for row in rows)
    events = [row.event_id for row in rows]
    found = await db.fetch("lease", *columns(keys), lease_until, min(events), max(events))
    return {event_of(delivery_id): body for delivery_id, body in found}


async def release(db: PostgresSession, deliveries: Sequence[LeasedDelivery], now: int) -> None:
    """End leases that saw no attempt; see `Road.release`."""
    rows = sorted((one.webhook_id, one.id, one.lease) for one in deliveries)
    freed = await db.fetch("release", *columns(rows), now)
    await db.lower_lanes({row[0]: now for row in freed})


async def free_expired(db: PostgresSession, now: int) -> int:
    """Free one slice of the leases that ran out; return how many."""
    rows = await db.fetch("free_expired", now, EXPIRED_SLICE)
    for webhook_id, due_at in rows:
        await db.lower_lanes({webhook_id: due_at})
    return len(rows)


async def find_lost_lanes(db: PostgresSession) -> int:
    """Find webhooks that have free work but no lane, and wake their lanes; return how many."""
    lost = await db.fetch("lost_lanes")
    await db.lower_lanes({webhook_id: due_at for webhook_id, due_at in lost})  # noqa: C416
    return len(lost)
