"""The ASGI application of a node: it routes each request to events, probes or everything else."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from winnerr_webhooks.api.asgi_response import send_problem
from winnerr_webhooks.api.event_endpoint import BATCH_PATH, PATH, EventEndpoint
from winnerr_webhooks.api.probes import Probes
from winnerr_webhooks.api.problems import refused
from winnerr_webhooks.domain.errors import NotFound

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

DELIVERS_ONLY: Final = (
    "This node only delivers (ROLE=deliver): it answers /healthz, /readyz and "
    "/metrics. The API and the settings page are on the nodes with the role api or all."
)


class HttpApp(NamedTuple):
    """What a node answers over HTTP."""

    app: ASGIApp
    """All of it, for an ASGI server."""
    events: EventEndpoint | None
    """Where the server's fast path hands events; None: this node takes no events."""


def create_app(events: EventEndpoint, probes: Probes, others: ASGIApp) -> HttpApp:
    """Everything that a node with an API answers; `others` gets what the first two do not."""
    event_calls: dict[str, ASGIApp] = {PATH: events.answer_one, BATCH_PATH: events.answer_batch}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answer = event_calls.get(scope["path"])
        if answer is None:
            _answer_head_as_get(scope)
            answer = probes if probes.has(scope["path"]) else others
        await answer(scope, receive, send)

    return HttpApp(app, events)


def create_probes(probes: Probes) -> HttpApp:
    """What a node answers that only delivers: probes, and 404 for everything else."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        _answer_head_as_get(scope)
        if probes.has(scope["path"]):
            await probes(scope, receive, send)
        else:
            await send_problem(send, refused(NotFound(DELIVERS_ONLY)))

    return HttpApp(app, None)


def _answer_head_as_get(scope: Any) -> None:
    """Handle HEAD as GET (RFC 9110, section 9.3.2); the server sends no body."""
    if scope["method"] == "HEAD":
        scope["method"] = "GET"
