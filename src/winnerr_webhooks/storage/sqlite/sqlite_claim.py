"""Claim on SQLite: due lanes, leases on their deliveries, release, recovery and repair."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.retry import longest_waits as longest_waits_of
from winnerr_webhooks.domain.retry import waits_of
from winnerr_webhooks.domain.webhook import DELETED
from winnerr_webhooks.storage.claim_selection import Selection, claimed, mark_leased, select
from winnerr_webhooks.storage.delivery_rows import TEST_EPOCH, PendingRow
from winnerr_webhooks.storage.ordering import (
    EXAMINED,
    RUN_LENGTH,
    choose_runs,
    held_keys,
    wake_next,
)
from winnerr_webhooks.storage.pacing import Pace, take_turns, turn_rows, within_turns
from winnerr_webhooks.storage.road_values import Claim, Claimed, DueLane, DuePage
from winnerr_webhooks.storage.settling import give_up, put_pending
from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection
from winnerr_webhooks.storage.sqlite.sqlite_rows import (
    as_json,
    drop_lanes,
    lease_end,
    lower_lanes,
    set_lanes,
    set_lanes_of,
)
from winnerr_webhooks.storage.sqlite.sqlite_session import SqliteSession
from winnerr_webhooks.storage.webhook_columns import schedule_of


class _Lane(msgspec.Struct, array_like=True, gc=False):
    webhook_id: str
    version: int
    epoch: int
    status: str
    rate_limit: float | None
    next_turn_at: float | None
    is_ordered: int


_DUE = msgspec.json.Decoder(list[DueLane])
_LANES = msgspec.json.Decoder(list[_Lane])
_PENDING = msgspec.json.Decoder(list[PendingRow])
_SIZES = msgspec.json.Decoder(list[tuple[str, int]])
_IDS = msgspec.json.Decoder(list[str])
_KEYS = msgspec.json.Decoder(list[tuple[str, str]])


def due_lanes(db: Connection, after: DueLane | None, limit: int, now: int) -> DuePage:
    """Return a page of due lanes; see `Road.due_lanes`."""
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


async def claim(db: SqliteSession, claim: Claim, expires: float, now: int, began: float) -> Claimed:
    """Take due deliveries; see `Road.claim`.

    `expires` is monotonic, and `began` is the monotonic instant that is `now`.
    """
    lanes = db.json("lanes_to_claim", {"webhooks": as_json(list(claim.limits))}, _LANES)
    alive = [lane for lane in lanes if lane.status != DELETED]
    paces = {
        lane.webhook_id: Pace(lane.rate_limit, lane.next_turn_at)
        for lane in alive
        if lane.rate_limit is not None
    }
    selected = await _select(db, alive, within_turns(claim, paces, now), now)
    mark_leased(selected.rows, lease_end(expires))
    await put_pending(db, selected.rows)
    await give_up(db, selected.worn_out, now)
    await wake_next(db, selected.worn_out, now)
    turns = take_turns(selected.rows, paces, now)
    await db.execute_many("put_turns", turn_rows(turns.paces))
    set_lanes(
        db, [(lane.webhook_id, lane.epoch, turns.claim_at(lane.webhook_id)) for lane in alive]
    )
    drop_lanes(db, list(claim.limits.keys() - {lane.webhook_id for lane in alive}))
    bodies = _bodies(db, selected.rows)
    versions = {lane.webhook_id: lane.version for lane in alive}
    return turns.with_turns(claimed(selected, bodies, versions, expires), began)


async def _select(db: SqliteSession, lanes: Sequence[_Lane], claim: Claim, now: int) -> Selection:
    """Return what of these lanes is due and fits."""
    due = _due(db, lanes, claim, now)
    if not due:
        return Selection([], [], set())
    keys = held_keys(due)
    if not keys:
        return select(due, _sizes(db, due), claim)
    heads = await db.fetch_many("key_heads", PendingRow, keys, most=RUN_LENGTH)
    chosen = choose_runs(due, heads, now)
    selected = select(chosen.due, _sizes(db, chosen.due), claim)
    await db.execute_many("set_due", chosen.due_rows(selected.rows, now))
    return selected


def _sizes(db: Connection, due: Sequence[PendingRow]) -> dict[str, int]:
    """Return the lengths of their bodies, by event."""
    events = sorted({one.event_id for one in due})
    found = db.json("body_sizes", {"events": as_json(events)}, _SIZES)
    return dict(found)


def _due(db: Connection, lanes: Sequence[_Lane], claim: Claim, now: int) -> list[PendingRow]:
    """Return the first due deliveries of each lane: one more than its limit, if there are more.

    SQLite's LIMIT cannot differ from lane to lane within a statement, so each statement reads
    those lanes of which about as many are wanted.
    """
    asked: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for lane in lanes:
        if not claim.limits[lane.webhook_id]:
            continue  # it has no turn now
        most = 1 << claim.limits[lane.webhook_id].bit_length()  # the power of two that is larger
        if lane.is_ordered:
            most = max(most, EXAMINED)
        asked[most] += ((lane.webhook_id, TEST_EPOCH), (lane.webhook_id, lane.epoch))
    due: list[PendingRow] = []
    for most, keys in asked.items():
        found = db.json("due_pending", {"lanes": as_json(keys), "now": now, "most": most}, _PENDING)
        due += found
    return due


def _bodies(db: Connection, rows: Sequence[PendingRow]) -> dict[str, bytes]:
    """Return the bodies by event: one query, one value, cut apart here."""
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
    """End leases that saw no attempt, in one statement; see `Road.release`."""
    given = [(one.webhook_id, one.id, one.lease) for one in deliveries]
    db.run("release", {"given": as_json(given), "now": now})
    lower_lanes(db, {one.webhook_id: now for one in deliveries})


def recover(db: Connection, longest_waits: Sequence[float], now: int) -> int:
    """Free all leases: their process is dead; see `Road.recover`."""
    webhooks = set(_IDS.decode(db.row("leased_webhooks")[0]))
    freed = db.run("free_all")
    db.run("free_rehearsals")
    waits = {
        "now": now,
        "waits": as_json(_milliseconds(longest_waits)),
        "own": as_json(_own_waits(db) if longest_waits else {}),
    }
    late = db.json("waits_too_long", waits, _IDS)
    if late:
        db.run("shorten_waits", waits)
    set_lanes_of(db, webhooks.union(late))
    return freed


def _own_waits(db: Connection) -> dict[str, list[int]]:
    """Return the longest waits, in ms, of the webhooks with a schedule of their own."""
    own = db.json("own_schedules", (), _KEYS)
    schedules = {webhook_id: waits_of(schedule_of(text), ()) for webhook_id, text in own}
    return {one: _milliseconds(longest_waits_of(waits)) for one, waits in schedules.items()}


def _milliseconds(waits: Sequence[float]) -> list[int]:
    return [round(seconds * 1000) for seconds in waits]


class Repairs(NamedTuple):
    """What a reader found to repair."""

    expired: list[tuple[str, str]]
    lanes: list[tuple[str, int]]


def find_repairs(db: Connection, now: float) -> Repairs:
    """Look through everything that is pending; on a reader, so that no write waits.

    `now` is monotonic, here and in `repair`.
    """
    return Repairs(
        db.json("expired", {"now": lease_end(now)}, _KEYS), db.json("lost_lanes", (), _SIZES)
    )


def repair(db: Connection, found: Repairs, now: float) -> int:
    """Repair what was found, where it still has to be; see `Road.repair`."""
    freed = db.write_rows("free_expired", found.expired, now=lease_end(now))
    set_lanes_of(db, {webhook_id for webhook_id, _ in found.expired})
    lower_lanes(db, dict(found.lanes))
    return freed + len(found.lanes)
