"""The operations on webhooks and their secrets."""

from typing import Annotated, Any, Final

import msgspec

from winnerr_webhooks.api import shapes
from winnerr_webhooks.api.docs import examples
from winnerr_webhooks.api.docs.operation import (
    ORGANIZATION,
    READ,
    TEXT,
    WRITE,
    Operation,
    Parameter,
)
from winnerr_webhooks.api.problems import CONFLICT, OUTDATED, UNCERTAIN
from winnerr_webhooks.api.routes.webhook_routes import TestRequest
from winnerr_webhooks.management.filter_tests import FilterTestDraft
from winnerr_webhooks.management.webhook_drafts import SecretDraft, WebhookDraft, WebhookPatch

CREATED: Final = Annotated[
    Any,
    msgspec.Meta(
        extra_json_schema={
            "anyOf": [
                {"$ref": "#/components/schemas/WebhookWithSecretShape"},
                {"$ref": "#/components/schemas/WebhookShape"},
            ]
        }
    ),
]
"""The answer to a creation. Two types, because client generators mishandle an optional secret."""
SECRET: Final = Annotated[
    Any,
    msgspec.Meta(
        extra_json_schema={
            "anyOf": [
                {"$ref": "#/components/schemas/SecretShape"},
                {"$ref": "#/components/schemas/PublicKeyShape"},
            ]
        }
    ),
]
_IF_MATCH: Final = Parameter(
    name="If-Match",
    description=(
        "The `ETag` of the answer in which you read the webhook. If it was changed since, nothing "
        "is done, and the answer is 412."
    ),
    schema=TEXT,
    location="header",
)
_WEBHOOK: Final = ORGANIZATION + "/webhooks/{webhookId}"

