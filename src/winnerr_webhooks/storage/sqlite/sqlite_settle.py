"""Settle on SQLite: the common case within SQLite, `settling` for all others."""

from collections.abc import Sequence

import msgspec

from winnerr_webhooks.storage.delivery_rows import attempt_row
from winnerr_webhooks.storage.failure_streak import Bucket, FailureRules, count_health
from winnerr_webhooks.storage.road_values import Settled, Settlement
from winnerr_webhooks.storage.settling import lock_order, settle_logged
from winnerr_webhooks.storage.sqlite.sqlite_rows import as_json
from winnerr_webhooks.storage.sqlite.sqlite_session import SqliteSession
from winnerr_webhooks.storage.transitions import is_common_case

_IDS = msgspec.json.Decoder(list[str])


async def settle(
    db: SqliteSession, batch: Sequence[Settlement], rules: FailureRules, now: int
) -> Settled:
    """Record a batch and what follows from it; see `Road.settle`."""
    batch = _record(db, batch)
    if not batch:
        return Settled()
    delivered = _deliver(db, [item for item in batch if is_common_case(item)], now)
    if len(delivered) < len(batch):
        return await settle_logged(db, batch, delivered=delivered, rules=rules, now=now)
    health: dict[Bucket, list[int]] = {}
    for item in delivered:
        if item.delivery.trigger != "test":
            count_health(health, item, exhausted=False)
    db.write_rows("put_health", [(*bucket, *counts) for bucket, counts in health.items()])
    db.run("end_streaks", {"webhooks": as_json({webhook_id for webhook_id, _, _ in health})})
    return Settled()


def _record(db: SqliteSession, batch: Sequence[Settlement]) -> list[Settlement]:
    """Log the attempts, and return those that were not in the log before."""
    fresh = list({item.record.id: item for item in batch}.values())
    written = db.write_rows("put_attempts", [attempt_row(item) for item in fresh])
    if written == len(fresh):
        return fresh
    keys = [(item.delivery.organization, item.record.id) for item in fresh]
    known = db.json("attempts_before", {"attempts": as_json(keys), "newest": written}, _IDS)
    return [item for item in fresh if item.record.id not in known]


def _deliver(db: SqliteSession, common: list[Settlement], now: int) -> list[Settlement]:
    """Move rows of the common case from `pending` to `delivery`; return those that were moved."""
    leases = [(item.delivery.webhook_id, item.delivery.id, item.delivery.lease) for item in common]
    if db.write_rows("deliver", leases, now=now) != len(common):
        others = set(db.read_rows("not_common", leases, _IDS))
        common = [item for item in common if item.delivery.id not in others]
    db.write_rows("drop_pending", [lock_order(item) for item in common])
    return common
