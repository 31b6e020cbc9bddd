"""Batches of rows of the hot tables, for SQLite's own verbs."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection

_LANES = msgspec.json.Decoder(list[tuple[str, int]])
_encode = msgspec.json.Encoder().encode


def as_json(value: object) -> str:
    """Return a list or an object as a bound JSON text."""
    return _encode(value).decode()


def lease_end(expires: float) -> int:
    """Return a monotonic instant as `lease_until` has it, in ms.

    No lease outlives its process (`recover` ends them all). So they need no wall time, and no jump
    of the machine's clock ends one early or late.
    """
    return round(expires * 1000)


def lower_lanes(db: Connection, due: Mapping[str, int]) -> None:
    """Make sure that each webhook's lane wakes at that time (ms) at the latest."""
    db.write_rows("lower_lanes", sorted(due.items()))


def set_lanes(db: Connection, lanes: Sequence[tuple[str, int, int]]) -> None:
    """Move the lanes of (webhook id, epoch, earliest) to their first free work; drop the others.

    A lane is due no earlier than `earliest`, ms.
    """
    drop_lanes(db, [webhook_id for webhook_id, _, _ in lanes])
    db.run("advance_lanes", {"lanes": as_json(lanes)})


def set_lanes_of(db: Connection, webhook_ids: Iterable[str]) -> None:
    """Move the lanes of these webhooks to their first free work; drop those without any."""
    webhooks = {"webhooks": as_json(sorted(webhook_ids))}
    lanes = db.json("lanes_of", webhooks, _LANES)
    set_lanes(db, [(webhook_id, epoch, 0) for webhook_id, epoch in lanes])


def drop_lanes(db: Connection, webhook_ids: Sequence[str]) -> None:
    """Remove lanes."""
    if webhook_ids:
        db.run("drop_lanes", {"webhooks": as_json(webhook_ids)})
