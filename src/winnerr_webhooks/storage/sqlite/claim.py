"""Claim by lane, release of leases, and repair of what was lost."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from winnerr_webhooks.domain.event import LeasedDelivery
from winnerr_webhooks.domain.webhook import DELETED
from winnerr_webhooks.storage.rows import TEST_EPOCH, Waiting
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.rows import (
    as_json,
    due_waiting,
    lease_end,
    lower_lanes,
    put_past,
    put_waiting,
    read_past,
    set_lanes,
    set_lanes_of,
)
from winnerr_webhooks.storage.take import Taken, first_portion, given_up, leased, portions_of, take
from winnerr_webhooks.storage.values import Claim, Claimed

ROOM_POLL_SECONDS = 0.25
"""When only lanes without room have work due: room comes with answers, not with time."""


class _Lane(msgspec.Struct, array_like=True, gc=False):
    webhook_id: str
    room: int
    version: int
    epoch: int
    status: str


_LANES = msgspec.json.Decoder(list[_Lane])
_SIZES = msgspec.json.Decoder(list[tuple[str, int]])
_IDS = msgspec.json.Decoder(list[str])


def claim(db: Connection, claim: Claim, expires: float, now: int) -> Claimed:
    """Take due deliveries; see `Storage.claim`. `expires` is monotonic."""
    lanes = _due_lanes(db, claim, now)
    taken = _take(db, lanes, claim, now)
    lease_until = lease_end(expires)
    for row in taken.rows:
        row.lease += 1
        row.idle_leases += 1
        row.lease_until = lease_until
    put_waiting(db, taken.rows)
    _give_up(db, taken.worn_out, now)
    if lanes:
        set_lanes(db, [(one.webhook_id, one.epoch) for one in lanes if one.status != DELETED])
        gone = [(one.webhook_id, 0) for one in lanes if one.status == DELETED]
        if gone:
            db.run("drop_lanes", {"lanes": as_json(gone)})
    bodies = _bodies(db, taken.rows)
    versions = {lane.webhook_id: lane.version for lane in lanes}
    return Claimed(
        deliveries=[
            leased(row, bodies[row.event_id], versions[row.webhook_id], expires)
            for row in taken.rows
        ],
        next_due_in=_next_due_in(db, claim, taken.rows, now),
        backlogged=frozenset(taken.backlogged),
    )


def _due_lanes(db: Connection, claim: Claim, now: int) -> list[_Lane]:
    return db.json(
        "due_lanes",
        {
            "room": as_json(claim.room),
            "default_room": claim.default_room,
            "crowded": as_json(claim.crowded),
            "now": now,
            "limit": claim.limit,
        },
        _LANES,
    )


def _take(db: Connection, lanes: list[_Lane], claim: Claim, now: int) -> Taken:
    """What of the due lanes fits."""
    if not lanes:
        return Taken([], [], set())
    room = {lane.webhook_id: lane.room for lane in lanes}
    first = first_portion(room.values(), claim.limit)
    due = _due(db, lanes, first, now)
    portions = portions_of(due, room, first, claim.limit)
    again = [lane for lane in lanes if portions[lane.webhook_id] > first]
    if again:
        due = [row for row in due if portions[row.webhook_id] <= first]
        due += _due(db, again, max(portions.values()), now)
    events = sorted({one.event_id for one in due})
    found = db.json("body_sizes", {"events": as_json(events)}, _SIZES)
    return take(due, dict(found), portions, claim)


def _due(db: Connection, lanes: Sequence[_Lane], portion: int, now: int) -> list[Waiting]:
    """The first rows of each lane, and one more, which tells whether that is all."""
    asked = [
        (lane.webhook_id, epoch)
        for lane in lanes
        if lane.status != DELETED
        for epoch in (TEST_EPOCH, lane.epoch)
    ]
    values = {"lanes": as_json(asked), "now": now, "most": portion + 1}
    return due_waiting(db, values)


def _give_up(db: Connection, rows: Sequence[Waiting], now: int) -> None:
    """End deliveries that were leased too often for nothing."""
    finished = [(row.organization, row.delivery_id) for row in rows if row.finished]
    put_past(db, given_up(rows, read_past(db, finished), now))
    db.write_rows("drop_pending", [(row.webhook_id, row.delivery_id) for row in rows], 2)


def _bodies(db: Connection, rows: Sequence[Waiting]) -> dict[str, bytes]:
    """The bodies by event: one query, one value, cut apart here."""
    if not rows:
        return {}
    events = sorted({row.event_id for row in rows})
    lengths, joined = db.row("bodies", {"events": as_json(events)})
    bodies = {}
    start = 0
    for event_id, length in _SIZES.decode(lengths):
        bodies[event_id] = joined[start : start + length]
        start += length
    return bodies


def _next_due_in(db: Connection, claim: Claim, taken: Sequence[Waiting], now: int) -> float | None:
    left = dict(claim.room)
    for row in taken:
        left[row.webhook_id] = left.get(row.webhook_id, claim.default_room) - 1
    full = [webhook_id for webhook_id, room in left.items() if room <= 0]
    due_at, crowded = db.row("next_lane", {"full": as_json(full), "now": now})
    waits = [] if due_at is None else [max(0.0, (due_at - now) / 1000)]
    return min(waits + [ROOM_POLL_SECONDS] * crowded, default=None)


def release(db: Connection, deliveries: Sequence[LeasedDelivery], now: int) -> None:
    """End leases that saw no attempt, in one statement; see `Storage.release`."""
    given = [(one.webhook_id, one.id, one.lease) for one in deliveries]
    db.run("release", {"given": as_json(given), "now": now})
    lower_lanes(db, {one.webhook_id: now for one in deliveries})


def recover(db: Connection) -> int:
    """Free all leases: whoever held them is dead; see `Storage.recover`."""
    webhooks = _IDS.decode(db.row("leased_webhooks")[0])
    freed = db.run("free_all")
    set_lanes_of(db, webhooks)
    return freed


class Repairs(NamedTuple):
    """What a reader found out of order."""

    expired: list[tuple[str, str]]
    lanes: list[tuple[str, int]]


_KEYS = msgspec.json.Decoder(list[tuple[str, str]])


def find_repairs(db: Connection, now: float) -> Repairs:
    """Look through everything that waits; on a reader, so that nobody is held up.

    `now` is monotonic, here and in `repair`.
    """
    return Repairs(
        db.json("expired", {"now": lease_end(now)}, _KEYS), db.json("lost_lanes", (), _SIZES)
    )


def repair(db: Connection, found: Repairs, now: float) -> int:
    """Put right what was found, as far as it still is so; see `Storage.repair`."""
    freed = db.write_rows("free_expired", found.expired, 2, (lease_end(now),))
    set_lanes_of(db, {webhook_id for webhook_id, _ in found.expired})
    lower_lanes(db, dict(found.lanes))
    return freed + len(found.lanes)
