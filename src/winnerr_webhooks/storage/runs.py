"""What a batch of settled attempts does to health figures and runs of failures: pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from winnerr_webhooks.domain.duration_classes import duration_class
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.domain.webhook import ACTIVE
from winnerr_webhooks.storage.rows import Run
from winnerr_webhooks.storage.values import Settlement

BUCKET_MS: Final = 300_000
_DAY_MS: Final = 86_400_000

Bucket = tuple[str, int, int]
"""Webhook, start in ms, duration class."""


class DisablingRule(NamedTuple):
    """When a webhook with nothing but failures is disabled; 0 days: never."""

    days: float
    min_failures: int
    skipped_since: Callable[[int], int] = lambda _ms: 0
    """Milliseconds by which the clock was set forward since an instant (`clock.Skips`)."""


def bucket_of(item: Settlement) -> Bucket:
    """Where an attempt counts in the health figures."""
    exchange = item.record.exchange
    starts_at = exchange.started_at - exchange.started_at % BUCKET_MS
    return item.delivery.webhook_id, starts_at, duration_class(exchange.duration_ms)


def count_health(health: dict[Bucket, list[int]], item: Settlement, *, exhausted: bool) -> None:
    """Count one attempt: succeeded, failed, exhausted."""
    counts = health.setdefault(bucket_of(item), [0, 0, 0])
    counts[0 if item.record.outcome == "succeeded" else 1] += 1
    counts[2] += exhausted


class Moved(NamedTuple):
    """What a batch made of its webhooks' runs."""

    changed: list[Run]
    reasons: dict[str, str]
    """Webhooks to disable at once (410), and why."""


def move_runs(
    batch: Sequence[Settlement],
    runs: Mapping[str, Run],
    tests: Collection[str],
    now: int,
) -> Moved:
    """Count attempts into the runs of failures, in the batch's order; those of tests do not."""
    changed: dict[str, Run] = {}
    reasons: dict[str, str] = {}
    for item in batch:
        run = runs.get(item.delivery.webhook_id)
        if run is None or item.delivery.id in tests:
            continue
        if item.record.outcome == "succeeded":
            if run.failing_since is not None:
                run.failing_since, run.failures = None, 0
                changed[run.webhook_id] = run
            continue
        if run.failing_since is None:
            run.failing_since = now
        run.failures += 1
        changed[run.webhook_id] = run
        # a 410 of the URL before an edit says nothing about the one after it
        if item.verdict.disable and item.delivery.webhook_version == run.version:
            reasons[run.webhook_id] = item.verdict.disable
    return Moved(list(changed.values()), reasons)


def to_disable(
    changed: Iterable[Run], reasons: Mapping[str, str], rule: DisablingRule, now: int
) -> dict[str, str]:
    """Active webhooks that shall be disabled, and the reason to show."""
    found = dict(reasons)
    active = set()
    for run in changed:
        if run.status == ACTIVE:
            active.add(run.webhook_id)
        if run.webhook_id not in found and _failed_too_long(run, rule, now):
            found[run.webhook_id] = _too_long(run)
    return {webhook_id: found[webhook_id] for webhook_id in sorted(found) if webhook_id in active}


def _failed_too_long(run: Run, rule: DisablingRule, now: int) -> bool:
    return (
        rule.days > 0
        and run.failing_since is not None
        and run.failures >= rule.min_failures
        and now - run.failing_since - rule.skipped_since(run.failing_since) >= rule.days * _DAY_MS
    )


def _too_long(run: Run) -> str:
    since = rfc3339(run.failing_since or 0)
    return (
        f"All {run.failures} attempts since {since} failed. Repair the receiver, then set the "
        "webhook active again."
    )
