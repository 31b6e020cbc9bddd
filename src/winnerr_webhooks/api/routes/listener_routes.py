"""`/listeners`: programs that receive deliveries over a stream, and answer each by a call.

The stream is server-sent events (WHATWG HTML, section 9.2). `hello` comes first, with the stream's
id; `delivery` carries a request to make; `end` says why the stream ends. Comments are heartbeats.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath
from litestar.response import Stream

from winnerr_webhooks.api.json_body import ApiRequest, read_json
from winnerr_webhooks.api.services import Services, ServicesDependency
from winnerr_webhooks.api.shapes import ErrorKind, ListenerShape, TimingsShape
from winnerr_webhooks.domain.attempt import ERROR_KINDS, PHASES, Failure, Timings
from winnerr_webhooks.domain.errors import Invalid, NotFound, Unauthorized, Unavailable
from winnerr_webhooks.domain.webhook import Target
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.management.field_checks import check_organization
from winnerr_webhooks.management.listeners import ListenerDraft, check_forward_to
from winnerr_webhooks.pipeline.listener_hub import ListenerAnswer
from winnerr_webhooks.pipeline.listener_stream import HEARTBEAT_SECONDS, End, Heartbeat, Offer

KEY_REVOKED = "key_revoked"
"""Why a stream ends whose key was revoked."""
STREAM_PARAMETERS = ("forwardTo", "replaces")

_LONGEST_MS = 3_600_000
_Short = Annotated[str, msgspec.Meta(max_length=200)]
_Bytes = Annotated[bytes, msgspec.Meta(max_length=16 * 1024)]
"""Base64 in JSON (RFC 4648, section 4)."""


class ListenerFailure(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Why there is no usable response."""

    kind: ErrorKind
    message: Annotated[str, msgspec.Meta(max_length=500)]
    phase: _Short
    code: Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]{0,40}$")] = ""


class ListenerReport(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What happened to a delivery on the listener's side: a status, a failure, or both."""

    stream: str
    delivery_id: str
    duration_ms: Annotated[float, msgspec.Meta(ge=0, le=_LONGEST_MS)]
    status: Annotated[int, msgspec.Meta(ge=100, le=999)] | None = None
    reason: _Short = ""
    response_head: _Bytes = b""
    """Header lines, each with CRLF, without the status line."""
    response_body: _Bytes = b""
    truncated: bool = False
    timings: TimingsShape | None = None
    failure: ListenerFailure | None = None


@post("/listeners", status_code=200)
async def open_listener(services: ServicesDependency, request: ApiRequest) -> ListenerShape:
    """Open a listener: find the one of this key and name, or make it."""
    draft = await read_json(request, ListenerDraft)
    organization = draft.organization_id or request.auth.organization
    if organization is None:
        raise Invalid.field(
            "/organizationId", "A service key is valid for all organizations: name the one to use."
        )
    check_organization(organization)
    if request.auth.organization not in (None, organization):
        raise NotFound("Nothing of this organization belongs to this API key.")
    opened = await services.listeners.open(organization, request.auth.key_id, draft)
    return ListenerShape(
        id=opened.webhook.id,
        organization_id=organization,
        events=opened.webhook.events,
        secret=opened.secret,
        timeout=services.config.delivery_timeout,
    )


class ListenerRoutes(Controller):
    """The stream of a listener, and the answers to what was sent on it."""

    path = "/listeners/{listener:str}"

    @get("/stream", query=STREAM_PARAMETERS, media_type="text/event-stream")
    async def stream(
        self,
        services: ServicesDependency,
        request: ApiRequest,
        organization: FromPath[str],
        listener: FromPath[str],
    ) -> Stream:
        """Stream deliveries as they come."""
        forward_to = check_forward_to(request.state.query.text("forwardTo") or "")
        target = await _find(services, organization, listener)
        budget = services.budgets.live_streams
        if not budget.take_for(organization):
            raise Unavailable("Too many streams of this organization are open. Close one.", 5)
        budget.release_for(organization)  # the stream takes it again when it starts
        replaces = request.state.query.text("replaces")
        return Stream(
            _events(services, request, target, forward_to, replaces),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    @post("/answers", status_code=204)
    async def answer(
        self,
        services: ServicesDependency,
        request: ApiRequest,
        organization: FromPath[str],
        listener: FromPath[str],
    ) -> None:
        """Record the answer to one delivery."""
        report = await read_json(request, ListenerReport)
        failure = report.failure
        if report.status is None and failure is None:
            raise Invalid.field("/status", "Send `status`, or `failure`, or both.")
        if failure is not None and (
            failure.kind not in ERROR_KINDS[:-1] or failure.phase not in PHASES
        ):
            raise Invalid.field("/failure", "There is no such kind or phase of a failure.")
        services.listener_hub.answer(
            organization,
            listener,
            report.stream,
            report.delivery_id,
            ListenerAnswer(
                duration_ms=report.duration_ms,
                status=report.status,
                reason=report.reason,
                response_head=report.response_head,
                response_body=report.response_body,
                truncated=report.truncated,
                timings=Timings(**msgspec.structs.asdict(report.timings))
                if report.timings
                else Timings(),
                failure=Failure(**msgspec.structs.asdict(failure)) if failure else None,
            ),
        )


async def _find(services: Services, organization: str, listener: str) -> Target:
    if not is_id("wh", listener):
        raise NotFound(f"There is no listener {listener[:80]}.")
    return await services.listener_hub.find(organization, listener)


async def _events(
    services: Services, request: ApiRequest, target: Target, forward_to: str, replaces: str | None
) -> AsyncIterator[bytes]:
    """Yield the events of one stream, until it ends or the program is gone."""
    budget, hub = services.budgets.live_streams, services.listener_hub
    organization = target.organization
    if not budget.take_for(organization):
        return
    stream = hub.open(target, forward_to, replaces)
    try:
        yield _event("hello", {"stream": stream.id, "heartbeatSeconds": HEARTBEAT_SECONDS})
        async for message in stream.messages():
            match message:
                case Offer():
                    yield _event("delivery", _delivery(message))
                case Heartbeat():
                    if await _key_revoked(request):
                        yield _event("end", {"reason": KEY_REVOKED})
                        return
                    yield b":\n\n"
                case End(reason=reason):
                    yield _event("end", {"reason": reason})
    finally:
        hub.close_stream(stream)
        budget.release_for(organization)


async def _key_revoked(request: ApiRequest) -> bool:
    with suppress(Unavailable):
        try:
            await request.state.check_key_again()
        except Unauthorized:
            return True
    return False


def _delivery(offer: Offer) -> dict[str, Any]:
    delivery = offer.delivery
    return {
        "deliveryId": delivery.id,
        "eventId": delivery.event_id,
        "event": delivery.event,
        "attempt": delivery.attempt,
        "trigger": delivery.trigger,
        "head": offer.head.decode(),
        "body": delivery.body.decode(),
    }


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))