WEBHOOKS: Final = (
    Operation(
        method="post",
        path=ORGANIZATION + "/webhooks",
        id="createWebhook",
        tag="Webhooks",
        summary="Create a webhook",
        description=(
            "Events are sent to it at once. The URL must be https and publicly reachable. `events` "
            "lists event types, and patterns such as `contact.*` for all of a prefix, also those "
            'added later, or is ["*"] for all of them. The answer has `secret` only when it was '
            "generated. Its `removedEvents` are those of `events` that match nothing any more, "
            "because their event types left the catalogue. `timeout` is the seconds that an "
            "attempt may take, up to the limit of this service. `retrySchedule` is `standard`, "
            "`long` (8 retries over about 3 days) or a list of the seconds before each retry. With "
            "`status` `paused`, nothing is sent until it is `active`, and events are kept as "
            "cancelled deliveries. `headers` and `auth` are sent with each request; they are "
            "encrypted and never shown again. `auth` is Basic, a bearer token, OAuth 2.0 client "
            "credentials, whose token URL must be publicly reachable too, or a client certificate. "
            "With a `filter`, only events whose payload matches it are sent. `rateLimit` is how "
            "many attempts a second are made, on all nodes together: what is more waits for its "
            "turn. With `ordered`, deliveries are sent one after the other in the order of "
            "acceptance, or so for each value of a path such as `data.id`. One that fails holds "
            "those behind it until its retries are used up."
        ),
        body=WebhookDraft,
        body_example=examples.WEBHOOK_DRAFT,
        status=201,
        answer=CREATED,
        answer_example=examples.CREATED_WEBHOOK,
        refusals=(*WRITE, CONFLICT),
    ),
    Operation(
        method="get",
        path=ORGANIZATION + "/webhooks",
        id="listWebhooks",
        tag="Webhooks",
        summary="List webhooks",
        answer=shapes.WebhookList,
        answer_example=examples.WEBHOOK_LIST,
        refusals=READ,
    ),
    Operation(
        method="post",
        path=ORGANIZATION + "/webhooks/filter-test",
        id="testFilter",
        tag="Webhooks",
        summary="Test a filter over the last events",
        description=(
            "Says how many of the organization's `last` events (100, at most 500) match the "
            "filter, with the ids of the newest 10. With `events`, only events that such a "
            "subscription gets are tested. Nothing is sent or changed."
        ),
        body=FilterTestDraft,
        body_example=examples.FILTER_TEST,
        answer=shapes.FilterTestShape,
        answer_example=examples.FILTER_TESTED,
        refusals=WRITE,
    ),
    Operation(
        method="get",
        path=_WEBHOOK,
        id="getWebhook",
        tag="Webhooks",
        summary="Get a webhook",
        answer=shapes.WebhookShape,
        answer_example=examples.WEBHOOK,
        refusals=READ,
    ),
    Operation(
        method="patch",
        path=_WEBHOOK,
        id="changeWebhook",
        tag="Webhooks",
        summary="Change, pause or resume a webhook",
        description=(
            "Fields that are left out stay as they are. `status` is `active` or `paused`. Pausing "
            "cancels the waiting deliveries. With `active`, `replayCancelled` sends the deliveries "
            "that were cancelled. A header's value `•••` keeps the value that it has. If the URL "
            "moves to another scheme, host or port, `headers` and `auth` must be given again."
        ),
        parameters=(_IF_MATCH,),
        body=WebhookPatch,
        body_example=examples.WEBHOOK_PATCH,
        answer=shapes.WebhookShape,
        answer_example=examples.WEBHOOK,
        refusals=(*WRITE, OUTDATED),
    ),
    Operation(
        method="delete",
        path=_WEBHOOK,
        id="deleteWebhook",
        tag="Webhooks",
        summary="Delete a webhook",
        description="Its secret is erased, waiting deliveries are cancelled, and its log stays.",
        parameters=(_IF_MATCH,),
        status=204,
        refusals=(*READ, OUTDATED, UNCERTAIN),
    ),
    Operation(
        method="get",
        path=_WEBHOOK + "/secret",
        id="getSecret",
        tag="Webhooks",
        summary="Reveal the secret",
        description=(
            "During an overlap, this is the new one. 404 when the webhook has no secret. With "
            "`signing` `ed25519` it is the public key, with which receivers verify."
        ),
        answer=SECRET,
        answer_example=examples.SECRET_SHOWN,
        refusals=READ,
    ),
    Operation(
        method="put",
        path=_WEBHOOK + "/secret",
        id="setSecret",
        tag="Webhooks",
        summary="Set or rotate the secret",
        description=(
            "Without `secret`, a secret is generated; with `signing` `ed25519`, a key pair, and "
            "the answer has the public key. During the overlap, X-…-Signature is made "
            "with the old secret, X-…-Signature-Next with the new one, and "
            "webhook-signature lists both. To end the overlap, send the same new secret with "
            "`overlapSeconds` 0."
        ),
        body=SecretDraft,
        body_example=examples.SECRET_DRAFT,
        body_required=False,
        answer=shapes.RotationShape,
        answer_example=examples.ROTATED,
        refusals=WRITE,
    ),
    Operation(
        method="delete",
        path=_WEBHOOK + "/secret",
        id="removeSecret",
        tag="Webhooks",
        summary="Remove the secret",
        description="From then on, requests are unsigned.",
        status=204,
        refusals=(*READ, UNCERTAIN),
    ),
    Operation(
        method="post",
        path=_WEBHOOK + "/test",
        id="sendTest",
        tag="Webhooks",
        summary="Send a test event",
        description=(
            "Makes one attempt with the example of an event type. Without `event`, this is the "
            "first type that the webhook subscribes to. With `data`, that is sent instead of the "
            "example, exactly as it was written. It also works while the webhook is paused or "
            "disabled."
        ),
        body=TestRequest,
        body_example=examples.TEST_REQUEST,
        body_required=False,
        status=202,
        answer=shapes.DeliveryStarted,
        answer_example=examples.DELIVERY_STARTED,
        refusals=WRITE,
    ),
)
