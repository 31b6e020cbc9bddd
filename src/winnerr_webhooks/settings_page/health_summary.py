"""The health of webhooks in the last 24 hours, from figures added up as attempts are recorded."""

from collections.abc import Sequence
from typing import Final

import msgspec

from winnerr_webhooks.domain.duration_classes import CLASSES, quantile
from winnerr_webhooks.domain.webhook import ACTIVE, Webhook
from winnerr_webhooks.settings_page.charts import Bar
from winnerr_webhooks.storage.values import COUNT_LIMIT, HealthBucket, WebhookState

DAY_MS: Final = 86_400_000
_BARS: Final = 48
_BAR_MS: Final = DAY_MS // _BARS


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in the last 24 hours, at one webhook or at all of an organization.

    Of hundreds of webhooks a page shows a few, so what only a shown one needs is a property.
    """

    succeeded_each: list[int]
    """Attempts in each half hour, oldest first."""
    failed_each: list[int]
    """Attempts in each half hour, oldest first."""
    durations: list[int]
    """Attempts of each class of durations."""
    exhausted: int
    """Deliveries that failed for good."""
    waiting: int = 0
    """Deliveries that are pending now, counted up to `COUNT_LIMIT`."""

    @property
    def succeeded(self) -> int:
        """Attempts."""
        return sum(self.succeeded_each)

    @property
    def failed(self) -> int:
        """Attempts."""
        return sum(self.failed_each)

    @property
    def median_ms(self) -> float | None:
        """None without attempts."""
        return quantile(self.durations, 0.5)

    @property
    def p95_ms(self) -> float | None:
        """None without attempts."""
        return quantile(self.durations, 0.95)

    @property
    def bars(self) -> list[Bar]:
        """Half an hour each, oldest first."""
        return [Bar(*pair) for pair in zip(self.succeeded_each, self.failed_each, strict=True)]

    @property
    def hours(self) -> list[Bar]:
        """The bars joined to one an hour, for small charts."""
        bars = self.bars
        pairs = zip(bars[::2], bars[1::2], strict=True)
        return [Bar(a.succeeded + b.succeeded, a.failed + b.failed) for a, b in pairs]

    @property
    def success_rate(self) -> float | None:
        """The fraction of attempts that succeeded; None without attempts."""
        succeeded = self.succeeded
        total = succeeded + self.failed
        return succeeded / total if total else None

    @property
    def waiting_is_capped(self) -> bool:
        """Whether more deliveries wait than were counted."""
        return self.waiting >= COUNT_LIMIT


class WebhookOverview(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook with its state and its health, as the list shows it."""

    webhook: Webhook
    state: WebhookState
    health: Health

    @property
    def status(self) -> str:
        """`active`, `failing`, `paused` or `disabled`; also the CSS class and the icon."""
        if self.webhook.status == ACTIVE and self.state.failing_since is not None:
            return "failing"
        return self.webhook.status


def window_start(now: int) -> int:
    """The start of the last 24 hours, on the edge of a bar."""
    return (now // _BAR_MS - _BARS + 1) * _BAR_MS


def sum_buckets(buckets: Sequence[HealthBucket], now: int, waiting: int = 0) -> Health:
    """The health that these rolled-up figures add up to."""
    start = window_start(now)
    succeeded, failed = [0] * _BARS, [0] * _BARS
    classes = [0] * CLASSES
    exhausted = 0
    for bucket in buckets:
        at = min(max((bucket.starts_at - start) // _BAR_MS, 0), _BARS - 1)
        succeeded[at] += bucket.succeeded
        failed[at] += bucket.failed
        classes[bucket.duration_class] += bucket.succeeded + bucket.failed
        exhausted += bucket.exhausted
    return Health(
        succeeded_each=succeeded,
        failed_each=failed,
        durations=classes,
        exhausted=exhausted,
        waiting=waiting,
    )


def webhook_overviews(
    webhooks: Sequence[Webhook],
    states: Sequence[WebhookState],
    buckets: Sequence[HealthBucket],
    now: int,
) -> list[WebhookOverview]:
    """The overview of each webhook, in the order of `webhooks`."""
    by_webhook: dict[str, list[HealthBucket]] = {}
    for bucket in buckets:
        by_webhook.setdefault(bucket.webhook_id, []).append(bucket)
    state_of = {state.webhook_id: state for state in states}
    found = []
    for webhook in webhooks:
        state = state_of.get(webhook.id) or _empty_state(webhook.id)
        health = sum_buckets(by_webhook.get(webhook.id, ()), now, state.waiting)
        found.append(WebhookOverview(webhook=webhook, state=state, health=health))
    return found


def _empty_state(webhook_id: str) -> WebhookState:
    """The state of a webhook that was created between the two reads."""
    return WebhookState(
        webhook_id=webhook_id,
        last=None,
        failing_since=None,
        failures=0,
        first_failure=None,
        waiting=0,
    )
