"""Builds the OpenAPI 3.1 document from the table of operations and the types they name."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from winnerr_webhooks import __version__
from winnerr_webhooks.api.docs.activity_docs import ACTIVITY
from winnerr_webhooks.api.docs.alert_docs import ALERTS, operational_webhooks
from winnerr_webhooks.api.docs.constraints import ORGANIZATION_ID, add_constraints, id_of
from winnerr_webhooks.api.docs.event_docs import EVENTS, AcceptedEvent, RefusedEvent
from winnerr_webhooks.api.docs.listener_docs import LISTENERS
from winnerr_webhooks.api.docs.log_docs import LOGS
from winnerr_webhooks.api.docs.operation import Operation, Parameter
from winnerr_webhooks.api.docs.portal_session_docs import PORTAL_SESSIONS
from winnerr_webhooks.api.docs.rehearsal_docs import REHEARSALS
from winnerr_webhooks.api.docs.service_docs import SERVICE
from winnerr_webhooks.api.docs.webhook_docs import WEBHOOKS
from winnerr_webhooks.api.problems import (
    HEAD_TOO_LARGE,
    INTERNAL,
    MEDIA_TYPE,
    TOO_SLOW,
    UNAUTHORIZED,
    Problem,
    ProblemKind,
)
from winnerr_webhooks.api.shapes import PublicKeyShape, SecretShape, WebhookWithSecretShape
from winnerr_webhooks.domain.branding import Branding

OPERATIONS: Final = (
    *EVENTS,
    *WEBHOOKS,
    *LOGS,
    *ACTIVITY,
    *REHEARSALS,
    *ALERTS,
    *LISTENERS,
    *PORTAL_SESSIONS,
    *SERVICE,
)

_REF: Final = "#/components/schemas/"
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_PATH_DESCRIPTIONS: Final = {
    "organizationId": "1 to 64 characters of A-Z, a-z, 0-9, _ and -.",
    "webhookId": "`wh_…`",
    "listenerId": "`wh_…`",
    "eventId": "`evt_…`",
    "deliveryId": "`dlv_…`",
    "attemptId": "`att_…`",
    "jobId": "`job_…`",
    "rehearsalId": "`reh_…`",
}
_PATH_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "organizationId": ORGANIZATION_ID,
    "webhookId": id_of("wh"),
    "listenerId": id_of("wh"),
    "eventId": id_of("evt"),
    "deliveryId": id_of("dlv"),
    "attemptId": id_of("att"),
    "jobId": id_of("job"),
    "rehearsalId": id_of("reh"),
}
_OF_EVERY_CALL: Final = (TOO_SLOW, HEAD_TOO_LARGE, INTERNAL)
"""Errors of every call: those found before it is handled, and errors of the service."""
_TAGS: Final = {
    "Events": "Send events, and see what became of them.",
    "Webhooks": "The URLs that events are sent to, with their subscriptions and secrets.",
    "Logs": "Every attempt with its request and response.",
    "Activity": "Who did what, when and from where.",
    "Replays": "Send deliveries again.",
    "Rehearsals": "Try another URL with the last events, without changing anything.",
    "Alerts": "Be told when a webhook fails.",
    "Listeners": "Receive deliveries over an outgoing connection.",
    "Settings page": "Sign a person in to the settings page of their organization.",
    "Operation": "For operators. No key is needed.",
}
_INTRODUCTION: Final = (
    "Send events, manage the webhooks they are sent to, and inspect every delivery. Every call "
    "except those under Operation needs an API key, sent as `Authorization: Bearer <key>`. A key "
    "of an organization works only for that organization. Times are RFC 3339 in UTC. Unknown "
    "fields and parameters are refused. Errors are RFC 9457 problems."
)


def build(branding: Branding, operations: Sequence[Operation] = OPERATIONS) -> dict[str, Any]:
    """The document, ready to encode as JSON."""
    types = [type_ for operation in operations for type_ in (operation.body, operation.answer)]
    types = [type_ for type_ in types if type_ is not None]
    types += [Problem, AcceptedEvent, RefusedEvent]
    types += [PublicKeyShape, SecretShape, WebhookWithSecretShape]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF + "{name}")
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    add_constraints(components)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _operation(operation, schema_of)
        paths.setdefault(operation.path, {})[operation.method] = described
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": f"{branding.name} Webhooks",
            "version": __version__,
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": tag, "description": _TAGS[tag]}
            for tag in dict.fromkeys(one.tag for one in operations)
        ],
        "security": [{"apiKey": []}],
        "paths": paths,
        "webhooks": operational_webhooks(),
        "components": {
            "schemas": components,
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
        },
    }
    return _with_public_names(document, branding)


def _operation(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
    }
    if operation.description:
        described["description"] = operation.description
    if not operation.needs_key:
        described["security"] = []
    parameters = [_path_parameter(name) for name in _PATH_PARAMETER.findall(operation.path)]
    parameters += [_parameter(parameter) for parameter in operation.parameters]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content = {"application/json": _media(operation.body, operation.body_example, schema_of)}
        if operation.ndjson:
            content["application/x-ndjson"] = {"schema": {"type": "string"}}
        described["requestBody"] = {"required": operation.body_required, "content": content}
    described["responses"] = _responses(operation, schema_of)
    return described


def _responses(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": operation.summary + "."}
    if operation.answer is not None:
        success["content"] = {
            operation.media_type: _media(operation.answer, operation.answer_example, schema_of)
        }
    elif operation.status == 200:  # noqa: PLR2004  the only status here that has a body
        success["content"] = {operation.media_type: {}}
    responses = {str(operation.status): success}
    refusals = [
        *operation.refusals,
        *((UNAUTHORIZED,) if operation.needs_key else ()),
        *_OF_EVERY_CALL,
    ]
    for status in sorted({kind.status for kind in refusals}):
        responses[str(status)] = _refusal([kind for kind in refusals if kind.status == status])
    return responses


def _refusal(kinds: list[ProblemKind]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": " Or: ".join(kind.meaning for kind in kinds),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": _REF + "Problem"},
                "examples": {kind.slug: {"value": _problem(kind)} for kind in kinds},
            }
        },
    }
    if kinds[0].status == UNAUTHORIZED.status:
        described["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if any(kind.slug in ("unavailable", "uncertain") for kind in kinds):
        described["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return described


def _problem(kind: ProblemKind) -> dict[str, Any]:
    example = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": kind.meaning,
    }
    if kind.slug == "invalid":
        message = "The URL must begin with https://."
        example |= {"detail": message, "errors": [{"pointer": "/url", "message": message}]}
    return example


def _media(type_: Any, example: Any, schema_of: dict[str, Any]) -> dict[str, Any]:
    return {"schema": schema_of[repr(type_)], "example": example}


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _PATH_DESCRIPTIONS[name],
        "schema": {"type": "string", **_PATH_SCHEMAS[name]},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.location,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _with_public_names(document: dict[str, Any], branding: Branding) -> dict[str, Any]:
    """Name things as readers know them: `Webhook` for `WebhookShape`, and the product's headers."""
    schemas = document["components"]["schemas"]
    public = {name: name.removesuffix("Shape") for name in schemas}
    document["components"]["schemas"] = {
        public[name]: schema | {"title": public[name]} for name, schema in schemas.items()
    }

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            if isinstance(ref := value.get("$ref"), str):
                value = value | {"$ref": _REF + public[ref.removeprefix(_REF)]}
            return {branding.fill(key): renamed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [renamed(item) for item in value]
        return branding.fill(value) if isinstance(value, str) else value

    renamed_document: dict[str, Any] = renamed(document)
    return renamed_document
