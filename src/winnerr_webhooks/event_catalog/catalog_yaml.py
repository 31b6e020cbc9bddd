"""Writes a catalogue as the file that `catalog_file` reads."""

import json
from collections.abc import Iterable
from typing import Any, Final

import yaml

from winnerr_webhooks.domain.catalog import EventType

_WIDTH: Final = 100


def catalog_yaml(categories: Iterable[tuple[str, Iterable[EventType]]]) -> str:
    """Return event types, by category, as YAML."""
    value = {
        "categories": [
            {"name": category, "events": [_fields(one) for one in types]}
            for category, types in categories
        ]
    }
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text


def _fields(one: EventType) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": one.name, "description": one.description}
    if one.deprecated is not None:
        fields["deprecated"] = one.deprecated
    fields["example"] = json.loads(one.example)
    if one.schema is not None:
        fields["schema"] = json.loads(one.schema)
    return fields
