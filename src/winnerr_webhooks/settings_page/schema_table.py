"""Shows a JSON Schema as a table: a row for each field, with its type and what it may hold."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from winnerr_webhooks.domain.suggestions import alternatives
from winnerr_webhooks.domain.text import Text, counted
from winnerr_webhooks.event_catalog.schema_sample import find

MAX_ROWS: Final = 200
_MAX_DEPTH: Final = 6
_MAX_CHOICES: Final = 12
_LIMITS: Final = (
    ("minimum", Text("at least {limit}")),
    ("exclusiveMinimum", Text("more than {limit}")),
    ("maximum", Text("at most {limit}")),
    ("exclusiveMaximum", Text("less than {limit}")),
    ("multipleOf", Text("a multiple of {limit}")),
    ("minLength", Text("{limit} characters or more")),
    ("maxLength", Text("{limit} characters or fewer")),
    ("pattern", Text("matches {limit}")),
    ("minItems", Text("{limit} items or more")),
    ("maxItems", Text("{limit} items or fewer")),
)

_ANY: Final = Text("any")


class FieldRow(msgspec.Struct, frozen=True, kw_only=True):
    """A field that a schema describes."""

    name: str
    """Such as `lines[].sku`."""
    type: str
    required: bool
    description: str
    notes: tuple[str, ...]
    """What the value may be, such as `at least 0`."""
    deprecated: bool = False


def schema_rows(schema: bytes) -> list[FieldRow]:
    """Return the rows of a schema, in its order, at most `MAX_ROWS`."""
    root = msgspec.json.decode(schema)
    rows = []
    for row in _fields(root, root, "", 0):
        rows.append(row)
        if len(rows) == MAX_ROWS:
            break
    return rows


def _fields(schema: Any, root: Any, prefix: str, depth: int) -> Iterator[FieldRow]:
    schema = _resolved(schema, root)
    if depth > _MAX_DEPTH:
        return
    for part in _dicts(schema.get("allOf")):
        yield from _fields(part, root, prefix, depth + 1)
    properties = schema.get("properties")
    required = schema.get("required")
    for name, inner in (properties if isinstance(properties, dict) else {}).items():
        field = _resolved(inner, root)
        full = f"{prefix}{name}"
        yield FieldRow(
            name=full,
            type=_type(field, root),
            required=isinstance(required, list) and name in required,
            description=str(field.get("description", "")),
            notes=tuple(_notes(field)),
            deprecated=field.get("deprecated") is True,
        )
        yield from _fields(field, root, f"{full}.", depth + 1)
        yield from _fields(_item(field, root), root, f"{full}[].", depth + 1)


def _type(field: dict[str, Any], root: Any) -> str:
    kinds = field.get("type")
    words = (
        [str(kind) for kind in kinds]
        if isinstance(kinds, list)
        else [str(kinds) if kinds else _ANY]
    )
    if "array" in words and (item := _item(field, root)):
        words[words.index("array")] = Text("array of {type}", type=_type(item, root))
    if words == [_ANY] and "properties" in field:
        return "object"
    return alternatives(words)


def _item(field: dict[str, Any], root: Any) -> dict[str, Any]:
    return _resolved(field.get("items"), root)


def _notes(field: dict[str, Any]) -> Iterator[str]:
    if isinstance(field.get("format"), str):
        yield field["format"]
    if "const" in field:
        yield Text("always {value}", value=_json(field["const"]))
    if isinstance(field.get("enum"), list):
        choices = [_json(one) for one in field["enum"][:_MAX_CHOICES]]
        more = ", …" if len(field["enum"]) > len(choices) else ""
        yield Text("one of {values}", values=", ".join(choices) + more)
    for key, text in _LIMITS:
        if key in field:
            yield text.fill(limit=field[key])
    for key in ("oneOf", "anyOf"):
        if variants := _dicts(field.get(key)):
            yield counted("{count} alternative", "one of {count} alternatives", len(variants))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _resolved(schema: Any, root: Any) -> dict[str, Any]:
    """Return a schema, or what its `$ref` leads to; {} for one that is elsewhere or no object."""
    for _ in range(_MAX_DEPTH):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str):
            break
        found = root if reference == "#" else find(root, reference)
        if not isinstance(found, dict):
            return {}
        schema = found | {key: value for key, value in schema.items() if key != "$ref"}
    return schema if isinstance(schema, dict) else {}
