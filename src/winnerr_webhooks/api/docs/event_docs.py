"""The operations on events and event types."""

from typing import Annotated, Any, Final

import msgspec

from winnerr_webhooks.api import shapes
from winnerr_webhooks.api.docs import examples
from winnerr_webhooks.api.docs.constraints import CLIENT_ID
from winnerr_webhooks.api.docs.operation import ORGANIZATION, READ, TEXT, Operation, Parameter
from winnerr_webhooks.api.problems import (
    CONFLICT,
    FORBIDDEN,
    INVALID,
    MALFORMED,
    TOO_LARGE,
    UNAVAILABLE,
    UNCERTAIN,
    Problem,
)

_RESULT: Final = {
    "anyOf": [
        {"$ref": "#/components/schemas/AcceptedEvent"},
        {"$ref": "#/components/schemas/RefusedEvent"},
    ]
}


_BATCH: Final = {"minItems": 1, "maxItems": 1000}


class EventSubmission(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An event. Receivers get `data` exactly as sent, without insignificant white space."""

    event: str
    organization_id: str
    data: dict[str, Any]
    timestamp: shapes.Time | msgspec.UnsetType = msgspec.UNSET
    id: str | msgspec.UnsetType = msgspec.UNSET


class AcceptedEvent(msgspec.Struct, kw_only=True):
    """The answer to an event that is on disk together with its deliveries."""

    id: str
    duplicate: bool
    deliveries: int


class RefusedEvent(msgspec.Struct, kw_only=True):
    """The answer to an event of a batch that was refused."""

    error: Problem


class BatchResults(msgspec.Struct, kw_only=True):
    """An answer for each event of a batch, in the same order."""

    results: Annotated[list[Any], msgspec.Meta(extra_json_schema={"items": _RESULT})]


EVENTS: Final = (
    Operation(
        method="post",
        path="/api/v1/events",
        id="sendEvent",
        tag="Events",
        summary="Send an event",
        description=(
            "202 means that the event and its deliveries are on disk. With an `id` (or an "
            "Idempotency-Key), the call is safe to repeat for 30 days. The event is then accepted "
            "once, and a repeat gets the first answer with `duplicate` true. To tell whether a "
            "call is a repeat, `data` is compared as JSON values. The body may have at most "
            "256 KiB, and `data` may be at most 64 levels deep."
        ),
        parameters=(
            Parameter(
                "Idempotency-Key",
                "The same as `id` in the body.",
                TEXT | CLIENT_ID,
                location="header",
            ),
        ),
        body=EventSubmission,
        body_example=examples.SUBMISSION,
        status=202,
        answer=AcceptedEvent,
        answer_example=examples.ACCEPTED,
        refusals=(MALFORMED, FORBIDDEN, CONFLICT, TOO_LARGE, INVALID, UNAVAILABLE, UNCERTAIN),
    ),
    Operation(
        method="post",
        path="/api/v1/events/batch",
        id="sendEvents",
        tag="Events",
        summary="Send up to 1,000 events at once",
        description=(
            "The body is a JSON array, or one event per line as application/x-ndjson, and may "
            "have at most 8 MiB. Each event has its own answer, in the same order. Valid events "
            "are accepted even when others are refused."
        ),
        body=Annotated[list[EventSubmission], msgspec.Meta(extra_json_schema=_BATCH)],
        body_example=[examples.SUBMISSION],
        ndjson=True,
        status=202,
        answer=BatchResults,
        answer_example=examples.BATCH_RESULTS,
        refusals=(MALFORMED, TOO_LARGE, INVALID, UNAVAILABLE, UNCERTAIN),
    ),
    Operation(
        method="get",
        path=ORGANIZATION + "/events/{eventId}",
        id="getEvent",
        tag="Events",
        summary="Get an event with its deliveries",
        answer=shapes.EventShape,
        answer_example=examples.EVENT,
        refusals=READ,
    ),
    Operation(
        method="get",
        path="/api/v1/event-types",
        id="listEventTypes",
        tag="Events",
        summary="List the event types",
        description="By category, each with a description, a complete example payload, and the "
        "JSON Schema of its `data` if it has one.",
        answer=shapes.CatalogShape,
        answer_example=examples.CATALOG,
        refusals=(MALFORMED, INVALID, UNAVAILABLE),
    ),
    Operation(
        method="get",
        path="/api/v1/egress",
        id="getEgress",
        tag="Events",
        summary="Get the addresses that requests come from",
        description="Networks that a receiver's firewall should let in, as `EGRESS_ADDRESSES` "
        "names them; empty if it names none.",
        answer=shapes.EgressShape,
        answer_example={"addresses": ["203.0.113.0/28"]},
        refusals=(MALFORMED, INVALID, UNAVAILABLE),
    ),
    Operation(
        method="get",
        path="/api/v1/event-types/openapi.json",
        id="getEventsAsOpenapi",
        tag="Events",
        summary="Describe the requests that receivers get, as OpenAPI 3.1",
        description="Its `webhooks` are the event types, for generators of types and servers.",
        answer=dict[str, Any],
        answer_example={"openapi": "3.1.0", "webhooks": {}},
        refusals=(MALFORMED, INVALID, UNAVAILABLE),
    ),
    Operation(
        method="get",
        path="/api/v1/event-types/asyncapi.json",
        id="getEventsAsAsyncapi",
        tag="Events",
        summary="Describe the requests that receivers get, as AsyncAPI 3",
        answer=dict[str, Any],
        answer_example={"asyncapi": "3.0.0", "channels": {}},
        refusals=(MALFORMED, INVALID, UNAVAILABLE),
    ),
)
