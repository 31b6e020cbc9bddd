"""The one door of the page: every request of every view passes it.

What changes something is a POST, and a POST is an admin's unless its handler says `viewer=True`;
so a view that forgets to say anything is closed, not open.
"""

from typing import Any, cast

from litestar.connection import ASGIConnection, Request
from litestar.exceptions import InternalServerException
from litestar.handlers.base import BaseRouteHandler

from winnerr_webhooks.domain.errors import Forbidden, Malformed, Unauthorized
from winnerr_webhooks.settings_page.forms import Form
from winnerr_webhooks.settings_page.page_context import Page

NO_ADMIN = (
    "You are signed in as a viewer: you see webhooks and logs, and an admin makes changes. Ask "
    "for an admin link to make them yourself."
)


class SignedOut(Unauthorized):
    """Nobody is signed in, or not any more."""


async def enter(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a visitor in: session, origin, role, CSRF token, in this order.

    Leaves the visitor as `request.auth` and a POST's form as `request.state.form`. A handler with
    `opened=True` is for those who are not signed in yet.
    """
    page: Page = connection.app.state.page
    if handler.opt.get("asset"):
        return
    request = cast("Request[Any, Any, Any]", connection)
    posted = request.method == "POST"
    visitor = await page.gate.visitor(connection.scope)
    connection.scope["auth"] = visitor
    if posted:
        page.gate.check_origin(connection.headers)
    if visitor is None and not handler.opt.get("opened"):
        raise SignedOut("You are not signed in, or your session of eight hours is over.")
    needs_admin = handler.opt.get("admin", posted and not handler.opt.get("viewer"))
    if visitor is not None and needs_admin and not handler.opt.get("opened"):
        _only_admins(is_admin=visitor.is_admin)
    if posted:
        form = Form(request.headers.get("content-type", ""), await _read_body(request))
        if visitor is not None and not handler.opt.get("opened"):
            page.gate.check_csrf(visitor, form.text("csrf"))
        connection.state.form = form


async def _read_body(request: Request[Any, Any, Any]) -> bytes:
    """The whole body; `Malformed` when the browser hangs up before its end."""
    try:
        return await request.body()
    except InternalServerException:  # all that the framework says of a lost connection
        raise Malformed("The form broke off.") from None


def _only_admins(*, is_admin: bool) -> None:
    if not is_admin:
        raise Forbidden(NO_ADMIN)
