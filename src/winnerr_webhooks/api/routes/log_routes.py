"""Looking back, and once more: `/logs`, `/deliveries`, `/events/{id}` and `/replays`."""

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath

from winnerr_webhooks.api.bodies import ApiRequest, read_json
from winnerr_webhooks.api.query_parameters import Query, read_instant
from winnerr_webhooks.api.services import Given
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
    "webhook", "event", "outcome", "status", "q", "since", "until", "limit", "before",
)  # fmt: skip
DELIVERY_PARAMETERS = ("webhook", "event", "status", "since", "until", "limit", "before")


class ReplayManyRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Which deliveries to replay; what is left out does not narrow."""

    webhook: str | None = None
    event: str | None = None
    outcome: str | None = None
    since: str | None = None
    until: str | None = None
    dry_run: bool = False


class LogRoutes(Controller):
    """Attempts, deliveries and events, read and replayed."""

    @get("/logs", query=LOG_PARAMETERS)
    async def logs(
        self, services: Given, request: ApiRequest, organization: FromPath[str]
    ) -> AttemptPage:
        """List attempts, newest first."""
        query: Query = request.state.query
        return attempt_page(
            await services.storage.log(
                LogFilter(
                    organization=organization,
                    webhook=query.text("webhook"),
                    event=query.event("event", services.catalog),
                    outcome=query.choice("outcome", ("succeeded", "failed")),
                    status=query.status(),
                    text=query.search(),
                    since=query.instant("since"),
                    until=query.instant("until"),
                    limit=query.limit(),
                    before=query.cursor("att"),
                )
            ),
            services.config.delivery_timeout,
        )

    @get("/logs/{attempt:str}")
    async def attempt(
        self, services: Given, organization: FromPath[str], attempt: FromPath[str]
    ) -> AttemptShape:
        """Get one attempt, with the request and the response as they were."""
        found = None
        if is_id("att", attempt):
            found = await services.storage.attempt(organization, attempt)
        if found is None:
            raise NotFound("There is no such attempt here; perhaps it is too old to be kept.")
        return attempt_shape(found, services.config.delivery_timeout, whole=True)

    @post("/logs/{attempt:str}/replay", status_code=202)
    async def replay_attempt(
        self, services: Given, organization: FromPath[str], attempt: FromPath[str]
    ) -> DeliveryStarted:
        """Replay an attempt's delivery."""
        return DeliveryStarted(
            delivery_id=await services.replays.replay_attempt(organization, attempt)
        )

    @get("/deliveries", query=DELIVERY_PARAMETERS)
    async def deliveries(
        self, services: Given, request: ApiRequest, organization: FromPath[str]
    ) -> DeliveryList:
        """List deliveries, newest first."""
        query: Query = request.state.query
        return delivery_list(
            await services.storage.deliveries(
                DeliveryFilter(
                    organization=organization,
                    webhook=query.text("webhook"),
                    event=query.event("event", services.catalog),
                    status=query.choice("status", (PENDING, DELIVERED, FAILED, CANCELLED)),
                    since=query.instant("since"),
                    until=query.instant("until"),
                    limit=query.limit(),
                    before=query.cursor("dlv"),
                )
            )
        )

    @get("/deliveries/{delivery:str}")
    async def delivery(
        self, services: Given, organization: FromPath[str], delivery: FromPath[str]
    ) -> DeliveryShape:
        """Get one delivery, with its attempts: of more than 100 the newest."""
        found = None
        if is_id("dlv", delivery):
            found = await services.storage.delivery(organization, delivery)
        if found is None:
            raise NotFound("There is no such delivery here; perhaps it is too old to be kept.")
        return whole_delivery_shape(found, services.config.delivery_timeout)

    @post("/deliveries/{delivery:str}/replay", status_code=202)
    async def replay_delivery(
        self, services: Given, organization: FromPath[str], delivery: FromPath[str]
    ) -> DeliveryStarted:
        """Replay a delivery."""
        return DeliveryStarted(
            delivery_id=await services.replays.replay_delivery(organization, delivery)
        )

    @post("/replays", status_code=202)
    async def replay_many(
        self, services: Given, request: ApiRequest, organization: FromPath[str]
    ) -> ReplayedShape:
        """Replay every matching failed or cancelled delivery."""
        wanted = await read_json(request, ReplayManyRequest)
        count = await services.replays.replay_many(
            organization,
            ReplayRequest(
                webhook=wanted.webhook,
                event=wanted.event,
                outcome=wanted.outcome,
                since=None if wanted.since is None else read_instant("/since", wanted.since),
                until=None if wanted.until is None else read_instant("/until", wanted.until),
            ),
            dry_run=wanted.dry_run,
        )
        return ReplayedShape(count=count, dry_run=wanted.dry_run)

    @get("/events/{event:str}")
    async def event(
        self, services: Given, organization: FromPath[str], event: FromPath[str]
    ) -> EventShape:
        """Get one event, with its deliveries."""
        found = None
        if is_id("evt", event):
            found = await services.storage.event(organization, event)
        if found is None:
            raise NotFound("There is no such event here; perhaps it is too old to be kept.")
        return event_shape(found)
