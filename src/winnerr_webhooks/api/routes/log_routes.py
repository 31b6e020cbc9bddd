"""`/logs`, `/deliveries`, `/events/{id}` and `/replays` of an organization."""

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath

from winnerr_webhooks.api.json_body import ApiRequest, read_json
from winnerr_webhooks.api.query_parameters import QueryParameters, read_timestamp
from winnerr_webhooks.api.services import ServicesDependency
from winnerr_webhooks.api.shape_builders import (
    attempt_page,
    attempt_shape,
    delivery_list,
    event_shape,
    whole_delivery_shape,
)
from winnerr_webhooks.api.shapes import (
    AttemptPage,
    AttemptShape,
    DeliveryList,
    DeliveryShape,
    DeliveryStarted,
    EventShape,
    ReplayedShape,
)
from winnerr_webhooks.domain.delivery import CANCELLED, DELIVERED, FAILED, PENDING
from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.management.replay_requests import ReplayRequest
from winnerr_webhooks.storage.values import DeliveryFilter, LogFilter

LOG_PARAMETERS = (
    "webhook", "event", "outcome", "status", "trigger", "minDurationMs", "q", "since", "until",
    "limit", "before",
)  # fmt: skip
TRIGGERS = ("automatic", "replay", "test", "listen")
DELIVERY_PARAMETERS = ("webhook", "event", "status", "since", "until", "limit", "before")


class ReplayManyRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Which deliveries to replay. A field that is left out does not limit them."""

    webhook: str | None = None
    event: str | None = None
    outcome: str | None = None
    since: str | None = None
    until: str | None = None
    dry_run: bool = False


class LogRoutes(Controller):
    """Reads attempts, deliveries and events, and replays deliveries."""

    @get("/logs", query=LOG_PARAMETERS)
    async def logs(
        self, services: ServicesDependency, request: ApiRequest, organization: FromPath[str]
    ) -> AttemptPage:
        """List attempts, newest first."""
        query: QueryParameters = request.state.query
        return attempt_page(
            await services.storage.log(
                LogFilter(
                    organization=organization,
                    webhook=query.text("webhook"),
                    event=query.event("event", services.catalog),
                    outcome=query.choice("outcome", ("succeeded", "failed")),
                    status=query.status_range(),
                    trigger=query.choice("trigger", TRIGGERS),
                    slower_than=query.whole_number("minDurationMs"),
                    text=query.search(),
                    since=query.timestamp("since"),
                    until=query.timestamp("until"),
                    limit=query.limit(),
                    before=query.cursor("att"),
                )
            ),
            services.config.delivery_timeout,
        )

    @get("/logs/{attempt:str}")
    async def attempt(
        self, services: ServicesDependency, organization: FromPath[str], attempt: FromPath[str]
    ) -> AttemptShape:
        """Get one attempt, with its request and response as sent and received."""
        found = None
        if is_id("att", attempt):
            found = await services.storage.attempt(organization, attempt)
        if found is None:
            raise NotFound("There is no such attempt. It may have been removed because it was old.")
        return attempt_shape(found, services.config.delivery_timeout, whole=True)

    @post("/logs/{attempt:str}/replay", status_code=202)
    async def replay_attempt(
        self, services: ServicesDependency, organization: FromPath[str], attempt: FromPath[str]
    ) -> DeliveryStarted:
        """Replay the delivery of an attempt."""
        return DeliveryStarted(
            delivery_id=await services.replays.replay_attempt(organization, attempt)
        )

    @get("/deliveries", query=DELIVERY_PARAMETERS)
    async def deliveries(
        self, services: ServicesDependency, request: ApiRequest, organization: FromPath[str]
    ) -> DeliveryList:
        """List deliveries, newest first."""
        query: QueryParameters = request.state.query
        return delivery_list(
            await services.storage.deliveries(
                DeliveryFilter(
                    organization=organization,
                    webhook=query.text("webhook"),
                    event=query.event("event", services.catalog),
                    status=query.choice("status", (PENDING, DELIVERED, FAILED, CANCELLED)),
                    since=query.timestamp("since"),
                    until=query.timestamp("until"),
                    limit=query.limit(),
                    before=query.cursor("dlv"),
                )
            )
        )

    @get("/deliveries/{delivery:str}")
    async def delivery(
        self, services: ServicesDependency, organization: FromPath[str], delivery: FromPath[str]
    ) -> DeliveryShape:
        """Get one delivery, with its newest 100 attempts."""
        found = None
        if is_id("dlv", delivery):
            found = await services.storage.delivery(organization, delivery)
        if found is None:
            raise NotFound(
                "There is no such delivery. It may have been removed because it was old."
            )
        return whole_delivery_shape(found, services.config.delivery_timeout)

    @post("/deliveries/{delivery:str}/replay", status_code=202)
    async def replay_delivery(
        self, services: ServicesDependency, organization: FromPath[str], delivery: FromPath[str]
    ) -> DeliveryStarted:
        """Replay a delivery."""
        return DeliveryStarted(
            delivery_id=await services.replays.replay_delivery(organization, delivery)
        )

    @post("/deliveries/{delivery:str}/skip", status_code=204)
    async def skip_delivery(
        self, services: ServicesDependency, organization: FromPath[str], delivery: FromPath[str]
    ) -> None:
        """Cancel a delivery that waits."""
        await services.replays.skip_delivery(organization, delivery)

    @post("/replays", status_code=202)
    async def replay_many(
        self, services: ServicesDependency, request: ApiRequest, organization: FromPath[str]
    ) -> ReplayedShape:
        """Replay every matching failed or cancelled delivery."""
        body = await read_json(request, ReplayManyRequest)
        count = await services.replays.replay_many(
            organization,
            ReplayRequest(
                webhook=body.webhook,
                event=body.event,
                outcome=body.outcome,
                since=None if body.since is None else read_timestamp("/since", body.since),
                until=None if body.until is None else read_timestamp("/until", body.until),
            ),
            dry_run=body.dry_run,
        )
        return ReplayedShape(count=count, dry_run=body.dry_run)

    @get("/events/{event:str}")
    async def event(
        self, services: ServicesDependency, organization: FromPath[str], event: FromPath[str]
    ) -> EventShape:
        """Get one event, with its deliveries."""
        found = None
        if is_id("evt", event):
            found = await services.storage.event(organization, event)
        if found is None:
            raise NotFound("There is no such event. It may have been removed because it was old.")
        return event_shape(found, services.catalog)
