"""What a job goes through: its row, and the deliveries that its filter selects."""

from typing import Final, NamedTuple

from msgspec.structs import asdict

from winnerr_webhooks.domain.delivery import CANCELLED, FAILED
from winnerr_webhooks.ids import id_floor
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.log_scan import SLACK_MS
from winnerr_webhooks.storage.values import ReplayFilter, ReplayProgress

SLICE: Final = 1_000
"""Rows that a job examines in one transaction."""
_FIRST_DELIVERY: Final = "dlv_"
_LAST_DELIVERY: Final = "dlv_~"


class Job(NamedTuple):
    """A row of `next_job`."""

    id: int
    kind: str
    """`cancel`, `replay`, `recover` or `stop`."""
    webhook: str
    requested_at: int
    epoch: int
    event: str | None
    statuses: str | list[str]
    since: int | None
    until: int | None
    cursor: str
    can_begin: bool
    report: str
    reason: str
    organization: str
    status: str
    """The webhook's."""
    webhook_epoch: int
    events: str | list[str]
    """What the webhook is subscribed to."""


async def count_matching(db: Session, query: ReplayFilter) -> int:
    """Return how many deliveries a replay of many would send now, or still has to send."""
    # What had its outcome by `asked_at` was accepted by then.
    until = query.asked_at if query.until is None else query.until
    values = filter_values(query) | {"before": before_id(until)}
    stored: int = await db.fetch_value("count_replays", **values)
    cancelling: int = await db.fetch_value("count_cancelling", **values)
    return stored + cancelling


async def replay_progress(db: Session, query: ReplayFilter) -> ReplayProgress:
    """Return what became of a replay of many; see `Log.replay_progress`."""
    values = filter_values(query) | {"before": before_id(query.until or query.asked_at)}
    first = id_floor("att", (query.asked_at or 0) - SLACK_MS)
    return ReplayProgress(
        undelivered=await db.fetch_value("count_replays", **values),
        waiting=await db.fetch_value("count_waiting_replays", **values),
        failed_again=await db.fetch_value("count_vain_replays", **values, first_attempt=first),
    )


def filter_values(query: ReplayFilter) -> dict[str, object]:
    """Return the values that statements bind for a filter."""
    floor = _FIRST_DELIVERY if query.since is None else id_floor("dlv", query.since - SLACK_MS)
    return asdict(query) | {
        "statuses": _statuses_of(query),
        "floor": floor,
        "before": before_id(query.until),
    }


def before_id(until: int | None) -> str:
    """Return the id that ends a range of deliveries accepted before `until`."""
    return _LAST_DELIVERY if until is None else id_floor("dlv", until + SLACK_MS)


def _statuses_of(query: ReplayFilter) -> list[str]:
    """Return the states of the deliveries that a filter selects."""
    both = [FAILED, CANCELLED]
    if query.failed_only:
        both.remove(CANCELLED)
    if query.cancelled_only:
        both.remove(FAILED)
    return both
