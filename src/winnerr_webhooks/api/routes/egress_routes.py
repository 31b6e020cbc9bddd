"""`GET /api/v1/egress`: what receivers should let in."""

from litestar import get

from winnerr_webhooks.api.services import ServicesDependency
from winnerr_webhooks.api.shapes import EgressShape


@get("/egress")
async def show_egress(services: ServicesDependency) -> EgressShape:
    """Show which addresses the requests to receivers come from (`EGRESS_ADDRESSES`)."""
    return EgressShape(addresses=[str(one) for one in services.config.egress_addresses])
