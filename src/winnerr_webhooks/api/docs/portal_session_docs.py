"""The operation that leads people into the settings page."""

from typing import Final

from winnerr_webhooks.api import shapes
from winnerr_webhooks.api.docs import examples
from winnerr_webhooks.api.docs.operation import ORGANIZATION, WRITE, Operation
from winnerr_webhooks.api.problems import FORBIDDEN
from winnerr_webhooks.api.routes.portal_session_routes import PortalSessionRequest

SIGN_IN: Final = (
    Operation(
        method="post",
        path=ORGANIZATION + "/portal-sessions",
        id="createPortalSession",
        tag="Settings page",
        summary="Make a sign-in link",
        text=(
            "A one-time link, good for ten minutes, that signs its bearer in to the "
            "organization's settings page. `role` is `admin` or `viewer`, `user` a name to show. "
            "Takes a service key."
        ),
        body=PortalSessionRequest,
        body_example=examples.PORTAL_SESSION,
        status=201,
        answer=shapes.LinkShape,
        answer_example=examples.LINK,
        refusals=(*WRITE, FORBIDDEN),
    ),
)
