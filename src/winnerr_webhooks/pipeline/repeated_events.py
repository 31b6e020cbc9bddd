"""Repeated events: what the answer of the intake means for an event whose `id` was seen before."""

import msgspec

from winnerr_webhooks.domain.errors import Conflict
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.domain.idempotency import is_repeat
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.storage.port import Log


async def compare(log: Log, event: NewEvent, accepted: Accepted) -> Accepted:
    """Turn a conflict into a duplicate if event and data are the same as JSON values.

    An event that retention has removed cannot be compared: it stays a conflict.
    """
    first = await log.event(event.organization, accepted.id)
    if first is None or not is_repeat(first.body, event.body):
        return accepted
    return msgspec.structs.replace(accepted, conflict=False, duplicate=True)


def confirm(accepted: Accepted, metrics: Metrics) -> None:
    """Count an accepted event; raise `Conflict` if it is one."""
    if accepted.conflict:
        raise Conflict(
            "This `id` was accepted before with another event or other data. "
            "Give a new event a new id."
        )
    if accepted.duplicate:
        metrics.event_repeated()
    else:
        metrics.event_accepted()
