"""Claim by lane, and repair of what was lost."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from winnerr_webhooks.domain.event import LeasedDelivery
from winnerr_webhooks.domain.webhook import DELETED
from winnerr_webhooks.storage.postgres.database import Session
from winnerr_webhooks.storage.postgres.settle import drop_waiting, put_past, read_past
from winnerr_webhooks.storage.rows import TEST_EPOCH, Waiting
from winnerr_webhooks.storage.take import Taken, first_portion, given_up, leased, portions_of, take
from winnerr_webhooks.storage.values import Claim, Claimed

ROOM_POLL_SECONDS = 0.25
"""When only lanes without room have work due: room comes with answers, not with time."""
EXPIRED_SLICE = 2_000

_encode = msgspec.json.Encoder().encode


class _Lane(NamedTuple):
    webhook_id: str
    room: int
    version: int
    epoch: int
    status: str
    since: int


async def next_due_in(db: Session, room: dict[str, int], now: int) -> float | None:
    """Seconds until the next lane with room is due; see `Claimed.next_due_in`."""
    full = {webhook_id: 0 for webhook_id, places in room.items() if places <= 0}
    row = await db.row("next_lane", as_json(full), now)
    due_at, crowded = row
    waits = [] if due_at is None else [max(0.0, (due_at - now) / 1000)]
    return min(waits + [ROOM_POLL_SECONDS] * crowded, default=None)


async def claim(db: Session, claim: Claim, expires: float, now: int) -> Claimed:
    """Take due deliveries; see `Storage.claim`. `expires` is monotonic."""
    lanes = [
        _Lane(*row)
        for row in await db.rows(
            "due_lanes",
            as_json(claim.room),
            claim.default_room,
            now,
            claim.limit,
            claim.crowded,
        )
    ]
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
    left = dict(claim.room)
    for row in taken.rows:
        left[row.webhook_id] = left.get(row.webhook_id, claim.default_room) - 1
    return Claimed(
        deliveries=deliveries,
        next_due_in=await next_due_in(db, left, now),
        backlogged=frozenset(taken.backlogged),
    )


def as_json(value: object) -> str:
    """A list or an object as a bound JSON text."""
    return _encode(value).decode()


async def _take(db: Session, lanes: list[_Lane], claim: Claim, now: int) -> Taken:
    """What of the due lanes fits."""
    if not lanes:
        return Taken([], [], set())
    room = {lane.webhook_id: lane.room for lane in lanes}
    first = first_portion(room.values(), claim.limit)
    due, sizes = await _due(db, lanes, first, now)
    portions = portions_of(due, room, first, claim.limit)
    again = [lane for lane in lanes if portions[lane.webhook_id] > first]
    if again:
        rest, rest_sizes = await _due(db, again, max(portions.values()), now)
        due = [row for row in due if portions[row.webhook_id] <= first] + rest
        sizes |= rest_sizes
    return take(due, sizes, portions, claim)


async def _due(
    db: Session, lanes: Sequence[_Lane], portion: int, now: int
) -> tuple[list[Waiting], dict[str, int]]:
    """The first rows of each lane, and one more, which tells whether that is all; body sizes."""
    asked = [(lane, epoch) for lane in lanes for epoch in (TEST_EPOCH, lane.epoch)]
    rows = await db.rows(
        "due_pending",
        [lane.webhook_id for lane, _ in asked],
        [epoch for _, epoch in asked],
        [lane.since for lane, _ in asked],
        [min(lane.room, portion) + 1 for lane, _ in asked],
        now,
    )
    due = [Waiting(*row[:16]) for row in rows]
    return due, {row.event_id: max(given[16], 0) for row, given in zip(due, rows, strict=True)}


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
