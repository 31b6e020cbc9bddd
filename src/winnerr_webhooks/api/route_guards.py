"""What Litestar does before each handler of the REST API: it checks the key and reads the query."""

import functools
from collections.abc import Iterable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from winnerr_webhooks.api.query_parameters import QueryParameters
from winnerr_webhooks.api.services import Services
from winnerr_webhooks.domain.activity import KEY, Actor
from winnerr_webhooks.domain.alerts import OPERATOR
from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.management.client_address import client_address
from winnerr_webhooks.management.field_checks import check_any_organization
from winnerr_webhooks.storage.acting import act_as


async def check_key(
    connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler
) -> None:
    """A guard that refuses callers to whom the path does not belong; it sets `request.auth`.

    It also says who acts, for the activity log.
    """
    services: Services = connection.app.state.services
    header = authorization(connection.scope["headers"])
    caller = await services.authenticator.caller(header)
    organization = connection.path_params.get("organization")
    if organization is not None:
        belongs = caller.organization == organization != OPERATOR
        if caller.organization is not None and not belongs:
            raise NotFound("Nothing of this organization belongs to this API key.")
        check_any_organization(organization)
    connection.scope["auth"] = caller
    address = client_address(connection.scope, services.config.trusted_proxies)
    act_as(Actor(kind=KEY, id=caller.key_id, address=address))
    connection.state.receiving = services.budgets.receiving_bytes
    connection.state.check_key_again = functools.partial(services.authenticator.caller, header)


async def read_query(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard that reads the query string, and refuses parameters not in the handler's `query`.

    Stores the parameters as `request.state.query`.
    """
    connection.state.query = QueryParameters(
        connection.scope["query_string"], handler.opt.get("query", ())
    )


def authorization(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The one Authorization header; None when there is none, or more than one."""
    found = [value for name, value in headers if name == b"authorization"]
    return found[0] if len(found) == 1 else None
