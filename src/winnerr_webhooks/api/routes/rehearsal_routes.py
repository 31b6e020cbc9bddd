"""`/webhooks/{id}/rehearsals` and `/rehearsals/{id}` of an organization."""

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath

from winnerr_webhooks.api.json_body import ApiRequest, read_json
from winnerr_webhooks.api.services import ServicesDependency
from winnerr_webhooks.api.shape_builders import rehearsal_shape
from winnerr_webhooks.api.shapes import RehearsalShape
from winnerr_webhooks.management.rehearsals import DEFAULT_EVENTS


class RehearsalRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The URL to try, and how many of the webhook's last events to send to it."""

    url: str
    last: int = DEFAULT_EVENTS


class RehearsalRoutes(Controller):
    """Starts, reads and cancels rehearsals."""

    @post("/webhooks/{webhook:str}/rehearsals", status_code=202)
    async def start(
        self,
        services: ServicesDependency,
        request: ApiRequest,
        organization: FromPath[str],
        webhook: FromPath[str],
    ) -> RehearsalShape:
        """Send a webhook's last events to another URL."""
        await services.webhooks.get(organization, webhook)
        body = await read_json(request, RehearsalRequest)
        return rehearsal_shape(
            await services.rehearsals.start(organization, webhook, body.url, body.last)
        )

    @get("/rehearsals/{rehearsal:str}")
    async def get_one(
        self, services: ServicesDependency, organization: FromPath[str], rehearsal: FromPath[str]
    ) -> RehearsalShape:
        """Get a rehearsal, with its answers so far."""
        return rehearsal_shape(await services.rehearsals.get(organization, rehearsal))

    @post("/rehearsals/{rehearsal:str}/cancel", status_code=200)
    async def cancel(
        self, services: ServicesDependency, organization: FromPath[str], rehearsal: FromPath[str]
    ) -> RehearsalShape:
        """Cancel a rehearsal."""
        return rehearsal_shape(await services.rehearsals.cancel(organization, rehearsal))
