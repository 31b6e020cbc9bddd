"""Describes the catalogue's events for machines: OpenAPI 3.1 `webhooks`, and AsyncAPI 3.

Receivers make types and servers of it. Both documents have the same messages: the payload and the
headers of the product's name.
"""

import re
from typing import Any, Final

import msgspec

from winnerr_webhooks import __version__
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.catalog import Catalog, EventType

_ORGANIZATION: Final = "org_abc123"
_TIMESTAMP: Final = "2025-01-15T14:23:00Z"
_NOT_IN_KEYS: Final = re.compile(r"[^A-Za-z0-9_-]")
_LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}

_HEADERS: Final = (
    # name, required, description, example
    ("X-…-Event", True, "The name of the event type.", None),
    ("X-…-Delivery", True, "The delivery's id, by which to drop duplicates.",
     "dlv_01jhmv7q3k9x2b4c0001"),
    ("X-…-Webhook", True, "The webhook's id.", "wh_01jhmv7q3k9x2b4c6d8e0f1g2h"),
    ("X-…-Attempt", True, "1, 2, …", "1"),
    ("X-…-Test", False, "`true`, on test deliveries only.", "true"),
    ("X-…-Signature", False, "The signature of the body, if the webhook has a secret.", None),
    ("webhook-id", True, "The event's id (Standard Webhooks 1.0).",
     "evt_01jhmv7q3k9x2b4c6d8e0f1g2h"),
    ("webhook-timestamp", True, "When the request was signed, in seconds since 1970.",
     "1736950980"),
    ("webhook-signature", False, "Signatures, if the webhook has a secret.",
     "v1,bm8gcmVhbCBzaWduYXR1cmU="),
)  # fmt: skip

_ANSWERS: Final = {
    "2XX": "The event has arrived. Answer within the time limit, before you work on it.",
    "410": "The endpoint is gone: the webhook is disabled.",
    "429": "Too many requests: the event is sent again, after `Retry-After` if that is later.",
    "default": "The event is sent again by the retry schedule. Redirects are not followed.",
}


