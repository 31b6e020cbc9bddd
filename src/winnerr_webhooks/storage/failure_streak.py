"""Health figures, and streaks of failures: what follows from failed attempts. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from winnerr_webhooks.domain.duration_classes import duration_class
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import ACTIVE
from winnerr_webhooks.storage.road_values import Settlement

BUCKET_MS: Final = 300_000
_DAY_MS: Final = 86_400_000

Bucket = tuple[str, int, int]
"""Webhook, start in ms, duration class."""


class FailureStreak(msgspec.Struct, array_like=True, gc=False):
    """A webhook and its streak: how many attempts have failed since its last success."""

    webhook_id: str
    organization: str
    status: str
    version: int
    epoch: int
    failing_since: int | None
    """When the first of these attempts was settled, ms. Without a streak, None."""
    failures: int


class FirstFailure(msgspec.Struct, array_like=True, gc=False):
    """The attempt that began a webhook's streak."""

    webhook_id: str
    id: str


class FailureRules(NamedTuple):
    """What settling does about failures: when it disables a webhook, and what it notes."""

    disable_after_days: float = 5.0
    """How long a webhook's attempts must all have failed before it is disabled; 0: never."""
    min_failures: int = 20
    """How many attempts must have failed in that time."""
    raises_alerts: bool = False
    """Whether to note webhooks that were disabled or have failed deliveries, for `raise_alerts`."""
    skipped_since: Callable[[int], int] = lambda _ms: 0
    """By how many ms the clock was set forward since an instant (`clock.ClockSkips.since`)."""


DEFAULT_RULES: Final = FailureRules()


def bucket_of(item: Settlement) -> Bucket:
    """Return where an attempt counts in the health figures."""
    exchange = item.record.exchange
    starts_at = exchange.started_at - exchange.started_at % BUCKET_MS
    return item.delivery.webhook_id, starts_at, duration_class(exchange.duration_ms)


def count_health(health: dict[Bucket, list[int]], item: Settlement, *, exhausted: bool) -> None:
    """Count one attempt into [succeeded, failed, exhausted] of its bucket."""
    counts = health.setdefault(bucket_of(item), [0, 0, 0])
    counts[0 if item.record.outcome == "succeeded" else 1] += 1
    counts[2] += exhausted


class ChangedStreaks(NamedTuple):
    """What a batch did to its webhooks' streaks."""

    changed: list[FailureStreak]
    reasons: dict[str, str]
    """Webhooks to disable at once (410), and why."""


def count_failures(
    batch: Sequence[Settlement],
    streaks: Mapping[str, FailureStreak],
    uncounted: Collection[str],
    now: int,
) -> ChangedStreaks:
    """Count attempts into their webhooks' streaks, in the batch's order.

    Those of the deliveries `uncounted` (tests, and what listeners sent) do not count.
    """
    changed: dict[str, FailureStreak] = {}
    reasons: dict[str, str] = {}
    for item in batch:
        streak = streaks.get(item.delivery.webhook_id)
        if streak is None or item.delivery.id in uncounted:
            continue
        if item.record.outcome == "succeeded":
            if streak.failing_since is not None:
                streak.failing_since, streak.failures = None, 0
                changed[streak.webhook_id] = streak
            continue
        if streak.failing_since is None:
            streak.failing_since = now
        streak.failures += 1
        changed[streak.webhook_id] = streak
        # A 410 of the URL before an edit says nothing about the URL after it.
        if item.verdict.disable and item.delivery.webhook_version == streak.version:
            reasons[streak.webhook_id] = item.verdict.disable
    return ChangedStreaks(list(changed.values()), reasons)


FAILED_TOO_LONG: Final = Text(
    "All {failures} attempts since {since} failed. Repair the receiver, then set the webhook "
    "active again."
)
"""Why a webhook was disabled, which is stored in English."""


def to_disable(
    changed: Iterable[FailureStreak], reasons: Mapping[str, str], rules: FailureRules, now: int
) -> dict[str, str]:
    """Return active webhooks to disable, with the reason to show."""
    found = dict(reasons)
    active = set()
    for streak in changed:
        if streak.status == ACTIVE:
            active.add(streak.webhook_id)
        if streak.webhook_id not in found and _is_too_long(streak, rules, now):
            found[streak.webhook_id] = _reason(streak)
    return {webhook_id: found[webhook_id] for webhook_id in sorted(found) if webhook_id in active}


def _is_too_long(streak: FailureStreak, rules: FailureRules, now: int) -> bool:
    since = streak.failing_since
    return (
        rules.disable_after_days > 0
        and since is not None
        and streak.failures >= rules.min_failures
        and now - since - rules.skipped_since(since) >= rules.disable_after_days * _DAY_MS
    )


def _reason(streak: FailureStreak) -> str:
    since = rfc3339(streak.failing_since or 0)
    return str(FAILED_TOO_LONG.fill(failures=streak.failures, since=since))
