"""The fields of events that the filter builder offers, as paths such as `data.stage`."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from winnerr_webhooks.domain.catalog import Catalog, EventType
from winnerr_webhooks.settings_page.schema_table import schema_rows

MOST_PATHS: Final = 200
_OF_EVERY_EVENT: Final = ("event", "timestamp", "organizationId")


def suggested_paths(catalog: Catalog, events: Iterable[str]) -> list[str]:
    """Return the paths of what the chosen event types carry, of all types if none is chosen.

    They come from the example and the schema of each type, in the catalogue's order, at most
    `MOST_PATHS`. Fields within lists have no path, nor have names with a full stop.
    """
    types = catalog.chosen(events) or tuple(one for _, of in catalog.categories for one in of)
    found = dict.fromkeys(path for one in types for path in _paths(one))
    return [*_OF_EVERY_EVENT, *found][:MOST_PATHS]


def _paths(event: EventType) -> Iterator[str]:
    yield from _members(msgspec.json.decode(event.example), "data")
    for row in schema_rows(event.schema) if event.schema else ():
        if "[]" not in row.name:
            yield f"data.{row.name}"


def _members(value: Any, path: str) -> Iterator[str]:
    """Yield the path of each value that is no object."""
    if not isinstance(value, dict):
        yield path
        return
    for name, inner in value.items():
        if name and "." not in name and not name.startswith("$"):
            yield from _members(inner, f"{path}.{name}")
