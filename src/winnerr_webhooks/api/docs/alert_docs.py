"""The operations on alerts, and the operational events as OpenAPI `webhooks`."""

from typing import Any, Final

from winnerr_webhooks.api.docs.operation import ORGANIZATION, READ, WRITE, Operation
from winnerr_webhooks.api.routes.alert_routes import AlertsShape
from winnerr_webhooks.domain.alerts import (
    DELIVERY_FAILED,
    OPERATOR,
    WEBHOOK_DISABLED,
    WEBHOOK_FAILING,
    WEBHOOK_RECOVERED,
)
from winnerr_webhooks.management.alert_management import AlertDraft

_ALERTS: Final = {
    "emails": ["ops@acme.example"],
    "events": [WEBHOOK_FAILING, WEBHOOK_RECOVERED, WEBHOOK_DISABLED],
    "language": "de",
}
ALERTS: Final = (
    Operation(
        method="get",
        path=ORGANIZATION + "/alerts",
        id="getAlerts",
        tag="Alerts",
        summary="Show who is told of failing webhooks",
        description="An organization that never set it has no addresses, and gets no mail.",
        answer=AlertsShape,
        answer_example=_ALERTS,
        refusals=READ,
    ),
    Operation(
        method="put",
        path=ORGANIZATION + "/alerts",
        id="setAlerts",
        tag="Alerts",
        summary="Set who is told of failing webhooks",
        description=(
            "Up to 10 addresses get a mail when a webhook begins to fail, delivers again, or is "
            "disabled, and at most every 15 minutes when deliveries of it failed for good "
            "(`delivery.failed`, which is off unless it is named). Without `events`, the first "
            "three. `language` is that of the mails. Mail is sent only if the service has an SMTP "
            "server (SMTP_URL). The whole setting is replaced; no addresses: no mail."
        ),
        body=AlertDraft,
        body_example=_ALERTS,
        answer=AlertsShape,
        answer_example=_ALERTS,
        refusals=WRITE,
    ),
)

_WEBHOOK: Final = {
    "organizationId": "org_abc123",
    "webhookId": "wh_01jhkr0c5t9a2b4d6e8f0g1h3j",
    "webhookName": "CRM",
    "webhookHost": "hooks.example.com",
}
OPERATIONAL_EXAMPLES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    WEBHOOK_FAILING: (
        "A webhook has had failures only, at least 5, for 15 minutes.",
        {"since": "2025-01-15T14:05:00Z", "failures": 12},
    ),
    WEBHOOK_RECOVERED: (
        "A webhook that was failing or disabled had a success.",
        {"since": "2025-01-15T14:05:00Z"},
    ),
    WEBHOOK_DISABLED: (
        "The service disabled a webhook.",
        {
            "disabledAt": "2025-01-20T14:05:00Z",
            "reason": (
                "All 412 attempts since 2025-01-15T14:05:00Z failed. Repair the receiver, then set "
                "the webhook active again."
            ),
        },
    ),
    DELIVERY_FAILED: (
        (
            "The retries of deliveries are used up; at most once in 15 minutes for each webhook, "
            "with their number since the last time."
        ),
        {"deliveries": 7},
    ),
}
"""What each operational event says, and the part of its `data` that others do not have."""


def operational_webhooks() -> dict[str, Any]:
    """Return the operational events as `webhooks` of an OpenAPI document."""
    return {
        name: {
            "post": {
                "operationId": "on" + "".join(part.title() for part in name.split(".")),
                "tags": ["Alerts"],
                "summary": meaning,
                "description": (
                    "Sent to OPERATIONAL_URL, signed with OPERATIONAL_SECRET, with the headers and "
                    f"retries of every delivery. It is an event of the organization `{OPERATOR}`."
                ),
                "security": [],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": _schema(name), "example": example(name)}
                    },
                },
                "responses": {"2XX": {"description": "Received. Anything else is tried again."}},
            }
        }
        for name, (meaning, _) in OPERATIONAL_EXAMPLES.items()
    }


def example(name: str) -> dict[str, Any]:
    """Return a whole payload of an operational event."""
    return {
        "event": name,
        "timestamp": "2025-01-15T14:23:00Z",
        "organizationId": OPERATOR,
        "data": _WEBHOOK | OPERATIONAL_EXAMPLES[name][1],
    }


def _schema(name: str) -> dict[str, Any]:
    data = _WEBHOOK | OPERATIONAL_EXAMPLES[name][1]
    nullable = {"webhookName", "reason"}
    properties = {
        key: {
            "type": "integer"
            if isinstance(value, int)
            else ["string", "null"]
            if key in nullable
            else "string"
        }
        for key, value in data.items()
    }
    return {
        "type": "object",
        "required": ["event", "timestamp", "organizationId", "data"],
        "properties": {
            "event": {"const": name},
            "timestamp": {"type": "string", "format": "date-time"},
            "organizationId": {"const": OPERATOR},
            "data": {"type": "object", "required": list(data), "properties": properties},
        },
    }
