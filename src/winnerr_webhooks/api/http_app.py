"""The ASGI application of a node: events go to their endpoint, everything else to Litestar."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import ResponseHeader
from litestar.di import Provide
from litestar.exceptions import HTTPException, NotFoundException
from litestar.types import ControllerRouterHandler

from winnerr_webhooks.api import event_endpoint, problems
from winnerr_webhooks.api.auth import Authenticator, key_guard
from winnerr_webhooks.api.query_parameters import read_query
from winnerr_webhooks.api.routes.docs_routes import show_docs, show_docs_css, show_openapi
from winnerr_webhooks.api.routes.event_type_routes import list_event_types
from winnerr_webhooks.api.routes.job_routes import JobRoutes
from winnerr_webhooks.api.routes.listener_routes import ListenerRoutes, open_listener
from winnerr_webhooks.api.routes.log_routes import LogRoutes
from winnerr_webhooks.api.routes.portal_session_routes import create_portal_session
from winnerr_webhooks.api.routes.probe_routes import healthz, metrics, readyz
from winnerr_webhooks.api.routes.rehearsal_routes import RehearsalRoutes
from winnerr_webhooks.api.routes.webhook_routes import WebhookRoutes
from winnerr_webhooks.api.services import Services
from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.quotas import Budget

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

_SAFE_HEADERS = {name.decode(): value.decode() for name, value in problems.SAFE_HEADERS}
DELIVERS_ONLY = (
    "This node only delivers (ROLE=deliver): it answers /healthz, /readyz and "
    "/metrics. The API and the settings page are on the nodes with the role api or all."
)


class HttpApp(NamedTuple):
    """What a node answers over HTTP."""

    app: ASGIApp
    """All of it, for an ASGI server."""
    events: event_endpoint.EventEndpoint | None
    """Where the server's fast path hands events; None: this node takes no events."""


def create_app(services: Services, *, beside: Mapping[str, ASGIApp] | None = None) -> HttpApp:
    """Everything that a node with an API answers.

    `beside`: other applications by the path they begin at, such as the settings page.
    """
    mounted = [(path, path + "/", app) for path, app in (beside or {}).items()]
    authenticator = Authenticator(services.storage, services.clock, services.budgets.key_lookups)
    events = event_endpoint.EventEndpoint(services, authenticator)
    event_calls = {event_endpoint.PATH: events.one, event_endpoint.BATCH_PATH: events.many}
    rest = _litestar(
        services,
        [
            _api(authenticator, services.budgets.receiving_bytes),
            healthz,
            readyz,
            metrics,
            show_openapi,
            show_docs,
            show_docs_css,
        ],
    )

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answer = event_calls.get(scope["path"])
        if answer is not None:
            await answer(scope, receive, send)
            return
        _answer_head_as_get(scope)
        for path, below, other in mounted:
            if scope["path"] == path or scope["path"].startswith(below):
                await other(scope, receive, send)
                return
        await rest(scope, receive, send)

    return HttpApp(app, events)


def create_probes(services: Services) -> HttpApp:
    """What a node answers that only delivers: probes and metrics, and 404 for everything else."""
    rest = _litestar(services, [healthz, readyz, metrics], nothing_here=DELIVERS_ONLY)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        _answer_head_as_get(scope)
        await rest(scope, receive, send)

    return HttpApp(app, None)


def _answer_head_as_get(scope: Any) -> None:
    """Handle HEAD as GET (RFC 9110, section 9.3.2); the server sends no body."""
    if scope["method"] == "HEAD":
        scope["method"] = "GET"


def _api(authenticator: Authenticator, receiving: Budget) -> Router:
    of_organization = Router(
        "/organizations/{organization:str}",
        route_handlers=[
            WebhookRoutes,
            LogRoutes,
            JobRoutes,
            RehearsalRoutes,
            ListenerRoutes,
            create_portal_session,
        ],
    )
    return Router(
        "/api/v1",
        guards=[key_guard(authenticator, receiving), read_query],
        route_handlers=[list_event_types, open_listener, of_organization],
    )


def _litestar(
    services: Services,
    handlers: list[ControllerRouterHandler],
    *,
    nothing_here: str | None = None,
) -> Litestar:
    def provide() -> Services:
        return services

    def answer(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        if nothing_here is not None and isinstance(error, NotFoundException):
            error = NotFound(nothing_here)
        refusal = problems.answer_to(error, services.ids)
        return Response(
            refusal.body,
            status_code=refusal.problem.status,
            media_type=problems.MEDIA_TYPE,
            headers={**_SAFE_HEADERS, **refusal.headers},
        )

    return Litestar(
        handlers,
        dependencies={"services": Provide(provide, use_cache=True, sync_to_thread=False)},
        exception_handlers={HTTPException: answer, Exception: answer},
        response_headers=[
            ResponseHeader(name=name, value=value) for name, value in _SAFE_HEADERS.items()
        ],
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
