"""The REST API except for events and probes, as a Litestar application."""

from http import HTTPStatus
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import ResponseHeader, State
from litestar.di import Provide
from litestar.exceptions import HTTPException

from winnerr_webhooks.api import problems
from winnerr_webhooks.api.route_guards import check_key, read_query
from winnerr_webhooks.api.routes import event_type_routes
from winnerr_webhooks.api.routes.activity_routes import list_activity
from winnerr_webhooks.api.routes.alert_routes import AlertRoutes
from winnerr_webhooks.api.routes.docs_routes import show_docs, show_docs_css, show_openapi
from winnerr_webhooks.api.routes.egress_routes import show_egress
from winnerr_webhooks.api.routes.job_routes import JobRoutes
from winnerr_webhooks.api.routes.listener_routes import ListenerRoutes, open_listener
from winnerr_webhooks.api.routes.log_routes import LogRoutes
from winnerr_webhooks.api.routes.portal_session_routes import create_portal_session
from winnerr_webhooks.api.routes.rehearsal_routes import RehearsalRoutes
from winnerr_webhooks.api.routes.webhook_routes import WebhookRoutes
from winnerr_webhooks.api.services import Services

_SAFE_HEADERS = {name.decode(): value.decode() for name, value in problems.SAFE_HEADERS}


def create_rest_api(services: Services) -> Litestar:
    """The calls below `/api/v1` except for events, and the API's documentation."""
    app = Litestar(
        [routes(), show_openapi, show_docs, show_docs_css],
        dependencies={"services": Provide(_services, sync_to_thread=False)},
        exception_handlers={HTTPException: _answer, Exception: _answer},
        response_headers=[
            ResponseHeader(name=name, value=value) for name, value in _SAFE_HEADERS.items()
        ],
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    app.state.services = services
    return app


def routes() -> Router:
    """The calls below `/api/v1`."""
    of_organization = Router(
        "/organizations/{organization:str}",
        route_handlers=[
            WebhookRoutes,
            LogRoutes,
            JobRoutes,
            RehearsalRoutes,
            AlertRoutes,
            ListenerRoutes,
            create_portal_session,
            list_activity,
        ],
    )
    return Router(
        "/api/v1",
        guards=[check_key, read_query],
        route_handlers=[*event_type_routes.ROUTES, show_egress, open_listener, of_organization],
    )


def _services(state: State) -> Services:
    services: Services = state.services
    return services


def _answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    refusal = _refusal(error) or problems.answer_to(error, request.app.state.services.ids)
    return Response(
        refusal.body,
        status_code=refusal.problem.status,
        media_type=problems.MEDIA_TYPE,
        headers={**_SAFE_HEADERS, **refusal.headers},
    )


def _refusal(error: Exception) -> problems.ErrorAnswer | None:
    """The answer to a request that Litestar refuses; None for every other error."""
    if not isinstance(error, HTTPException):
        return None
    status = error.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    if status == HTTPStatus.NOT_FOUND:
        return problems.nothing_here()
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("allow", "")
        return problems.method_not_allowed(allowed.replace("GET", "GET, HEAD"))
    return problems.of_status(status, error.detail)
