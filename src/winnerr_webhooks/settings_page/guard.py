"""The guard that every request of the settings page passes before its handler runs.

A POST needs an admin unless its handler says `viewer=True`, so a handler that says nothing is
closed to viewers. A GET needs an admin only where its handler says `admin=True`.
"""

from typing import Any, cast

from litestar.connection import ASGIConnection, Request
from litestar.exceptions import InternalServerException
from litestar.handlers.base import BaseRouteHandler

from winnerr_webhooks.domain.activity import USER, Actor
from winnerr_webhooks.domain.errors import Forbidden, Malformed, Unauthorized
from winnerr_webhooks.management.client_address import client_address
from winnerr_webhooks.settings_page.forms import Form
from winnerr_webhooks.settings_page.page_context import PageContext
from winnerr_webhooks.storage.acting import act_as


class SignedOut(Unauthorized):
    """No visitor is signed in, or the session has expired."""


class AdminRequired(Forbidden):
    """A viewer asked for something that only admins may do."""


async def authorize(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Check session, origin, role and CSRF token, in this order.

    Stores the visitor as `request.auth` and the form of a POST as `request.state.form`, and says
    who acts for the activity log. Handlers
    with `public=True` serve visitors who are not signed in yet; those with `asset=True` serve
    the page's static files and are not checked.
    """
    page: PageContext = connection.app.state.page
    if handler.opt.get("asset"):
        return
    request = cast("Request[Any, Any, Any]", connection)
    public = handler.opt.get("public", False)
    is_post = request.method == "POST"
    visitor = await page.auth.visitor(connection.scope)
    connection.scope["auth"] = visitor
    act_as(
        Actor(
            kind=USER,
            name=visitor.user if visitor else None,
            address=client_address(connection.scope, page.config.trusted_proxies),
        )
    )
    if is_post:
        page.auth.check_origin(connection.headers)
    if not public:
        if visitor is None:
            raise SignedOut("You are not signed in. A session ends after eight hours.")
        needs_admin = handler.opt.get("admin", is_post and not handler.opt.get("viewer"))
        if needs_admin and not visitor.is_admin:
            raise AdminRequired(
                "You are signed in as a viewer, and viewers only see webhooks and logs. Ask an "
                "admin to make this change, or sign in with an admin link."
            )
    if is_post:
        form = Form(request.headers.get("content-type", ""), await _read_body(request))
        if visitor is not None and not public:
            page.auth.check_csrf(visitor, form.text("csrf"))
        connection.state.form = form


async def _read_body(request: Request[Any, Any, Any]) -> bytes:
    """The whole body; `Malformed` when the browser disconnects before its end."""
    try:
        return await request.body()
    except InternalServerException:  # what the framework raises for a lost connection
        raise Malformed("The connection was lost before the whole form arrived.") from None
