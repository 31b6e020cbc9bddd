"""The OpenAPI 3.1 document, built from the table of operations and the types they name."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from winnerr_webhooks import __version__
from winnerr_webhooks.api.docs.constraints import ORGANIZATION_ID, id_of, tighten
from winnerr_webhooks.api.docs.event_docs import EVENTS, AcceptedEvent, RefusedEvent
from winnerr_webhooks.api.docs.log_docs import LOGS
from winnerr_webhooks.api.docs.operation import Operation, Parameter
from winnerr_webhooks.api.docs.portal_session_docs import SIGN_IN
from winnerr_webhooks.api.docs.service_docs import SERVICE
from winnerr_webhooks.api.docs.webhook_docs import WEBHOOKS
from winnerr_webhooks.api.problems import (
    HEAD_TOO_LARGE,
    INTERNAL,
    MEDIA_TYPE,
    TOO_SLOW,
    UNAUTHORIZED,
    Kind,
    Problem,
)
from winnerr_webhooks.api.shapes import WebhookWithSecretShape

OPERATIONS: Final = (*EVENTS, *WEBHOOKS, *LOGS, *SIGN_IN, *SERVICE)

_REF: Final = "#/components/schemas/"
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_PATH_TEXTS: Final = {
    "organizationId": "1 to 64 of A-Z a-z 0-9 _ and -.",
    "webhookId": "`wh_…`",
    "eventId": "`evt_…`",
    "deliveryId": "`dlv_…`",
    "attemptId": "`att_…`",
}
_PATH_FORMS: Final[dict[str, dict[str, Any]]] = {
    "organizationId": ORGANIZATION_ID,
    "webhookId": id_of("wh"),
    "eventId": id_of("evt"),
    "deliveryId": id_of("dlv"),
    "attemptId": id_of("att"),
}
_OF_ANY_CALL: Final = (TOO_SLOW, HEAD_TOO_LARGE, INTERNAL)
"""How a call can be answered before it is looked at, and when this service has a fault."""
_TAGS: Final = {
    "Events": "Send events, and look at what became of them.",
    "Webhooks": "Where events go: URLs with their subscriptions and secrets.",
    "Logs": "Every attempt with its request and its response.",
    "Replays": "Send deliveries once more.",
    "Settings page": "Let a person into the settings page of their organization.",
    "Operation": "For those who run the service; no key is needed.",
}
_INTRODUCTION: Final = (
    "Send events, manage the webhooks they go to, and look into every delivery. Every call but "
    "those under Operation needs an API key as `Authorization: Bearer <key>`; a key of an "
    "organization is good for that one only. Times are RFC 3339 in UTC. Unknown fields and "
    "parameters are refused. Errors are RFC 9457 problems."
)


def build(operations: Sequence[Operation] = OPERATIONS) -> dict[str, Any]:
    """The document as JSON values."""
    types = [kind for operation in operations for kind in (operation.body, operation.answer)]
    types = [kind for kind in types if kind is not None]
    types += [Problem, AcceptedEvent, RefusedEvent, WebhookWithSecretShape]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF + "{name}")
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    tighten(components)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _operation(operation, schema_of)
        paths.setdefault(operation.path, {})[operation.method] = described
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Winnerr Webhooks",
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
        "components": {
            "schemas": components,
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
        },
    }
    return _with_public_names(document)


def _operation(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
    }
    if operation.text:
        described["description"] = operation.text
    if not operation.key:
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
    good: dict[str, Any] = {"description": operation.summary + "."}
    if operation.answer is not None:
        good["content"] = {
            operation.media_type: _media(operation.answer, operation.answer_example, schema_of)
        }
    elif operation.status == 200:  # noqa: PLR2004  the one status here that has a body
        good["content"] = {operation.media_type: {}}
    responses = {str(operation.status): good}
    refusals = [*operation.refusals, *((UNAUTHORIZED,) if operation.key else ()), *_OF_ANY_CALL]
    for status in sorted({kind.status for kind in refusals}):
        responses[str(status)] = _refusal([kind for kind in refusals if kind.status == status])
    return responses


def _refusal(kinds: list[Kind]) -> dict[str, Any]:
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


def _problem(kind: Kind) -> dict[str, Any]:
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


def _media(kind: Any, example: Any, schema_of: dict[str, Any]) -> dict[str, Any]:
    return {"schema": schema_of[repr(kind)], "example": example}


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _PATH_TEXTS[name],
        "schema": {"type": "string", **_PATH_FORMS[name]},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.text,
        "schema": parameter.schema,
    }


def _with_public_names(document: dict[str, Any]) -> dict[str, Any]:
    """Schemas under the names readers know: `Webhook`, not `WebhookShape`."""
    schemas = document["components"]["schemas"]
    public = {name: name.removesuffix("Shape") for name in schemas}
    document["components"]["schemas"] = {
        public[name]: schema | {"title": public[name]} for name, schema in schemas.items()
    }

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            if isinstance(ref := value.get("$ref"), str):
                value = value | {"$ref": _REF + public[ref.removeprefix(_REF)]}
            return {key: renamed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [renamed(item) for item in value]
        return value

    renamed_document: dict[str, Any] = renamed(document)
    return renamed_document
