"""The operation that signs people in to the settings page."""

from typing import Final

from winnerr_webhooks.api import shapes
from winnerr_webhooks.api.docs import examples
from winnerr_webhooks.api.docs.operation import ORGANIZATION, WRITE, Operation
from winnerr_webhooks.api.problems import FORBIDDEN
from winnerr_webhooks.api.routes.portal_session_routes import PortalSessionRequest

PORTAL_SESSIONS: Final = (
    Operation(
        method="post",
        path=ORGANIZATION + "/portal-sessions",
        id="createPortalSession",
        tag="Settings page",
        summary="Create a sign-in link",
        description=(
            "The link works once, within ten minutes, and signs its holder in to the "
            "organization's settings page. `role` is `admin` or `viewer`. `user` is the name to "
            "show. `path` is the page at or below `/settings/webhooks` where the link leads; "
            "`returnUrl` is shown as the way back (https, or of an origin in FRAME_ANCESTORS); "
            "`language` is a tag such as `pt-BR`, used if the page has that language; "
            "`organizationName` is shown in place of the id; with `autoSignIn` the link signs in "
            "without a click. Mail programs that open links would use such a link up, so only "
            "send a browser to it. This call needs a service key."
        ),
        body=PortalSessionRequest,
        body_example=examples.PORTAL_SESSION,
        status=201,
        answer=shapes.LinkShape,
        answer_example=examples.LINK,
        refusals=(*WRITE, FORBIDDEN),
    ),
)
