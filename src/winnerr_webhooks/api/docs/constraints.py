"""What the service checks of a field besides its type, as JSON Schema for generated clients."""

from collections.abc import Mapping
from typing import Any, Final

from winnerr_webhooks.domain.alerts import MAX_EMAILS, OPERATIONAL_EVENTS
from winnerr_webhooks.domain.credentials import AUTH_TYPES
from winnerr_webhooks.domain.ed25519_keys import SIGNING_KINDS
from winnerr_webhooks.domain.event_order import LONGEST_PATH
from winnerr_webhooks.domain.language_choice import LANGUAGES
from winnerr_webhooks.domain.retry import LONG, STANDARD
from winnerr_webhooks.domain.signing import MAX_SECRET, MIN_SECRET
from winnerr_webhooks.domain.url import MAX_URL
from winnerr_webhooks.management.auth_checks import MAX_CREDENTIAL, MAX_SCOPE, MAX_USERNAME
from winnerr_webhooks.management.certificate_checks import MAX_PEM
from winnerr_webhooks.management.credential_checks import MAX_HEADERS
from winnerr_webhooks.management.field_checks import MAX_DESCRIPTION
from winnerr_webhooks.management.filter_tests import MOST_EVENTS as MOST_TESTED
from winnerr_webhooks.management.page_sign_in import MAX_USER, ROLES
from winnerr_webhooks.management.rehearsals import MOST_EVENTS
from winnerr_webhooks.management.webhook_checks import (
    HIGHEST_RATE,
    LONGEST_WAIT,
    LOWEST_RATE,
    MAX_NAME,
    MOST_RETRIES,
    SHORTEST_TIMEOUT,
)
from winnerr_webhooks.management.webhook_management import MAX_OVERLAP

ORGANIZATION_ID: Final[dict[str, Any]] = {
    "pattern": "^[A-Za-z0-9_-]{1,64}$",
    "minLength": 1,
    "maxLength": 64,
}
EVENT_NAME: Final = {"minLength": 1, "maxLength": 128}
CLIENT_ID: Final = {"pattern": r"^[\x20-\x7e]+$", "minLength": 1, "maxLength": 255}
_SECRET: Final = {"minLength": MIN_SECRET, "maxLength": MAX_SECRET}
_EVENTS: Final = {"minItems": 1}
_NOT_NEGATIVE: Final = {"minimum": 0}
_RETRY_SCHEDULE: Final[dict[str, Any]] = {
    "anyOf": [
        {"enum": [STANDARD, LONG]},
        {
            "type": "array",
            "maxItems": MOST_RETRIES,
            "items": {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_WAIT},
        },
    ]
}
_ORDERED: Final[dict[str, Any]] = {
    "anyOf": [{"type": "boolean"}, {"type": "string", "maxLength": LONGEST_PATH}]
}
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "name": {"maxLength": MAX_NAME},
    "timeout": {"minimum": SHORTEST_TIMEOUT},
    "retrySchedule": _RETRY_SCHEDULE,
    "headers": {"maxProperties": MAX_HEADERS},
    "filter": {"type": "object"},
    "ordered": _ORDERED,
    "signing": {"enum": list(SIGNING_KINDS)},
}
"""What a webhook can have of its own."""


def id_of(prefix: str) -> dict[str, Any]:
    """The schema of an id with this prefix."""
    return {"pattern": f"^{prefix}_[0-9a-z]{{26,34}}$"}


