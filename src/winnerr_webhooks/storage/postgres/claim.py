"""Due lanes, the claim of their deliveries, and repair of what was lost."""

from collections.abc import Sequence
from typing import NamedTuple

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.webhook import DELETED
from winnerr_webhooks.storage.postgres.database import Session
from winnerr_webhooks.storage.postgres.settle import drop_waiting, put_past, read_past
from winnerr_webhooks.storage.rows import TEST_EPOCH, Waiting
from winnerr_webhooks.storage.take import Taken, given_up, leased, take
from winnerr_webhooks.storage.values import Claim, Claimed, DueLane, DuePage

EXPIRED_SLICE = 2_000


class _Lane(NamedTuple):
    webhook_id: str
    version: int
    epoch: int
    status: str
    since: int


async def due_lanes(db: Session, after: DueLane | None, limit: int, now: int) -> DuePage:
    """A page of due lanes; see `Storage.due_lanes`."""
    since = (after.due_at, after.webhook_id) if after else (0, "")
    lanes = [DueLane(*row) for row in await db.rows("due_lanes", now, *since, limit)]
    waits = None
    if lanes and lanes[-1].due_at > now:  # the first that is not due yet
        waits = (lanes.pop().due_at - now) / 1000
    return DuePage(lanes=lanes, next_due_in=waits)


async def claim(db: Session, claim: Claim, expires: float, now: int) -> Claimed:
    """Take due deliveries; see `Storage.claim`. `expires` is monotonic."""
    lanes = [_Lane(*row) for row in await db.rows("lock_lanes", list(claim.places))]
    alive = [lane for lane in lanes if lane.status != DELETED]
    taken = await _take(db, alive, claim, now)
    bodies = await _lease(db, taken.rows, now + round(claim.lease_seconds * 1000))
    bodiless = [row for row in taken.rows if row.delivery_id not in bodies]
    await _give_up(db, taken.worn_out + bodiless, now)
    if alive:
        await db.run(
            "advance_lanes",
            [lane.webhook_id for lane in alive],
            [lane.epoch for lane in alive],
            [lane.since for lane in alive],
        )
    gone = [lane.webhook_id for lane in lanes if lane.status == DELETED]
    if gone:
        await db.run("drop_lanes", gone)
    versions = {lane.webhook_id: lane.version for lane in lanes}
    deliveries = [
        leased(row, bodies[row.delivery_id], versions[row.webhook_id], expires)
        for row in taken.rows
        if row.delivery_id in bodies
    ]
    return Claimed(deliveries=deliveries, backlogged=frozenset(taken.backlogged))


async def _take(db: Session, lanes: Sequence[_Lane], claim: Claim, now: int) -> Taken:
    """What of these lanes is due and fits."""
    if not lanes:
        return Taken([], [], set())
    asked = [(lane, epoch) for lane in lanes for epoch in (TEST_EPOCH, lane.epoch)]
    rows = await db.rows(
        "due_pending",
        [lane.webhook_id for lane, _ in asked],
        [epoch for _, epoch in asked],
        [lane.since for lane, _ in asked],
        [claim.places[lane.webhook_id] + 1 for lane, _ in asked],
        now,
    )
    due = [Waiting(*row[:16]) for row in rows]
    sizes = {row.event_id: max(given[16], 0) for row, given in zip(due, rows, strict=True)}
    return take(due, sizes, claim)


async def _lease(db: Session, rows: Sequence[Waiting], lease_until: int) -> dict[str, bytes]:
    """Write the leases; the bodies by delivery."""
    if not rows:
        return {}
    for row in rows:
        row.lease += 1
        row.idle_leases += 1
        row.lease_until = lease_until
    keys = sorted((row.webhook_id, row.delivery_id) for row in rows)
    events = [row.event_id for row in rows]
    found = await db.rows(
        "take",
        [key[0] for key in keys],
        [key[1] for key in keys],
        lease_until,
        min(events),
        max(events),
    )
    return {delivery_id: body for delivery_id, body in found}  # noqa: C416  records, not pairs


async def _give_up(db: Session, rows: Sequence[Waiting], now: int) -> None:
    """End deliveries that were leased too often for nothing."""
    finished = [(row.organization, row.delivery_id) for row in rows if row.finished]
    await put_past(db, given_up(rows, await read_past(db, finished), now))
    await drop_waiting(db, [(row.webhook_id, row.delivery_id) for row in rows])


async def release(db: Session, deliveries: Sequence[LeasedDelivery], now: int) -> dict[str, int]:
    """End leases that saw no attempt; when lanes are due for it."""
    rows = sorted((one.webhook_id, one.id, one.lease) for one in deliveries)
    freed = await db.rows("release", *map(list, zip(*rows, strict=True)), now)
    return {row[0]: now for row in freed}


async def free_expired(db: Session, now: int) -> tuple[int, dict[str, int]]:
    """One slice of the leases that ran out; how many, and when lanes are due for it."""
    rows = await db.rows("free_expired", now, EXPIRED_SLICE)
    lanes: dict[str, int] = {}
    for webhook_id, due_at in rows:
        lanes[webhook_id] = min(due_at, lanes.get(webhook_id, due_at))
    return len(rows), lanes


async def lost_lanes(db: Session) -> dict[str, int]:
    """Webhooks with free work that no lane tells of, and when it is due."""
    return {webhook_id: due_at for webhook_id, due_at in await db.rows("lost_lanes")}  # noqa: C416
