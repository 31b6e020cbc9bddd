"""The guard that every request of the settings page passes before its handler runs.

A POST needs an admin unless its handler says `viewer=True`, so a handler that says nothing is
closed to viewers. A GET needs an admin only where its handler says `admin=True`.
"""

from typing import Any, Final, cast

from litestar.connection import ASGIConnection, Request
from litestar.exceptions import InternalServerException
from litestar.handlers.base import BaseRouteHandler

from winnerr_webhooks.domain.activity import USER, Actor
from winnerr_webhooks.domain.errors import Forbidden, Malformed, Unauthorized
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.management.client_address import client_address
from winnerr_webhooks.settings_page.forms import Form
from winnerr_webhooks.settings_page.page_context import PageContext
from winnerr_webhooks.settings_page.session import Visitor
from winnerr_webhooks.storage.acting import act_as

MAX_KEPT_BYTES: Final = 65_536
"""The largest form that is kept for a visitor whose session has ended."""


class SignedOut(Unauthorized):
    """No visitor is signed in, or the session has expired. `form` is what was posted."""

    def __init__(self, detail: str, form: Form | None = None) -> None:
        super().__init__(detail)
        self.form = form


class SignedInAgain(Forbidden):
    """A form was made for an earlier session of the organization whose visitor sent it."""

    def __init__(self, detail: str, form: Form) -> None:
        super().__init__(detail)
        self.form = form


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
    await page.load_language(visitor.language if visitor else page.auth.language(connection.scope))
    if is_post:
        page.auth.check_origin(connection.headers)
    if not public:
        if visitor is None:
            form = await _posted_form(request) if is_post else None
            raise SignedOut(Text("You are not signed in. A session ends after eight hours."), form)
        needs_admin = handler.opt.get("admin", is_post and not handler.opt.get("viewer"))
        if needs_admin and not visitor.is_admin:
            raise AdminRequired(
                Text(
                    "You are signed in as a viewer, and viewers only see webhooks and logs. Ask an "
                    "admin to make this change, or sign in with an admin link."
                )
            )
    if is_post:
        form = Form(request.headers.get("content-type", ""), await _read_body(request))
        if visitor is not None and not public:
            _check_csrf(page, visitor, form)
        connection.state.form = form


def _check_csrf(page: PageContext, visitor: Visitor, form: Form) -> None:
    """Check the token; a form of the same organization is not lost (see `SignedInAgain`).

    What was entered may be shown only in a page of the organization for which it was entered.
    """
    try:
        page.auth.check_csrf(visitor, form.text("csrf"))
    except Forbidden as refusal:
        if form.text("organization") != visitor.organization:
            raise
        raise SignedInAgain(refusal.detail, form) from None


async def _posted_form(request: Request[Any, Any, Any]) -> Form | None:
    """What was posted without a session; None when it is large, or no form."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or len(length) > len(str(MAX_KEPT_BYTES)):
        return None
    if int(length) > MAX_KEPT_BYTES:
        return None
    try:
        return Form(request.headers.get("content-type", ""), await _read_body(request))
    except Malformed:
        return None


async def _read_body(request: Request[Any, Any, Any]) -> bytes:
    """The whole body; `Malformed` when the browser disconnects before its end."""
    try:
        return await request.body()
    except InternalServerException:  # what the framework raises for a lost connection
        raise Malformed(Text("The connection was lost before the whole form arrived.")) from None
