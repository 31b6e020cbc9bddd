"""Due lanes, the claim of their deliveries, release of leases, and repair of what was lost."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from winnerr_webhooks.domain.delivery import LeasedDelivery
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
from winnerr_webhooks.storage.take import Taken, given_up, leased, take
from winnerr_webhooks.storage.values import Claim, Claimed, DueLane, DuePage


class _Lane(msgspec.Struct, array_like=True, gc=False):
    webhook_id: str
    version: int
    epoch: int
    status: str


_DUE = msgspec.json.Decoder(list[DueLane])
_LANES = msgspec.json.Decoder(list[_Lane])
_SIZES = msgspec.json.Decoder(list[tuple[str, int]])
_IDS = msgspec.json.Decoder(list[str])


def due_lanes(db: Connection, after: DueLane | None, limit: int, now: int) -> DuePage:
    """A page of due lanes; see `Storage.due_lanes`."""
    values = {
        "now": now,
        "after": after.due_at if after else 0,
        "after_id": after.webhook_id if after else "",
        "limit": limit,
    }
    lanes, due_at = db.row("due_lanes", values)
    return DuePage(
        lanes=_DUE.decode(lanes), next_due_in=None if due_at is None else (due_at - now) / 1000
    )


def claim(db: Connection, claim: Claim, expires: float, now: int) -> Claimed:
    """Take due deliveries; see `Storage.claim`. `expires` is monotonic."""
    lanes = db.json("lanes_to_claim", {"webhooks": as_json(list(claim.places))}, _LANES)
    alive = [lane for lane in lanes if lane.status != DELETED]
    taken = _take(db, alive, claim, now)
    lease_until = lease_end(expires)
    for row in taken.rows:
        row.lease += 1
        row.idle_leases += 1
        row.lease_until = lease_until
    put_waiting(db, taken.rows)
    _give_up(db, taken.worn_out, now)
    set_lanes(db, [(lane.webhook_id, lane.epoch) for lane in alive])
    _drop_lanes(db, claim.places.keys() - {lane.webhook_id for lane in alive})
    bodies = _bodies(db, taken.rows)
    versions = {lane.webhook_id: lane.version for lane in alive}
    return Claimed(
        deliveries=[
            leased(row, bodies[row.event_id], versions[row.webhook_id], expires)
            for row in taken.rows
        ],
        backlogged=frozenset(taken.backlogged),
    )


def _drop_lanes(db: Connection, webhook_ids: Iterable[str]) -> None:
    """Forget the lanes of webhooks that are gone."""
    gone = [(webhook_id, 0) for webhook_id in webhook_ids]
    if gone:
        db.run("drop_lanes", {"lanes": as_json(gone)})


def _take(db: Connection, lanes: Sequence[_Lane], claim: Claim, now: int) -> Taken:
    """What of these lanes is due and fits."""
    due = _due(db, lanes, claim, now)
    if not due:
        return Taken([], [], set())
    events = sorted({one.event_id for one in due})
    found = db.json("body_sizes", {"events": as_json(events)}, _SIZES)
    return take(due, dict(found), claim)


def _due(db: Connection, lanes: Sequence[_Lane], claim: Claim, now: int) -> list[Waiting]:
    """The first due deliveries of each lane: more than its places, if there are more.

    SQLite's LIMIT cannot differ from lane to lane within a statement, so each statement reads
    those lanes of which about as many are wanted.
    """
    asked: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for lane in lanes:
        most = 1 << claim.places[lane.webhook_id].bit_length()  # the power of two that is larger
        asked[most] += ((lane.webhook_id, TEST_EPOCH), (lane.webhook_id, lane.epoch))
    due: list[Waiting] = []
    for most, keys in asked.items():
        due += due_waiting(db, {"lanes": as_json(keys), "now": now, "most": most})
    return due


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


def release(db: Connection, deliveries: Sequence[LeasedDelivery], now: int) -> None:
    """End leases that saw no attempt, in one statement; see `Storage.release`."""
    given = [(one.webhook_id, one.id, one.lease) for one in deliveries]
    db.run("release", {"given": as_json(given), "now": now})
    lower_lanes(db, {one.webhook_id: now for one in deliveries})


def recover(db: Connection, longest_waits: Sequence[float], now: int) -> int:
    """Free all leases: whoever held them is dead; see `Storage.recover`."""
    webhooks = set(_IDS.decode(db.row("leased_webhooks")[0]))
    freed = db.run("free_all")
    waits = {"now": now, "waits": as_json([round(seconds * 1000) for seconds in longest_waits])}
    late = db.json("waits_too_long", waits, _IDS)
    if late:
        db.run("shorten_waits", waits)
    set_lanes_of(db, webhooks.union(late))
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
