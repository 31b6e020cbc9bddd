"""The operations on webhooks and their secrets."""

from typing import Annotated, Any, Final

import msgspec

from winnerr_webhooks.api import shapes
from winnerr_webhooks.api.docs import examples
from winnerr_webhooks.api.docs.operation import ORGANIZATION, READ, WRITE, Operation
from winnerr_webhooks.api.problems import CONFLICT, UNCERTAIN
from winnerr_webhooks.api.routes.webhook_routes import TestRequest
from winnerr_webhooks.management.webhook_management import SecretDraft, WebhookDraft, WebhookPatch

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
"""Two types, so that neither has an optional secret, which trips generators of clients."""
_WEBHOOK: Final = ORGANIZATION + "/webhooks/{webhookId}"

WEBHOOKS: Final = (
    Operation(
        method="post",
        path=ORGANIZATION + "/webhooks",
        id="createWebhook",
        tag="Webhooks",
        summary="Create a webhook",
        text=(
            "It is live at once. The URL is https and publicly reachable; `events` names event "
            'types, or is ["*"] for all of them. `secret` is in the answer only when it was '
            "generated."
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
        text=(
            "What is left out stays. `status` is `active` or `paused`; pausing cancels what "
            "waits. With `active`, `replayCancelled` sends what was cancelled meanwhile."
        ),
        body=WebhookPatch,
        body_example=examples.WEBHOOK_PATCH,
        answer=shapes.WebhookShape,
        answer_example=examples.WEBHOOK,
        refusals=WRITE,
    ),
    Operation(
        method="delete",
        path=_WEBHOOK,
        id="deleteWebhook",
        tag="Webhooks",
        summary="Delete a webhook",
        text="Its secret goes at once, what waits is cancelled, its log stays.",
        status=204,
        refusals=(*READ, UNCERTAIN),
    ),
    Operation(
        method="get",
        path=_WEBHOOK + "/secret",
        id="getSecret",
        tag="Webhooks",
        summary="Reveal the secret",
        text="During an overlap the new one. 404 when the webhook has none.",
        answer=shapes.SecretShape,
        answer_example=examples.SECRET_SHOWN,
        refusals=READ,
    ),
    Operation(
        method="put",
        path=_WEBHOOK + "/secret",
        id="setSecret",
        tag="Webhooks",
        summary="Set or rotate the secret",
        text=(
            "Left out, a secret is generated. During the overlap X-Winnerr-Signature stays "
            "signed with the old secret, X-Winnerr-Signature-Next carries the new one, and "
            "webhook-signature lists both. The same new secret with `overlapSeconds` 0 ends it."
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
        text="Requests are unsigned from then on.",
        status=204,
        refusals=(*READ, UNCERTAIN),
    ),
    Operation(
        method="post",
        path=_WEBHOOK + "/test",
        id="sendTest",
        tag="Webhooks",
        summary="Send a test event",
        text=(
            "One attempt with an event type's example; without `event`, of the first type that "
            "the webhook subscribes to. Works while the webhook is paused or disabled."
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
