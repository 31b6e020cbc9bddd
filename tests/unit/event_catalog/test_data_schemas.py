"""Checks of `data` against a schema: pointers, sentences, and numbers of any length."""

import pytest

from winnerr_webhooks.event_catalog.data_schemas import MAX_ERRORS, SchemaError, data_check

SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "amount": {"type": "number", "multipleOf": 0.01, "minimum": 0},
        "a/b~c": {"const": 1},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
        "at": {"format": "date-time"},
        "count": {"type": "integer"},
    },
    "$defs": {"line": {"type": "object", "required": ["sku"]}},
}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ('{"id":"x","amount":0.29}', []),
        ('{"id":"x","amount":12.00,"count":1.0,"at":"any text"}', []),
        ('{"amount":1}', [("/data/id", "`id` is missing.")]),
        ('{"id":"x","amount":-1}', [("/data/amount", "This value is less than the minimum of 0.")]),
        ('{"id":"x","a/b~c":2}', [("/data/a~1b~0c", "1 was expected.")]),
        ('{"id":"x","lines":[{"sku":1},{}]}', [("/data/lines/1/sku", "`sku` is missing.")]),
        ('{"id":7}', [("/data/id", 'This value is not of type "string".')]),
        ('{"id":"x","count":%s}' % ("9" * 5_000), []),
        ('{"id":"x","amount":1e999}', []),
    ],
)  # fmt: skip
def test_what_is_wrong_has_a_pointer_and_a_sentence(data, found):
    assert [tuple(error) for error in data_check(SCHEMA)(data.encode())] == found


def test_a_long_value_is_not_repeated_and_errors_are_few():
    check = data_check({"additionalProperties": {"type": "integer"}})
    data = "{" + ",".join(f'"{n}":"{"secret" * 100}"' for n in range(100)) + "}"
    errors = check(data.encode())
    assert len(errors) == MAX_ERRORS
    assert all(len(message) < 250 and "secret" not in message for _, message in errors)


@pytest.mark.parametrize(
    "schema", [{"$ref": "https://example.com/x"}, {"$ref": "file:///etc/passwd"}, {"$ref": "#/no"}]
)
def test_nothing_outside_the_schema_is_fetched(schema):
    with pytest.raises(SchemaError):
        data_check(schema)