def openapi_document(catalog: Catalog, branding: Branding) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document whose `webhooks` are the event types."""
    keys = component_keys(catalog)
    webhooks = {}
    for category, types in catalog.categories:
        for one in types:
            webhooks[one.name] = {"post": _operation(one, category, keys[one.name])}
    schemas: dict[str, Any] = {}
    for name, key in keys.items():
        schemas |= _schemas(catalog, name, key)
    return {
        "openapi": "3.1.0",
        "info": _info(branding) | {"license": _LICENSE},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/", "description": "The URL of a webhook."}],
        "tags": [
            {"name": category, "description": f"Events: {category}."}
            for category, _ in catalog.categories
        ],
        "webhooks": webhooks,
        "components": {
            "schemas": schemas,
            "parameters": {
                _component(name): {
                    "name": branding.fill(name),
                    "in": "header",
                    "required": required,
                    "description": description,
                    "schema": {"type": "string"},
                } | ({} if example is None else {"example": example})
                for name, required, description, example in _HEADERS
            },
        },
    }  # fmt: skip


def asyncapi_document(catalog: Catalog, branding: Branding) -> dict[str, Any]:
    """Return an AsyncAPI 3 document: one channel to the receiver, with a message for each type."""
    keys = component_keys(catalog)
    schemas: dict[str, Any] = {}
    for name, key in keys.items():
        schemas |= _schemas(catalog, name, key)
    headers = {
        "type": "object",
        "required": [branding.fill(name) for name, required, *_ in _HEADERS if required],
        "properties": {
            branding.fill(name): {"type": "string", "description": description}
            for name, _, description, _ in _HEADERS
        },
    }
    messages = {}
    for category, types in catalog.categories:
        for one in types:
            messages[keys[one.name]] = _message(one, category, keys[one.name])
    return {
        "asyncapi": "3.0.0",
        "info": _info(branding) | {"license": {"name": _LICENSE["name"]}},
        "defaultContentType": "application/json",
        "channels": {
            "webhook": {
                "address": "/",
                "description": "The URL of a webhook.",
                "messages": {
                    key: {"$ref": f"#/components/messages/{key}"} for key in keys.values()
                },
            }
        },
        "operations": {
            "receiveEvent": {
                "action": "receive",
                "channel": {"$ref": "#/channels/webhook"},
                "summary": "Receive an event as a POST request.",
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
                "messages": [
                    {"$ref": f"#/channels/webhook/messages/{key}"} for key in keys.values()
                ],
            }
        },
        "components": {
            "messages": messages,
            "schemas": schemas | {"Headers": headers},
        },
    }


def component_keys(catalog: Catalog) -> dict[str, str]:
    """Return a name for the components of each event type, such as `ContactCreated`."""
    keys: dict[str, str] = {}
    taken = {"Headers"}
    for name in catalog.names:
        words = re.split(r"[._-]+", name)
        key = "".join(word[:1].upper() + word[1:] for word in words) or "Event"
        if key[:1].isdigit():
            key = f"Event{key}"
        number = 2
        free = key
        while free in taken or f"{free}Data" in taken:
            free, number = f"{key}{number}", number + 1
        taken |= {free, f"{free}Data"}
        keys[name] = free
    return keys


def _info(branding: Branding) -> dict[str, Any]:
    return {
        "title": f"{branding.name} events",
        "version": __version__,
        "description": (
            f"The events that {branding.name} sends to webhooks, each as a POST request. "
            "Deliveries may arrive more than once and out of order."
        ),
    }


def _operation(one: EventType, category: str, key: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"on{key}",
        "tags": [category],
        "summary": one.description,
        "parameters": [
            {"$ref": f"#/components/parameters/{_component(name)}"} for name, *_ in _HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": f"#/components/schemas/{key}"},
                    "example": _example(one),
                }
            },
        },
        "responses": {
            status: {"description": text} for status, text in _ANSWERS.items()
        },
        "security": [],
    }  # fmt: skip
    if one.deprecated is not None:
        operation |= {"deprecated": True, "description": one.deprecated}
    return operation


def _message(one: EventType, category: str, key: str) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": one.name,
        "title": one.name,
        "summary": one.description,
        "tags": [{"name": category}],
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {"$ref": f"#/components/schemas/{key}"},
        "examples": [{"name": "example", "payload": _example(one)}],
    }
    if one.deprecated is not None:
        message["description"] = f"Deprecated. {one.deprecated}"
    return message


def _schemas(catalog: Catalog, name: str, key: str) -> dict[str, Any]:
    """Return the schema of an event's payload, and that of its data."""
    one = catalog.get(name)
    assert one is not None  # noqa: S101  the names are the catalogue's own
    reference = f"#/components/schemas/{key}Data"
    data: dict[str, Any] = {"type": "object"}
    if one.schema is not None:
        data = _with_own_references(msgspec.json.decode(one.schema), reference)
        data.pop("$schema", None)
    payload: dict[str, Any] = {
        "type": "object",
        "description": one.description,
        "required": ["event", "timestamp", "organizationId", "data"],
        "properties": {
            "event": {"type": "string", "const": name},
            "timestamp": {"type": "string", "format": "date-time"},
            "organizationId": {"type": "string"},
            "data": {"$ref": reference},
        },
    }
    if one.deprecated is not None:
        payload["deprecated"] = True
    return {key: payload, f"{key}Data": data}


def _with_own_references(value: Any, root: str) -> Any:
    """Let a `$ref` within a schema lead to where the schema is in the document.

    A schema with an `$id` is a document of its own, so its references stay.
    """
    if isinstance(value, dict):
        if "$id" in value:
            return value
        changed = {key: _with_own_references(inner, root) for key, inner in value.items()}
        reference = changed.get("$ref")
        if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
            changed["$ref"] = root + reference[1:]
        return changed
    if isinstance(value, list):
        return [_with_own_references(inner, root) for inner in value]
    return value


def _example(one: EventType) -> dict[str, Any]:
    return {
        "event": one.name,
        "timestamp": _TIMESTAMP,
        "organizationId": _ORGANIZATION,
        "data": msgspec.json.decode(one.example),
    }


def _component(name: str) -> str:
    """Return the key of a header among the components."""
    return _NOT_IN_KEYS.sub("", name.replace("X-…-", "Own"))
