"""The API as one ASGI application: events straight to their road, all the rest to Litestar."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import ResponseHeader
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from winnerr_webhooks.api import events, problems
from winnerr_webhooks.api.auth import Authenticator, key_guard
from winnerr_webhooks.api.query import read_query
from winnerr_webhooks.api.routes.catalog import event_types
from winnerr_webhooks.api.routes.docs import docs_routes
from winnerr_webhooks.api.routes.logs import LogRoutes
from winnerr_webhooks.api.routes.probes import healthz, metrics, readyz
from winnerr_webhooks.api.routes.sign_in import create_portal_session
from winnerr_webhooks.api.routes.webhooks import WebhookRoutes
from winnerr_webhooks.api.services import Services

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

SAFE_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every answer: what it holds is somebody's own, and is what its type says."""


def create_app(services: Services, *, beside: Mapping[str, ASGIApp] | None = None) -> ASGIApp:
    """The whole HTTP face of a node, ready for an ASGI server.

    `beside`: other applications by the path they begin at, such as the settings page.
    """
    mounted = [(path, path + "/", app) for path, app in (beside or {}).items()]
    authenticator = Authenticator(services.storage, services.clock)
    intake = events.EventIntake(services, authenticator)
    hot = {events.PATH: intake.one, events.BATCH_PATH: intake.many}
    rest = _litestar(services, [_api(authenticator), healthz, readyz, metrics, *docs_routes()])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            answer = hot.get(scope["path"])
            if answer is not None:
                await answer(scope, receive, send)
                return
            if scope["method"] == "HEAD":  # a GET without its body, which the server drops
                scope = {**scope, "method": "GET"}
            for path, below, other in mounted:
                if scope["path"] == path or scope["path"].startswith(below):
                    await other(scope, receive, send)
                    return
        await rest(scope, receive, send)

    return app


def _api(authenticator: Authenticator) -> Router:
    of_organization = Router(
        "/organizations/{organization:str}",
        route_handlers=[WebhookRoutes, LogRoutes, create_portal_session],
    )
    return Router(
        "/api/v1",
        guards=[key_guard(authenticator), read_query],
        route_handlers=[event_types, of_organization],
    )


def _litestar(services: Services, handlers: list[ControllerRouterHandler]) -> Litestar:
    def provide() -> Services:
        return services

    def answer(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        refusal = problems.answer_to(error, services.ids)
        return Response(
            refusal.body,
            status_code=refusal.problem.status,
            media_type=problems.MEDIA_TYPE,
            headers={**SAFE_HEADERS, **refusal.headers},
        )

    return Litestar(
        handlers,
        dependencies={"services": Provide(provide, use_cache=True, sync_to_thread=False)},
        exception_handlers={HTTPException: answer, Exception: answer},
        response_headers=[
            ResponseHeader(name=name, value=value) for name, value in SAFE_HEADERS.items()
        ],
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
