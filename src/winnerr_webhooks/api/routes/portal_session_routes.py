"""`POST …/portal-sessions`: a product's backend creates a sign-in link for the settings page."""

import msgspec
from litestar import post
from litestar.params import FromPath

from winnerr_webhooks.api.json_body import ApiRequest, read_json
from winnerr_webhooks.api.services import ServicesDependency
from winnerr_webhooks.api.shapes import LinkShape
from winnerr_webhooks.domain.errors import Forbidden
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.management.field_checks import FieldChecks
from winnerr_webhooks.management.page_options import check_page_options
from winnerr_webhooks.management.page_sign_in import PageSignIn


class PortalSessionRequest(
    msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Who signs in, with which role, and how the page opens."""

    role: str
    """`admin` or `viewer`."""
    user: str | None = None
    """The name to show."""
    path: str | None = None
    """The page at or below `/settings/webhooks` where the link leads."""
    return_url: str | None = None
    """Shown as the way back: https, or of an origin that may embed the page."""
    language: str | None = None
    """The visitor's language, a tag such as `pt-BR`."""
    organization_name: str | None = None
    """Shown in place of the organization's id."""
    auto_sign_in: bool = False
    """Whether the link signs in without a click, by script."""


@post("/portal-sessions")
async def create_portal_session(
    services: ServicesDependency, request: ApiRequest, organization: FromPath[str]
) -> LinkShape:
    """Create a one-time link that signs its holder in to the organization's settings page."""
    if request.auth.organization is not None:
        # A key of an organization can do less than an admin, so it must not create admins.
        raise Forbidden(
            "Only a service key can create sign-in links. This key belongs to one organization."
        )
    body = await read_json(request, PortalSessionRequest)
    sign_in = PageSignIn(
        storage=services.storage, clock=services.clock, public_url=services.config.public_url
    )
    checks = FieldChecks()
    page = check_page_options(
        checks,
        services.config.frame_ancestors,
        path=body.path,
        return_url=body.return_url,
        language=body.language,
        organization_name=body.organization_name,
        auto_sign_in=body.auto_sign_in,
    )
    link = await sign_in.create_link(organization, body.role, body.user, page=page, checks=checks)
    return LinkShape(url=link.url, expires_at=rfc3339(link.expires_at))
