"""Settle on PostgreSQL: one statement for the common case, `settling` for all others."""

from collections.abc import Sequence
from typing import Final

from winnerr_webhooks.storage.delivery_rows import ATTEMPT_COLUMNS, attempt_row
from winnerr_webhooks.storage.failure_streak import FailureRules, bucket_of
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession, columns, storable
from winnerr_webhooks.storage.road_values import Settled, Settlement
from winnerr_webhooks.storage.settling import settle_logged

_TEXTS: Final = tuple(map(ATTEMPT_COLUMNS.index, ("reason", "error_message")))
"""The columns of an attempt whose text comes from a receiver: it can hold NUL."""
_SAME: Final = ("outcome", "error_kind", "error_message", "error_code")
_OF_SUCCESSES: Final = tuple(at for at, name in enumerate(ATTEMPT_COLUMNS) if name not in _SAME)
"""The columns in which successes differ, in the order of `settle_delivered`."""


async def settle_delivered(
    db: PostgresSession, batch: Sequence[Settlement], node: str, now: int
) -> set[str]:
    """Settle the common cases of a sorted batch; return the ids of the attempts settled."""
    buckets = [bucket_of(item) for item in batch]
    attempts = _columns(batch)
    rows = await db.fetch(
        "settle_delivered",
        *[attempts[at] for at in _OF_SUCCESSES],
        [item.delivery.lease for item in batch],
        [starts_at for _, starts_at, _ in buckets],
        [class_ for _, _, class_ in buckets],
        node,
        now,
    )
    return {batch[ordinal - 1].record.id for (ordinal,) in rows}


async def settle(
    db: PostgresSession, batch: Sequence[Settlement], *, rules: FailureRules, node: str, now: int
) -> Settled:
    """Record a batch and what follows from it; see `Road.settle`."""
    fresh = {item.record.id: item for item in batch}
    new = {row[0] for row in await db.fetch("put_attempts", *_columns(list(fresh.values())))}
    batch = [item for id_, item in fresh.items() if id_ in new]
    if not batch:
        return Settled()
    return await settle_logged(db, batch, rules=rules, node=node, now=now)


def _columns(batch: Sequence[Settlement]) -> list[list[object]]:
    """Return the attempts of a batch, a list for each column."""
    attempts = columns([attempt_row(item) for item in batch])
    for at in _TEXTS:
        if any("\0" in str(text) for text in attempts[at]):
            attempts[at] = [None if text is None else storable(str(text)) for text in attempts[at]]
    return attempts
