"""Recoveries: what a webhook missed since a time is sent again, with the whole retry schedule.

Also the reports of what became of it, and how long it will take.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.duration_classes import class_ms
from winnerr_webhooks.domain.errors import Conflict, Invalid, NotFound
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import ACTIVE, NOT_ACTIVE, webhook_is_gone
from winnerr_webhooks.ids import Ids, is_id
from winnerr_webhooks.management.ports import NodeSignals
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import HealthBucket, JobReport, ReplayFilter

MOST_LISTED: Final = 100
"""How many jobs a list shows."""
PACE_MS: Final = 86_400_000
"""How far back attempts are measured for the expected time."""
FEW: Final = 10
"""With fewer results than this, a job has no pace yet."""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What a recovery sends again, and the job that does it."""

    count: int
    """Deliveries that did not arrive."""
    arrived: int
    """Deliveries of the same time that arrived already."""
    arrived_is_partial: bool
    """Whether more may have arrived: only the newest deliveries were examined."""
    expected_seconds: float | None
    """About how long it takes if the receiver answers; None: unknown."""
    job_id: str | None = None
    """None: this was only a plan, or there is nothing to send."""


class Recoveries:
    """Plans and starts recoveries, and reads and cancels their jobs."""

    def __init__(
        self, *, storage: Storage, signals: NodeSignals, clock: Clock, ids: Ids, concurrency: int
    ) -> None:
        self._storage = storage
        self._signals = signals
        self._clock = clock
        self._ids = ids
        self._concurrency = concurrency

    async def recover(
        self,
        organization: str,
        webhook_id: str,
        *,
        since: int,
        until: int | None = None,
        dry_run: bool = False,
    ) -> Recovery:
        """Send again what a webhook missed of the events accepted from `since` until `until` (ms).

        With `dry_run`, only count. Raises `Invalid` at /until, `NotFound`, and `Conflict` (which
        says what to do) if the webhook is not active or another recovery of it is beginning.
        """
        if until is not None and until <= since:
            raise Invalid.field("/until", Text("`until` must be later than `since`."))
        webhook = await self._storage.webhook(organization, webhook_id)
        if webhook is None:
            raise NotFound(webhook_is_gone(webhook_id))
        if webhook.status != ACTIVE:
            raise Conflict(NOT_ACTIVE[webhook.status])
        query = ReplayFilter(
            organization=organization, webhook=webhook_id, since=since, until=until
        )
        plan = await self._storage.plan_recovery(query)
        buckets = await self._storage.health(organization, self._clock.now_ms() - PACE_MS)
        recovery = Recovery(
            count=plan.count,
            arrived=plan.arrived,
            arrived_is_partial=plan.arrived_is_partial,
            expected_seconds=expected_seconds(
                plan.count,
                [bucket for bucket in buckets if bucket.webhook_id == webhook_id],
                self._concurrency,
            ),
        )
        if dry_run or not plan.count:
            return recovery
        job_id = self._ids.new("job")
        await self._storage.recover_since(query, job_id, plan.count)
        self._signals.work_requested()
        return msgspec.structs.replace(recovery, job_id=job_id)

    async def jobs(self, organization: str, webhook_id: str | None = None) -> list[JobReport]:
        """Return the newest jobs, newest first."""
        return await self._storage.jobs(organization, webhook_id, MOST_LISTED)

    async def job(self, organization: str, job_id: str) -> JobReport:
        """Return one job. Raises `NotFound`."""
        found = await self._storage.job(organization, job_id) if is_id("job", job_id) else None
        if found is None:
            raise NotFound(
                Text("There is no such job. It may have been removed because it was old.")
            )
        return found

    async def cancel(self, organization: str, job_id: str) -> JobReport:
        """Stop what a job has not sent yet. One that has ended stays as it is. `NotFound`."""
        await self.job(organization, job_id)
        cancelled = await self._storage.cancel_job(organization, job_id)
        self._signals.work_requested()
        return cancelled

    def remaining_seconds(self, job: JobReport) -> float | None:
        """Return about how long the rest of a job takes at its pace so far; None: unknown."""
        if not job.to_come:
            return 0.0
        if job.delivered < FEW or job.delivered < job.failed_again:
            return None
        elapsed = max(self._clock.now_ms() - job.requested_at, 1) / 1000
        return job.to_come * elapsed / job.delivered


def expected_seconds(count: int, buckets: Iterable[HealthBucket], concurrency: int) -> float | None:
    """Return about how long `count` attempts take, from how long attempts took lately.

    None if none has succeeded, or if all of the newest five minutes with attempts have failed:
    nobody knows when the receiver answers again.
    """
    measured = list(buckets)
    newest = max((bucket.starts_at for bucket in measured), default=0)
    if not any(bucket.succeeded for bucket in measured if bucket.starts_at == newest):
        return None
    succeeded = sum(bucket.succeeded for bucket in measured)
    spent = sum(bucket.succeeded * class_ms(bucket.duration_class) for bucket in measured)
    return count * spent / succeeded / 1000 / concurrency
