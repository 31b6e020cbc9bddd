"""The verbs of recoveries, and of the reports of jobs."""

from winnerr_webhooks.domain import activity
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.storage import job_reports, jobs, recovery, webhook_queries
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.values import JobReport, RecoveryPlan, ReplayFilter
from winnerr_webhooks.storage.verb_base import VerbBase


class JobVerbs(VerbBase):
    """`storage.port.Jobs`, and `Road.run_job_slice`; see there for what each verb promises."""

    async def plan_recovery(self, query: ReplayFilter) -> RecoveryPlan:
        """Return what a recovery would do."""
        return await self._scan(query.organization, lambda db: recovery.plan(db, query))

    async def recover_since(self, query: ReplayFilter, report_id: str, planned: int) -> None:
        """Add a recovery."""
        recorder = self._recorder()

        async def recover(db: Session) -> None:
            await webhook_queries.recover(
                db, query, report_id, planned=planned, now=self._clock.now_ms()
            )
            await recorder.record(
                db,
                query.organization,
                activity.RECOVERY_STARTED,
                webhook=query.webhook,
                subject=report_id,
                count=planned,
                since=None if query.since is None else rfc3339(query.since),
                until=None if query.until is None else rfc3339(query.until),
            )

        await self._write(recover)

    async def jobs(self, organization: str, webhook: str | None, limit: int) -> list[JobReport]:
        """Return the newest reports."""
        return await self._read_for(
            organization, lambda db: job_reports.reports(db, organization, webhook, limit)
        )

    async def job(self, organization: str, job_id: str) -> JobReport | None:
        """Return one report."""
        return await self._read_for(
            organization, lambda db: job_reports.report(db, organization, job_id)
        )

    async def cancel_job(self, organization: str, job_id: str) -> JobReport:
        """Stop what a job has not sent yet."""
        recorder = self._recorder()

        async def cancel(db: Session) -> JobReport:
            held = await job_reports.report(db, organization, job_id)
            report = await job_reports.cancel(db, organization, job_id, self._clock.now_ms())
            if held is not None and held.cancelled_at != report.cancelled_at:
                await recorder.record(
                    db,
                    organization,
                    activity.RECOVERY_CANCELLED,
                    webhook=report.webhook_id,
                    subject=job_id,
                )
            return report

        return await self._write(cancel)

    async def run_job_slice(self) -> bool:
        """Run one slice of the next job."""
        return await self._write_slice(lambda db: jobs.run_slice(db, self._clock.now_ms()))
