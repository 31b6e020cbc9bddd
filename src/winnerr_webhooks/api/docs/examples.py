"""An example of each body. All are about the same organization and contact."""

from typing import Any, Final

ORGANIZATION: Final = "org_abc123"
_EVENT_ID: Final = "evt_01kb2r8v5h0000001t5x9m3q7c"
_WEBHOOK_ID: Final = "wh_01kb2r7c900000001t5x9m3q7c"
_DELIVERY_ID: Final = "dlv_01kb2r8v5h0000001t5x9m3q7c0007"
_JOB_ID: Final = "job_01kb2rk9f40000003t5x9m3q7c"
_ATTEMPT_ID: Final = "att_01kb2r8v7e0000002t5x9m3q7c"
_ACTIVITY_ID: Final = "act_01kb2s1m2c0000004t5x9m3q7c"
_URL: Final = "https://hooks.example.com/crm"

DATA: Final = {"id": "contact_xyz", "name": "Jane Smith", "email": "jane@example.com"}
PAYLOAD_TEXT: Final = (
    '{"event":"contact.created","timestamp":"2025-01-15T14:23:00Z",'
    '"organizationId":"org_abc123","data":{"id":"contact_xyz","name":"Jane Smith",'
    '"email":"jane@example.com"}}'
)
PAYLOAD: Final = {
    "event": "contact.created",
    "timestamp": "2025-01-15T14:23:00Z",
    "organizationId": ORGANIZATION,
    "data": DATA,
}
SUBMISSION: Final = {
    "event": "contact.created",
    "organizationId": ORGANIZATION,
    "data": DATA,
    "timestamp": "2025-01-15T14:23:00Z",
    "id": "crm-8841",
}
ACCEPTED: Final = {"id": _EVENT_ID, "duplicate": False, "deliveries": 2}
BATCH_RESULTS: Final = {
    "results": [
        ACCEPTED,
        {
            "error": {
                "type": "/api/docs#invalid",
                "title": "Invalid input",
                "status": 422,
                "detail": "There is no event contact.creatd; did you mean contact.created?",
                "errors": [
                    {
                        "pointer": "/event",
                        "message": "There is no event contact.creatd; did you mean "
                        "contact.created?",
                    }
                ],
            }
        },
    ]
}
CATALOG: Final = {
    "items": [
        {
            "category": "Contacts",
            "events": [
                {
                    "name": "contact.created",
                    "description": "A contact was added.",
                    "example": PAYLOAD,
                    "schema": {"type": "object", "required": ["id"]},
                    "deprecated": None,
                }
            ],
        }
    ]
}
WEBHOOK_DRAFT: Final = {
    "url": _URL,
    "events": ["contact.created", "deal.closed_won"],
    "generateSecret": True,
    "description": "Mailing list",
    "name": "CRM",
    "timeout": 5,
    "retrySchedule": "long",
    "headers": {"X-Tenant": "acme"},
    "auth": {"type": "bearer", "token": "a-token-of-the-receiver"},
    "filter": {"data": {"value": {"$gte": 1000}}},
    "rateLimit": {"perSecond": 10},
    "ordered": "data.id",
}
WEBHOOK: Final[dict[str, Any]] = {
    "id": _WEBHOOK_ID,
    "organizationId": ORGANIZATION,
    "url": _URL,
    "description": "Mailing list",
    "events": ["contact.created", "deal.closed_won"],
    "status": "active",
    "statusReason": None,
    "hasSecret": True,
    "createdAt": "2025-01-15T14:20:00Z",
    "updatedAt": "2025-01-15T14:20:00Z",
    "name": "CRM",
    "timeout": 5.0,
    "retrySchedule": "long",
    "removedEvents": [],
    "headers": {"X-Tenant": "•••"},
    "auth": {"type": "bearer"},
    "signing": "hmac",
    "filter": {"data": {"value": {"$gte": 1000}}},
    "rateLimit": {"perSecond": 10.0},
    "ordered": "data.id",
}
SECRET: Final = "whsec_ZXhhbXBsZSBvbmx5OiBub3QgYSByZWFsIHNlY3JldCE="  # noqa: S105  its decoded text says that it is an example
CREATED_WEBHOOK: Final = {**WEBHOOK, "secret": SECRET}
WEBHOOK_LIST: Final = {"items": [WEBHOOK]}
WEBHOOK_PATCH: Final = {"status": "active", "replayCancelled": True}
FILTER_TEST: Final = {"filter": {"data": {"value": {"$gte": 1000}}}, "events": ["deal.*"]}
FILTER_TESTED: Final = {"tested": 100, "matched": 7, "examples": [_EVENT_ID]}
SECRET_SHOWN: Final = {"secret": SECRET}
SECRET_DRAFT: Final = {"overlapSeconds": 86_400}
ROTATED: Final = {"secret": SECRET, "overlapEndsAt": "2025-01-16T14:23:00Z"}
TEST_REQUEST: Final = {"event": "contact.created"}
DELIVERY_STARTED: Final = {"deliveryId": _DELIVERY_ID}
ATTEMPT: Final[dict[str, Any]] = {
    "id": _ATTEMPT_ID,
    "deliveryId": _DELIVERY_ID,
    "eventId": _EVENT_ID,
    "webhookId": _WEBHOOK_ID,
    "event": "contact.created",
    "attempt": 1,
    "trigger": "automatic",
    "outcome": "failed",
    "startedAt": "2025-01-15T14:23:00.112Z",
    "durationMs": 12.4,
    "timings": {
        "dnsMs": 0.4,
        "connectMs": 1.0,
        "tlsMs": 4.1,
        "firstByteMs": 6.9,
        "reconnected": False,
    },
    "request": {
        "url": _URL,
        "headers": {
            "Host": "hooks.example.com",
            "Content-Type": "application/json",
            "X-…-Event": "contact.created",
            "X-…-Delivery": _DELIVERY_ID,
            "X-…-Attempt": "1",
        },
        "body": PAYLOAD_TEXT,
    },
    "response": {
        "status": 503,
        "headers": {"content-type": "text/plain", "content-length": "4"},
        "body": "busy",
        "truncated": False,
    },
    "error": {
        "kind": "status",
        "message": "503 Service Unavailable",
        "hint": "The receiver says that it is overloaded or down. We try again. If this continues, "
        "look at the receiver's own log.",
    },
    "deliveryStatus": "pending",
    "nextAttemptAt": "2025-01-15T14:24:02.871Z",
}
ATTEMPT_PAGE: Final = {
    "items": [
        {
            **ATTEMPT,
            "request": {"url": _URL},
            "response": {"status": 503, "truncated": False},
        }
    ],
    "next": _ATTEMPT_ID,
}
LISTED_DELIVERY: Final = {
    "id": _DELIVERY_ID,
    "eventId": _EVENT_ID,
    "event": "contact.created",
    "webhookId": _WEBHOOK_ID,
    "status": "pending",
    "nextAttemptAt": "2025-01-15T14:24:02.871Z",
    "waitsFor": None,
}
DELIVERY: Final = {**LISTED_DELIVERY, "attempts": [ATTEMPT], "body": PAYLOAD_TEXT}
DELIVERY_LIST: Final = {"items": [LISTED_DELIVERY], "next": None}
EVENT: Final = {
    "id": _EVENT_ID,
    "clientId": "crm-8841",
    "acceptedAt": "2025-01-15T14:23:00.104Z",
    **PAYLOAD,
    "deliveries": [LISTED_DELIVERY],
    "dataErrors": [],
}
REPLAY_MANY: Final = {
    "webhook": _WEBHOOK_ID,
    "outcome": "failed",
    "since": "2025-01-15T00:00:00Z",
    "dryRun": True,
}
REPLAYED: Final = {"count": 17, "dryRun": True}
RECOVERY_REQUEST: Final = {"since": "2025-01-15T09:12:00Z", "dryRun": False}
RECOVERY: Final = {
    "count": 379,
    "arrived": 1204,
    "arrivedIsPartial": False,
    "expectedSeconds": 240,
    "jobId": _JOB_ID,
    "dryRun": False,
}
JOB: Final = {
    "id": _JOB_ID,
    "kind": "recover",
    "webhookId": _WEBHOOK_ID,
    "status": "running",
    "requestedAt": "2025-01-15T14:30:00.000Z",
    "since": "2025-01-15T09:12:00.000Z",
    "until": None,
    "progress": {
        "toCome": 120,
        "delivered": 250,
        "failedAgain": 2,
        "notSent": [{"reason": "unsubscribed", "count": 7}],
    },
    "expectedSeconds": 75,
}
JOB_LIST: Final = {"items": [JOB]}
CANCELLED_JOB: Final = {
    **JOB,
    "status": "cancelled",
    "progress": {
        "toCome": 0,
        "delivered": 250,
        "failedAgain": 2,
        "notSent": [
            {"reason": "stopped", "count": 120},
            {"reason": "unsubscribed", "count": 7},
        ],
    },
    "expectedSeconds": 0,
}
REHEARSAL_REQUEST: Final = {"url": "https://new.example.com/hook", "last": 1}
_REHEARSED: Final[dict[str, Any]] = {
    "deliveryId": _DELIVERY_ID,
    "attemptId": _ATTEMPT_ID,
    "event": "contact.created",
    "recorded": {
        "outcome": "failed",
        "status": 503,
        "durationMs": 2096.0,
        "error": "503 Service Unavailable",
        "body": "busy",
    },
    "rehearsed": {
        "outcome": "succeeded",
        "status": 200,
        "durationMs": 84.2,
        "error": None,
        "body": "ok",
    },
}
REHEARSAL: Final = {
    "id": "reh_01kb2rmn5t0000004t5x9m3q7c",
    "webhookId": _WEBHOOK_ID,
    "url": "https://new.example.com/hook",
    "status": "done",
    "requestedAt": "2025-01-15T14:40:00.000Z",
    "answers": [_REHEARSED],
}
CANCELLED_REHEARSAL: Final = {
    **REHEARSAL,
    "status": "cancelled",
    "answers": [{**_REHEARSED, "rehearsed": None}],
}
PORTAL_SESSION: Final = {
    "role": "admin",
    "user": "Jane",
    "organizationName": "Acme GmbH",
    "path": "/settings/webhooks/logs?outcome=failed",
    "returnUrl": "https://app.example.com/settings",
}
LISTENER_DRAFT: Final = {
    "forwardTo": "http://localhost:3000/hook",
    "events": ["contact.created"],
}
LISTENER: Final = {
    "id": "wh_01jhkr2x0v3f8m9q7t5w6y4z2a",
    "organizationId": "org_abc123",
    "events": ["contact.created"],
    "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "timeout": 10.0,
}
LISTENER_REPORT: Final = {
    "stream": "lst_01jhkr2x0v3f8m9q7t5w6y4z2b",
    "deliveryId": "dlv_01jhkr2x0v3f8m9q7t5w6y4z2c0001",
    "durationMs": 12.5,
    "status": 200,
    "reason": "OK",
    "responseHead": "Y29udGVudC10eXBlOiB0ZXh0L3BsYWluDQo=",
    "responseBody": "b2s=",
}
LINK: Final = {
    "url": "https://webhooks.example.com/settings/webhooks/sign-in/Zm9yIG9uZSB1c2Ugb25seQ",
    "expiresAt": "2025-01-15T14:33:00Z",
}
ACTIVITY_PAGE: Final = {
    "items": [
        {
            "id": _ACTIVITY_ID,
            "at": "2025-01-15T14:40:11.020Z",
            "action": "webhook.changed",
            "actor": {"kind": "user", "id": None, "name": "Jane", "address": "203.0.113.7"},
            "webhookId": _WEBHOOK_ID,
            "webhookUrl": _URL,
            "webhookName": None,
            "subjectId": None,
            "changes": [{"field": "description", "old": None, "new": "Data warehouse"}],
            "details": {},
        }
    ],
    "next": _ACTIVITY_ID,
}
