"""The part of the storage port for recoveries and the reports of jobs; see `storage.port`."""

from typing import Protocol

from winnerr_webhooks.storage.values import JobReport, RecoveryPlan, ReplayFilter


class Jobs(Protocol):
    """Recoveries, and the reports of what became of their deliveries."""

    async def plan_recovery(self, query: ReplayFilter) -> RecoveryPlan:
        """Return what a recovery of the filter's webhook would do now; it changes nothing."""
        ...

    async def recover_since(self, query: ReplayFilter, report_id: str, planned: int) -> None:
        """Add a job that gives undelivered deliveries of a webhook their whole schedule anew.

        It takes deliveries that are failed or cancelled now, except tests and events to which the
        webhook no longer subscribes. `planned` is the count that `plan_recovery` returned.
        `NotFound` without such a webhook; `Conflict`, which says what to do, if it is not active,
        or if an earlier recovery of it still collects its deliveries.
        """
        ...

    async def jobs(self, organization: str, webhook: str | None, limit: int) -> list[JobReport]:
        """Return the newest reports, newest first; of one webhook, or (None) of all."""
        ...

    async def job(self, organization: str, job_id: str) -> JobReport | None:
        """Return one report; reports stay for 30 days."""
        ...

    async def cancel_job(self, organization: str, job_id: str) -> JobReport:
        """Cancel a job: what it has not sent yet becomes `cancelled`. `NotFound` without it.

        Attempts in flight are finished, and count if they succeed. A job that has ended stays.
        """
        ...