_WEBHOOK: Final = {
    "id": id_of("wh"),
    "organizationId": ORGANIZATION_ID,
    "url": {"format": "uri"},
    "retrySchedule": _RETRY_SCHEDULE,
    "filter": {"anyOf": [{"type": "object"}, {"type": "null"}]},
    "ordered": _ORDERED,
}
FIELDS: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "EventSubmission": {
        "event": EVENT_NAME,
        "organizationId": ORGANIZATION_ID,
        "id": CLIENT_ID,
    },
    "AcceptedEvent": {"id": id_of("evt"), "deliveries": _NOT_NEGATIVE},
    "WebhookDraft": {
        "url": {"format": "uri", "minLength": 1, "maxLength": MAX_URL},
        "events": _EVENTS,
        "secret": _SECRET,
        "description": {"maxLength": MAX_DESCRIPTION},
        "status": {"enum": ["active", "paused"]},
        **_OPTIONS,
    },
    "WebhookPatch": {
        "url": {"format": "uri", "minLength": 1, "maxLength": MAX_URL},
        "events": _EVENTS,
        "description": {"maxLength": MAX_DESCRIPTION},
        "status": {"enum": ["active", "paused"]},
        **_OPTIONS,
    },
    "FilterTestDraft": {
        "filter": {"type": "object"},
        "events": _EVENTS,
        "last": {"minimum": 1, "maximum": MOST_TESTED},
    },
    "RateLimitDraft": {"perSecond": {"minimum": LOWEST_RATE, "maximum": HIGHEST_RATE}},
    "AuthDraft": {
        "type": {"enum": list(AUTH_TYPES)},
        "username": {"minLength": 1, "maxLength": MAX_USERNAME},
        "password": {"maxLength": MAX_CREDENTIAL},
        "token": {"minLength": 1, "maxLength": MAX_CREDENTIAL},
        "tokenUrl": {"format": "uri", "minLength": 1, "maxLength": MAX_URL},
        "clientId": {"minLength": 1, "maxLength": MAX_USERNAME},
        "clientSecret": {"minLength": 1, "maxLength": MAX_CREDENTIAL},
        "scope": {"maxLength": MAX_SCOPE},
        "certificate": {"minLength": 1, "maxLength": MAX_PEM},
        "privateKey": {"minLength": 1, "maxLength": MAX_PEM},
    },
    "SecretDraft": {
        "secret": _SECRET,
        "overlapSeconds": {"minimum": 0, "maximum": MAX_OVERLAP},
    },
    "ReplayManyRequest": {
        "webhook": id_of("wh"),
        "outcome": {"enum": ["failed", "cancelled"]},
        "since": {"format": "date-time"},
        "until": {"format": "date-time"},
    },
    "RecoveryRequest": {"since": {"format": "date-time"}, "until": {"format": "date-time"}},
    "RehearsalRequest": {
        "url": {"format": "uri", "minLength": 1, "maxLength": MAX_URL},
        "last": {"minimum": 1, "maximum": MOST_EVENTS},
    },
    "PortalSessionRequest": {"role": {"enum": list(ROLES)}, "user": {"maxLength": MAX_USER}},
    "WebhookShape": _WEBHOOK,
    "WebhookWithSecretShape": _WEBHOOK,
    "DeliveryStarted": {"deliveryId": id_of("dlv")},
    "AttemptShape": {
        "id": id_of("att"),
        "deliveryId": id_of("dlv"),
        "eventId": id_of("evt"),
        "webhookId": id_of("wh"),
        "attempt": {"minimum": 1},
        "durationMs": _NOT_NEGATIVE,
    },
    "DeliveryShape": {
        "id": id_of("dlv"),
        "eventId": id_of("evt"),
        "webhookId": id_of("wh"),
        "waitsFor": {"anyOf": [{"type": "string", **id_of("dlv")}, {"type": "null"}]},
    },
    "EventShape": {"id": id_of("evt"), "organizationId": ORGANIZATION_ID},
    "ReplayedShape": {"count": _NOT_NEGATIVE},
    "RecoveryShape": {
        "count": _NOT_NEGATIVE,
        "arrived": _NOT_NEGATIVE,
        "expectedSeconds": _NOT_NEGATIVE,
        "jobId": id_of("job"),
    },
    "RehearsalShape": {"id": id_of("reh"), "webhookId": id_of("wh"), "url": {"format": "uri"}},
    "RehearsalAnswerShape": {"deliveryId": id_of("dlv"), "attemptId": id_of("att")},
    "AlertDraft": {
        "emails": {"maxItems": MAX_EMAILS},
        "events": {"items": {"type": "string", "enum": list(OPERATIONAL_EVENTS)}},
        "language": {"enum": list(LANGUAGES)},
    },
    "AnswerShape": {"durationMs": _NOT_NEGATIVE},
    "NotSentShape": {"count": {"minimum": 1}},
    "ProgressShape": {
        "toCome": _NOT_NEGATIVE,
        "delivered": _NOT_NEGATIVE,
        "failedAgain": _NOT_NEGATIVE,
    },
    "JobShape": {
        "id": id_of("job"),
        "webhookId": id_of("wh"),
        "expectedSeconds": _NOT_NEGATIVE,
    },
    "ResponseShape": {"status": {"minimum": 100, "maximum": 999}},
}
"""The constraints by schema and field. Schemas have the names of their types in the code."""


def add_constraints(schemas: dict[str, Any]) -> None:
    """Add the constraints to the fields of these schemas."""
    for name, fields in FIELDS.items():
        properties = schemas[name]["properties"]
        for field, constraint in fields.items():
            _add(properties[field], constraint)


def _add(schema: dict[str, Any], constraint: Mapping[str, Any]) -> None:
    """Add a constraint to a field's schema, or to its only alternative that is not null."""
    alternatives = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    (alternatives[0] if len(alternatives) == 1 else schema).update(constraint)
