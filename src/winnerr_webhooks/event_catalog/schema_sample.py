"""Makes a value that a simple JSON Schema allows, for an example."""

from typing import Any, Final

_MAX_DEPTH: Final = 8
_ENDLESS: Final = object()
"""A value that would contain itself."""
_BY_TYPE: Final = {"string": "text", "integer": 1, "number": 1.5, "boolean": True}
_BY_FORMAT: Final = {
    "date-time": "2025-01-15T14:23:00Z",
    "date": "2025-01-15",
    "email": "jane@example.com",
    "uri": "https://example.com/",
    "uuid": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
}


def sample(schema: dict[str, Any]) -> Any:
    """Return a value for a schema. It fits most schemas, and may not fit elaborate ones."""
    return _of(schema, schema, ())


def find(document: Any, reference: str) -> Any:
    """Return what a reference such as `#/$defs/pet` leads to within a document, or None."""
    if not reference.startswith("#/"):
        return None
    for escaped in reference[2:].split("/"):
        part = escaped.replace("~1", "/").replace("~0", "~")
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _of(schema: Any, root: dict[str, Any], within: tuple[str, ...]) -> Any:
    """Return a value; `within` has the references that lead here: none is followed twice."""
    if not isinstance(schema, dict):
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in within or len(within) > _MAX_DEPTH:
            return _ENDLESS
        return _of(find(root, reference), root, (*within, reference))
    given = [schema[key] for key in ("const", "default", "example") if key in schema]
    given += [one for key in ("examples", "enum") for one in _list(schema, key)[:1]]
    if given:
        return given[0]
    parts = [_of(part, root, within) for part in _list(schema, "allOf")]
    if parts and all(isinstance(part, dict) for part in parts):
        return {name: value for part in parts for name, value in part.items()}
    either = [*_list(schema, "oneOf"), *_list(schema, "anyOf")]
    return _of(either[0], root, within) if either else _of_type(schema, root, within)


def _of_type(schema: dict[str, Any], root: dict[str, Any], within: tuple[str, ...]) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next(iter(kind), "null")
    if kind == "object":
        properties = schema.get("properties")
        pairs = properties.items() if isinstance(properties, dict) else ()
        made = {name: _of(inner, root, within) for name, inner in pairs}
        return {name: value for name, value in made.items() if value is not _ENDLESS}
    if kind == "array":
        item = _of(schema["items"], root, within) if "items" in schema else _ENDLESS
        return [] if item is _ENDLESS else [item]
    if kind in ("integer", "number"):
        return schema.get("minimum", _BY_TYPE[kind])
    return _BY_FORMAT.get(str(schema.get("format")), _BY_TYPE.get(str(kind)))


def _list(schema: dict[str, Any], key: str) -> list[Any]:
    value = schema.get(key)
    return value if isinstance(value, list) else []
