"""The traffic of one webhook, on either database."""

from collections.abc import Sequence

from winnerr_webhooks.ids import id_floor
from winnerr_webhooks.storage.database_session import Session, struct_of
from winnerr_webhooks.storage.traffic_port import (
    SampledAttempt,
    Traffic,
    TrafficCount,
    TrafficQuery,
)


async def traffic(db: Session, query: TrafficQuery) -> Traffic:
    """Return the traffic of a webhook; see `TrafficLog.traffic`."""
    own = await db.fetch_value(
        "is_own_webhook", webhook=query.webhook, organization=query.organization
    )
    if not own:
        return Traffic(counts=[], sample=[])
    rows = await db.fetch(
        "traffic_counts",
        webhook=query.webhook,
        since=query.since,
        until=query.until,
        step=query.step_ms,
    )
    counts = [struct_of(TrafficCount, row) for row in rows]
    keys: list[Sequence[str]] = []
    for interval in sorted({count.interval for count in counts}):
        start = query.since + interval * query.step_ms
        keys += await db.fetch(
            "walk_webhook",
            key=query.webhook,
            floor=id_floor("att", start),
            before=id_floor("att", start + query.step_ms),
            limit=query.sampled,
        )
    if not keys:
        return Traffic(counts=counts, sample=[])
    ids = [key[0] for key in keys]
    sampled = await db.fetch(
        "sampled_attempts",
        organization=query.organization,
        keys=keys,
        ids=ids,
        first=min(ids),
        last=max(ids),
    )
    return Traffic(counts=counts, sample=[struct_of(SampledAttempt, row) for row in sampled])
