"""A catalogue file: what it gives, and every mistake with its line, place and remedy."""

import json

import pytest

from winnerr_webhooks.event_catalog import catalog_file
from winnerr_webhooks.event_catalog.catalog_file import (
    CatalogFileError,
    parse_catalog,
    read_catalog,
)

GOOD = """
categories:
  - name: Orders
    events:
      - name: order.paid
        description: >
          An order was paid
          in full.
        example: {id: order_1, amount: 12.5, at: 2025-01-17T16:00:00Z}
        schema:
          type: object
          required: [id]
          properties: {amount: {type: number, minimum: 0}}
      - name: order.lost
        description: An order was lost.
        deprecated: Use order.cancelled.
        example: {id: order_1}
  - name: Parcels
    events:
      - {name: parcel.sent, description: A parcel left., example: {}}
"""


def parse(text: str):
    return parse_catalog("own.yaml", text.encode(), "reject")


def mistakes(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(CatalogFileError) as caught:
        parse(text)
    return [tuple(mistake) for mistake in caught.value.mistakes]


def test_a_file_gives_the_event_types_in_its_order():
    catalog = parse(GOOD)
    assert [(name, [one.name for one in types]) for name, types in catalog.categories] == [
        ("Orders", ["order.paid", "order.lost"]),
        ("Parcels", ["parcel.sent"]),
    ]
    paid, lost = catalog.get("order.paid"), catalog.get("order.lost")
    assert paid.description == "An order was paid in full."
    assert paid.example == b'{"id":"order_1","amount":12.5,"at":"2025-01-17T16:00:00Z"}'
    assert json.loads(paid.schema)["required"] == ["id"]
    assert (paid.deprecated, lost.deprecated, lost.schema) == (None, "Use order.cancelled.", None)


def test_its_schemas_check_data():
    catalog = parse(GOOD)
    assert catalog.data_errors("order.paid", b'{"id":"x","amount":0}') == ()
    (error,) = catalog.data_errors("order.paid", b'{"id":"x","amount":-1}')
    assert error.pointer == "/data/amount"
    assert catalog.data_errors("order.lost", b'{"anything":1}') == ()


def test_json_and_yaml_say_the_same():
    value = {
        "categories": [
            {
                "name": "Orders",
                "events": [{"name": "a", "description": "b", "example": {"ü": [1, None]}}],
            }
        ]
    }
    written = parse(json.dumps(value, ensure_ascii=True))
    assert written.get("a").example == '{"ü":[1,null]}'.encode()
    with_bom = parse_catalog("own.json", b"\xef\xbb\xbf" + json.dumps(value).encode())
    assert with_bom.categories == written.categories


@pytest.mark.parametrize(
    ("old", "new", "line", "place", "says"),
    [
        ("categories:", "categorys:", 2, "categorys", "did you mean categories?"),
        ("name: Parcels", "name: Orders", 18, "categories[1].name", "another category"),
        ("- name: order.paid", "- name: Order.Paid", 5, "categories[0].events[0].name", "a-z 0-9"),
        ("- name: order.paid", "- nam: order.paid", 5, "categories[0].events[0].nam", "name?"),
        ("order.lost", "order.paid", 14, "categories[0].events[1].name", "in line 5 already"),
        ("description: An", "description: 7 #", 15, "categories[0].events[1].description", "q"),
        ("Use order.cancelled.", "[]", 16, "categories[0].events[1].deprecated", "be a text"),
        ("{id: order_1}", "[1]", 17, "categories[0].events[1].example", "has to be an object"),
        ("type: number", "type: numbr", 13,
         "categories[0].events[0].schema.properties.amount.type", "no valid schema"),
        ("minimum: 0", "minimum: 20", 9, "categories[0].events[0].example.amount",
         "does not satisfy its schema: This value is less than the minimum of 20."),
        ("[id]", "[id, name]", 9, "categories[0].events[0].example.name", "`name` is missing"),
        ("type: object", "$ref: https://example.com/x.json", 10,
         "categories[0].events[0].schema", "Retrieval is disabled"),
        ("type: object", "$schema: http://json-schema.org/draft-07/schema#", 11,
         "categories[0].events[0].schema.$schema", "only JSON Schema 2020-12"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_line_its_place_and_what_to_do(old, new, line, place, says):
    assert old in GOOD
    first, *_ = mistakes(GOOD.replace(old, new, 1))
    assert first[:2] == (line, place)
    assert says in first[2]


def test_all_mistakes_are_found_at_once_and_the_error_names_the_first():
    text = GOOD.replace("order.paid", "A").replace("parcel.sent", "B").replace("{id: order_1}", "7")
    assert [line for line, _, _ in mistakes(text)] == [5, 17, 20]
    with pytest.raises(CatalogFileError, match=r"own\.yaml:5: .*\(2 more: catalog check\)$"):
        parse(text)


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"a: \xff", 1, "not UTF-8"),
        (b"[]", 1, "an object with categories"),
        (b"categories: []", 1, "at least one item"),
        (b"categories:\n- name: x", 2, "events is missing"),
        (b"a: 1\na: 2", 2, "given twice"),
        (b"#" * (catalog_file.MAX_BYTES + 1), 1, "larger than 2,048 KiB"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(content, line, says):
    with pytest.raises(CatalogFileError) as caught:
        parse_catalog("x", content)
    assert any(one.line == line and says in one.message for one in caught.value.mistakes)


def test_there_are_at_most_1000_event_types():
    events = [{"name": f"e{n}", "description": "x", "example": {}} for n in range(1_003)]
    text = json.dumps({"categories": [{"name": "x", "events": events}]})
    ((_, place, message),) = mistakes(text)
    assert place == "categories[0].events[1000]"
    assert "more than 1,000" in message


def test_an_example_is_not_larger_or_deeper_than_an_event_may_be():
    deep = {}
    for _ in range(70):
        deep = {"a": deep}
    for example, says in ((deep, "nested deeper than 64"), ({"a": "x" * 70_000}, "64 KiB")):
        event = {"name": "e", "description": "x", "example": example}
        text = json.dumps({"categories": [{"name": "x", "events": [event]}]})
        assert says in mistakes(text)[0][2]


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(CatalogFileError, match="cannot be read: No such file"):
        read_catalog(str(tmp_path / "none.yaml"))
    with pytest.raises(CatalogFileError, match="cannot be read: Is a directory"):
        read_catalog(str(tmp_path))
