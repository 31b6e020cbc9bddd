"""What the filter builder asks the server for: fields to choose from, and which events match."""

import msgspec

from winnerr_webhooks.domain.catalog import Catalog, EventType
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.settings_page.filter_paths import MOST_PATHS, suggested_paths

OF_EVERY_EVENT = ["event", "timestamp", "organizationId"]


def event_type(name: str, example: object, schema: object = None) -> EventType:
    return EventType(
        name=name,
        category="Things",
        description="Something happened.",
        example=msgspec.json.encode(example),
        schema=None if schema is None else msgspec.json.encode(schema),
    )


def test_paths_come_from_examples_and_schemas_without_what_has_no_path():
    first = event_type(
        "thing.made",
        {"id": "t1", "owner": {"name": "Jane"}, "tags": ["a"], "a.b": 1, "$x": 1, "": 1},
        {"properties": {"id": {}, "size": {}, "lines": {"items": {"properties": {"sku": {}}}}}},
    )
    second = event_type("thing.gone", {"id": "t1", "reason": None})
    catalog = Catalog((first, second))
    made = ["data.id", "data.owner.name", "data.tags", "data.size", "data.lines"]
    assert suggested_paths(catalog, ["thing.made"]) == OF_EVERY_EVENT + made
    assert suggested_paths(catalog, ["thing.gone"]) == [*OF_EVERY_EVENT, "data.id", "data.reason"]
    for every in ([], ["*"], ["thing.*"], ["no.such"]):
        assert suggested_paths(catalog, every) == [*OF_EVERY_EVENT, *made, "data.reason"]


def test_there_are_never_more_paths_than_a_list_can_show():
    large = event_type("thing.made", {f"f{number}": 1 for number in range(1_000)})
    assert len(suggested_paths(Catalog((large,)), [])) == MOST_PATHS
    assert len(suggested_paths(CATALOG, [])) < MOST_PATHS


async def test_the_form_asks_for_the_fields_of_the_chosen_events(admin, viewer):
    answer = await admin.post("/filter-paths", {"events": "deal.closed_won"})
    paths = msgspec.json.decode(answer.html)["paths"]
    assert "data.amount" in paths
    assert "data.durationSeconds" not in paths
    assert (await viewer.post("/filter-paths", {})).status == 403


async def test_a_test_names_the_events_that_match_and_links_to_them(site, admin):
    await site.webhook()
    for number in range(12):
        await site.event(data=b'{"n": %d}' % number)
    fields = {"filter": '{"data": {"n": {"$gte": 1}}}', "events": "contact.created"}
    answer = await admin.post("/filter-test", fields)
    assert answer.status == 200
    assert "11 of the last 12 events match." in answer.text
    assert "Show the newest of them" in answer.text
    links = [one["href"] for one in answer.all("a", target="_blank")]
    assert len(links) == 10
    assert "contact.created" in (await admin.get(links[0])).text
    other = await admin.post("/filter-test", fields | {"events": "deal.created"})
    assert "0 of the last 0 events match." in other.text


async def test_a_test_says_what_is_wrong_with_a_filter(admin):
    for text, problem in (
        ("", "A filter is a JSON object"),
        ("{", "The filter is not JSON"),
        ('{"data": {"<b>": {"$x": 1}}}', "At /data/&lt;b&gt;/$x: There is no operator $x."),
    ):
        answer = await admin.post("/filter-test", {"filter": text})
        assert answer.status == 200
        assert problem in answer.html
