"""Rows of the hot tables as values, and the statements that read and write whole batches of them.

Each struct is a JSON array on the way in and a tuple on the way out, fields in the columns' order.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from winnerr_webhooks.storage.rows import Past, Run, Waiting
from winnerr_webhooks.storage.sqlite.connection import Connection


def lease_end(expires: float) -> int:
    """A monotonic instant as `lease_until` says it, in ms.

    No lease outlives its process (`recover` ends them all), so they need no wall time, and no
    jump of the machine's clock ends one early or late.
    """
    return round(expires * 1000)


_WAITING = msgspec.json.Decoder(list[Waiting])
_PAST = msgspec.json.Decoder(list[Past])
_RUNS = msgspec.json.Decoder(list[Run])
_LANES = msgspec.json.Decoder(list[tuple[str, int]])
_encode = msgspec.json.Encoder().encode


def as_json(value: object) -> str:
    """A list or an object as a bound JSON text."""
    return _encode(value).decode()


def read_waiting(db: Connection, keys: Sequence[tuple[str, str]]) -> dict[str, Waiting]:
    """Waiting deliveries of (webhook id, delivery id), by delivery id."""
    return {row.delivery_id: row for row in db.read_rows("pending_of", keys, 2, _WAITING)}


def due_waiting(db: Connection, values: Mapping[str, object]) -> list[Waiting]:
    """What `due_pending` finds."""
    return db.json("due_pending", values, _WAITING)


def read_past(db: Connection, keys: Sequence[tuple[str, str]]) -> dict[str, Past]:
    """Settled deliveries of (organization, delivery id), by delivery id."""
    return {row.id: row for row in db.read_rows("deliveries_of", keys, 2, _PAST)}


def read_runs(db: Connection, webhook_ids: Iterable[str]) -> dict[str, Run]:
    """Webhooks by id."""
    return {run.webhook_id: run for run in db.json("runs_of", (as_json(list(webhook_ids)),), _RUNS)}


def put_waiting(db: Connection, rows: Sequence[Waiting]) -> None:
    """Insert or replace waiting deliveries."""
    db.write_rows("put_pending", [msgspec.structs.astuple(row) for row in rows], 16)


def put_past(db: Connection, rows: Sequence[Past]) -> None:
    """Insert or replace outcomes."""
    db.write_rows("put_deliveries", [msgspec.structs.astuple(row) for row in rows], 10)


def lower_lanes(db: Connection, due: Mapping[str, int]) -> None:
    """See to it that each webhook's lane wakes at that time at the latest."""
    db.write_rows("put_lanes", sorted(due.items()), 2)


def set_lanes(db: Connection, lanes: Sequence[tuple[str, int]]) -> None:
    """Move the lanes of (webhook id, epoch) to their first free work; drop those without any."""
    values = {"lanes": as_json(lanes)}
    db.run("drop_lanes", values)
    db.run("advance_lanes", values)


def set_lanes_of(db: Connection, webhook_ids: Iterable[str]) -> int:
    """The same for webhooks by id; how many of them there are."""
    lanes = db.json("lanes_of", {"webhooks": as_json(sorted(webhook_ids))}, _LANES)
    set_lanes(db, lanes)
    return len(lanes)
