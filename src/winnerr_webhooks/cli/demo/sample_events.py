"""The demo's events: all event types in turn, about different people."""

from collections.abc import Iterator
from typing import Any
from unicodedata import normalize

import msgspec

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.event import rfc3339

_PEOPLE = (
    "Amara Okafor", "Jonas Weber", "Priya Raman", "Lucía Fernández", "Tomasz Nowak",
    "Mei-Ling Chen", "Oisín Byrne", "Fatima Zahra", "Noah Lindqvist", "Aiko Tanaka",
    "Mateus Costa", "Élodie Martin", "Samuel Adeyemi",
)  # fmt: skip
_PLACES = ("northwind", "acme", "globex", "initech", "umbrella", "hooli", "soylent")
_STRIDE = 7
"""Coprime to the 20 event types, so that successive events are of different categories."""


def sample_events(catalog: Catalog, organization: str, clock: Clock) -> Iterator[dict[str, Any]]:
    """Yield request bodies for `POST /api/v1/events` without end, each with an id of its own."""
    names = tuple(catalog.names)
    run = clock.now_ms()
    number = 0
    while True:
        name = names[number * _STRIDE % len(names)]
        now = rfc3339(clock.now_ms())
        example = msgspec.json.decode(catalog.example_body(name, organization, now))
        yield {
            "event": name,
            "organizationId": organization,
            "data": _vary(example["data"], number),
            "timestamp": now,
            "id": f"demo-{run}-{number}",
        }
        number += 1


def _vary(data: dict[str, Any], number: int) -> dict[str, Any]:
    """Replace the person and the ids of an example."""
    person = _PEOPLE[number % len(_PEOPLE)]
    decomposed = normalize("NFKD", person.split()[0].lower())  # é becomes e and an accent
    first = decomposed.encode("ascii", "ignore").decode()
    address = f"{first}@{_PLACES[number % len(_PLACES)]}.example"

    def vary(key: str, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if "@" in value:
            return address
        if key == "id" or key.endswith("Id"):
            return f"{value.partition('_')[0]}_{number:06d}"
        return person if key == "name" and value.istitle() else value

    return {key: vary(key, value) for key, value in data.items()}
