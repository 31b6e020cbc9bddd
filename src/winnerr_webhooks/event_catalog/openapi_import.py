"""Makes a catalogue of the `webhooks` section of an OpenAPI document (3.1, section 4.8.1)."""

import json
import re
from typing import Any, Final

from winnerr_webhooks.domain.catalog import EventType
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.event_catalog.placed_document import DocumentError, parse_document
from winnerr_webhooks.event_catalog.schema_sample import find, sample

MAX_BYTES: Final = 16 * 1024 * 1024
_SCHEMAS: Final = "#/components/schemas/"
_METHODS: Final = ("post", "put", "patch", "get", "delete")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9._-]+")
_MAX_REFERENCES: Final = 8
"""How many references are followed from one to the next."""

Imported = tuple[list[tuple[str, list[EventType]]], list[str]]
"""Event types by category, and notes about what could not be taken as it is."""


def import_openapi(content: bytes) -> Imported:
    """Return the catalogue of a document in JSON or YAML. Raises `Invalid`."""
    if len(content) > MAX_BYTES:
        raise Invalid(f"The document is larger than {MAX_BYTES // 1024 // 1024} MiB.")
    try:
        document = parse_document(content.decode("utf-8-sig")).value
    except UnicodeDecodeError:
        raise Invalid("The document is not UTF-8.") from None
    except DocumentError as error:
        raise Invalid(f"Line {error.line}: {error.message}.") from None
    webhooks = document.get("webhooks") if isinstance(document, dict) else None
    if not isinstance(webhooks, dict) or not webhooks:
        raise Invalid("The document has no `webhooks`: that is where OpenAPI 3.1 has events.")
    return _Import(document).run(webhooks)


class _Import:
    """Reads one document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._notes: list[str] = []

    def run(self, webhooks: dict[str, Any]) -> Imported:
        categories: dict[str, list[EventType]] = {}
        for key, item in webhooks.items():
            path_item = self._resolved(item)
            method = next((one for one in _METHODS if one in path_item), None)
            if method is None:
                self._notes.append(f"{key}: it has no operation, so it is left out.")
                continue
            one = self._event(key, self._resolved(path_item[method]))
            categories.setdefault(one.category, []).append(one)
        return list(categories.items()), self._notes

    def _event(self, key: str, operation: dict[str, Any]) -> EventType:
        name = _NOT_IN_NAMES.sub("_", _HUMP.sub("_", key).lower())[:128]
        if name != key:
            self._notes.append(f"{key}: its name is {name} here.")
        tags = operation.get("tags")
        body = self._resolved(operation.get("requestBody"))
        media = body.get("content", {}) if isinstance(body.get("content"), dict) else {}
        json_media: Any = media.get("application/json") or next(iter(media.values()), {})
        schema, is_payload = self._data_schema(json_media.get("schema"))
        example = self._example(json_media, schema, is_payload=is_payload)
        text = operation.get("summary") or operation.get("description") or f"{key} happened."
        deprecated = None
        if operation.get("deprecated") is True:
            deprecated = _line(operation.get("description")) or "It is not sent for much longer."
        return EventType(
            name=name,
            category=_line(tags[0]) if isinstance(tags, list) and tags else "Events",
            description=_line(text),
            example=_encoded(example),
            schema=None if schema is None else _encoded(schema),
            deprecated=deprecated,
        )

    def _data_schema(self, schema: Any) -> tuple[dict[str, Any] | None, bool]:
        """Return the schema of `data`, and whether the document describes the payload around it."""
        if not isinstance(schema, dict):
            return None, False
        payload = self._resolved(schema)
        properties = payload.get("properties")
        is_payload = isinstance(properties, dict) and {"event", "data"} <= properties.keys()
        data = properties["data"] if is_payload and isinstance(properties, dict) else schema
        return (self._alone(data), is_payload) if isinstance(data, dict) else (None, is_payload)

    def _alone(self, schema: dict[str, Any]) -> dict[str, Any] | None:
        """Return a schema that has in `$defs` what it refers to; None if that is elsewhere."""
        definitions: dict[str, Any] = {}
        try:
            found: dict[str, Any] = self._moved(schema, definitions)
        except KeyError as missing:
            self._notes.append(
                f"{missing.args[0]} is not in the document: that schema is left out."
            )
            return None
        while set(found) == {"$ref"} and found["$ref"].startswith("#/$defs/"):
            name = found["$ref"].removeprefix("#/$defs/")
            if f'"#/$defs/{name}"' in json.dumps(definitions):
                break
            found = definitions.pop(name)
        return found | ({"$defs": definitions} if definitions else {})

    def _moved(self, value: Any, definitions: dict[str, Any]) -> Any:
        if isinstance(value, list):
            return [self._moved(inner, definitions) for inner in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if not isinstance(reference, str):
            return {key: self._moved(inner, definitions) for key, inner in value.items()}
        name = reference.removeprefix(_SCHEMAS)
        schemas = self._document.get("components", {}).get("schemas", {})
        if not reference.startswith(_SCHEMAS) or name not in schemas:
            raise KeyError(reference)
        if name not in definitions:
            definitions[name] = {}
            definitions[name] = self._moved(schemas[name], definitions)
        return value | {"$ref": f"#/$defs/{name}"}

    def _example(
        self, media: dict[str, Any], schema: dict[str, Any] | None, *, is_payload: bool
    ) -> dict[str, Any]:
        examples = media.get("examples")
        given = media.get("example")
        if given is None and isinstance(examples, dict) and examples:
            given = self._resolved(next(iter(examples.values()))).get("value")
        if is_payload and isinstance(given, dict):
            given = given.get("data")
        if not isinstance(given, dict) and schema is not None:
            given = sample(schema)
        return given if isinstance(given, dict) else {}

    def _resolved(self, value: Any) -> dict[str, Any]:
        """Return an object, or what its `$ref` leads to within the document; {} without."""
        for _ in range(_MAX_REFERENCES):
            reference = value.get("$ref") if isinstance(value, dict) else None
            if not isinstance(reference, str):
                break
            value = find(self._document, reference)
        return value if isinstance(value, dict) else {}


def _line(text: Any) -> str:
    return " ".join(str(text or "").split())[:500]


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
