"""`POST …/portal-sessions`: a CRM's backend asks for a link into the settings page."""

import msgspec
from litestar import post
from litestar.params import FromPath

from winnerr_webhooks.api.bodies import ApiRequest, read_json
from winnerr_webhooks.api.services import Given
from winnerr_webhooks.api.shapes import LinkShape
from winnerr_webhooks.domain.errors import Forbidden
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.management.page_sign_in import PageSignIn


class PortalSessionRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whom to sign in, as what."""

    role: str
    """`admin` or `viewer`."""
    user: str | None = None
    """A name to show."""


@post("/portal-sessions")
async def create_portal_session(
    services: Given, request: ApiRequest, organization: FromPath[str]
) -> LinkShape:
    """Make a one-time link that signs its bearer in to the organization's settings page."""
    if request.auth.organization is not None:
        # An organization's key can do less than its admins: it must not make admins.
        raise Forbidden("Only a service key can make sign-in links; this key is an organization's.")
    wanted = await read_json(request, PortalSessionRequest)
    sign_in = PageSignIn(
        storage=services.storage, clock=services.clock, public_url=services.config.public_url
    )
    link = await sign_in.create_link(organization, wanted.role, wanted.user)
    return LinkShape(url=link.url, expires_at=rfc3339(link.expires_at))
