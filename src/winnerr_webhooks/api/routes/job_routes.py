"""`/webhooks/{id}/recoveries` and `/jobs` of an organization."""

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath

from winnerr_webhooks.api.json_body import ApiRequest, read_json
from winnerr_webhooks.api.query_parameters import QueryParameters, read_timestamp
from winnerr_webhooks.api.services import Services, ServicesDependency
from winnerr_webhooks.api.shape_builders import job_shape
from winnerr_webhooks.api.shapes import JobList, JobShape, RecoveryShape
from winnerr_webhooks.storage.values import JobReport


class RecoveryRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What to recover: deliveries of events accepted from `since` on, and before `until`."""

    since: str
    until: str | None = None
    dry_run: bool = False


class JobRoutes(Controller):
    """Starts recoveries; reads and cancels jobs."""

    @post("/webhooks/{webhook:str}/recoveries", status_code=202)
    async def recover(
        self,
        services: ServicesDependency,
        request: ApiRequest,
        organization: FromPath[str],
        webhook: FromPath[str],
    ) -> RecoveryShape:
        """Send again what a webhook missed since a time."""
        await services.webhooks.get(organization, webhook)
        body = await read_json(request, RecoveryRequest)
        recovery = await services.recoveries.recover(
            organization,
            webhook,
            since=read_timestamp("/since", body.since),
            until=None if body.until is None else read_timestamp("/until", body.until),
            dry_run=body.dry_run,
        )
        return RecoveryShape(
            count=recovery.count,
            arrived=recovery.arrived,
            arrived_is_partial=recovery.arrived_is_partial,
            expected_seconds=_whole(recovery.expected_seconds),
            job_id=recovery.job_id,
            dry_run=body.dry_run,
        )

    @get("/jobs", query=("webhook",))
    async def get_all(
        self, services: ServicesDependency, request: ApiRequest, organization: FromPath[str]
    ) -> JobList:
        """List the newest jobs."""
        query: QueryParameters = request.state.query
        found = await services.recoveries.jobs(organization, query.text("webhook"))
        return JobList(items=[_shape(services, job) for job in found])

    @get("/jobs/{job:str}")
    async def get_one(
        self, services: ServicesDependency, organization: FromPath[str], job: FromPath[str]
    ) -> JobShape:
        """Get one job, with its progress."""
        return _shape(services, await services.recoveries.job(organization, job))

    @post("/jobs/{job:str}/cancel", status_code=200)
    async def cancel(
        self, services: ServicesDependency, organization: FromPath[str], job: FromPath[str]
    ) -> JobShape:
        """Cancel a job."""
        return _shape(services, await services.recoveries.cancel(organization, job))


def _shape(services: Services, job: JobReport) -> JobShape:
    return job_shape(job, _whole(services.recoveries.remaining_seconds(job)))


def _whole(seconds: float | None) -> int | None:
    """Whole seconds; an estimate above nothing is at least one."""
    return None if seconds is None else max(round(seconds), 1 if seconds else 0)
