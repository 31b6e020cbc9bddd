"""The demo's events: all event types, many people, and an id for each."""

import re
from itertools import islice, pairwise

import msgspec
import pytest

from winnerr_webhooks.cli.demo.sample_events import sample_events
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.default_catalog import CATALOG


@pytest.fixture
def some() -> list[dict]:
    return list(islice(sample_events(CATALOG, "org_demo", SystemClock()), 60))


def test_twenty_in_a_row_are_all_event_types_and_neighbours_differ_in_category(some):
    names = [event["event"] for event in some]
    assert set(names[:20]) == set(CATALOG.names)
    categories = [name.split(".")[0] for name in names]
    assert all(a != b for a, b in pairwise(categories))


def test_each_has_an_id_of_its_own_and_the_form_the_api_takes(some):
    assert len({event["id"] for event in some}) == len(some)
    for event in some:
        assert event["organizationId"] == "org_demo"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["timestamp"])
        assert isinstance(event["data"], dict)


def test_people_and_ids_vary_from_one_to_the_next(some):
    made = [event["data"] for event in some if event["event"] == "contact.created"]
    assert len({data["id"] for data in made}) == len(made)
    assert len({data["name"] for data in made}) == len(made)
    assert all(data["email"].isascii() for data in made)


def test_the_example_keeps_its_shape(some):
    for event in some:
        example = CATALOG.example_body(event["event"], "org_demo", "2025-01-15T14:23:00Z")
        assert event["data"].keys() == msgspec.json.decode(example)["data"].keys()
