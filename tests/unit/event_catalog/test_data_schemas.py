"""Checks of `data` against a schema: pointers, sentences, and numbers of any length."""

import json

import pytest

from winnerr_webhooks.domain.text import Text
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
        ('{"id":"x","a/b~c":2}', [("/data/a~1b~0c", "Only 1 is allowed here.")]),
        ('{"id":"x","lines":[{"sku":1},{}]}', [("/data/lines/1/sku", "`sku` is missing.")]),
        ('{"id":7}', [("/data/id", "This value is not of the type string.")]),
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


@pytest.mark.parametrize(
    ("schema", "value", "sentence"),
    [
        ({"type": ["integer", "null"]}, "x", "This value is of none of the types"),
        ({"enum": ["a", {"b": 1}]}, 7, 'This value is not one of "a", {"b": 1}.'),
        ({"maximum": 5}, 7, "This value is greater than the maximum of 5."),
        ({"exclusiveMinimum": 7.5}, 7, "This value must be greater than 7.5."),
        ({"exclusiveMaximum": 7}, 7, "This value must be less than 7."),
        ({"multipleOf": 2}, 7, "This value is not a multiple of 2."),
        ({"minLength": 2}, "x", "This text has fewer than 2 characters."),
        ({"maxLength": 1}, "xyz", "This text has more than 1 character."),
        ({"pattern": "^a"}, "x", "This text does not match the pattern ^a."),
        ({"minItems": 3}, [7], "This list has fewer than 3 items."),
        ({"maxItems": 1}, [7, 8], "This list has more than 1 item."),
        ({"uniqueItems": True}, [7, 7], "This list has an item more than once."),
        ({"contains": {"type": "null"}}, [7], "This list has too few or too many items"),
        ({"minProperties": 2}, {"x": 1}, "This object has fewer than 2 properties."),
        ({"maxProperties": 1}, {"x": 1, "y": 2}, "This object has more than 1 property."),
        ({"prefixItems": [True], "unevaluatedItems": False}, [7, 8], "This list has more items"),
        ({"anyOf": [{"type": "null"}]}, 7, "This value fits none of the alternatives"),
        ({"oneOf": [{"type": "null"}]}, 7, "This value fits none of the alternatives"),
        ({"oneOf": [{}, {}]}, 7, "This value fits more than one of the alternatives"),
        ({"not": {}}, 7, "The schema does not allow this value."),
        (False, 7, "The schema does not allow this value."),
    ],
)
def test_what_is_wrong_can_be_translated(schema, value, sentence):
    check = data_check({"properties": {"it": schema}})
    (error,) = check(json.dumps({"it": value}).encode())
    assert isinstance(error.message, Text)
    assert error.pointer == "/data/it"
    assert error.message.startswith(sentence)


def test_properties_that_are_not_allowed_are_named():
    check = data_check({"properties": {"id": True}, "additionalProperties": False})
    (error,) = check(b'{"id":1,"x":2}')
    assert error.message == 'The schema does not allow the property "x".'
    (error,) = check(b'{"id":1,"x":2,"y":3}')
    assert error.message == 'The schema does not allow the properties "x", "y".'
    many = ",".join(f'"{letter * 100}":1' for letter in "abcdef")
    (error,) = check(f"{{{many}}}".encode())
    assert len(error.message) < 300


def test_a_keyword_without_a_sentence_of_ours_has_that_of_the_library():
    (error,) = data_check({"propertyNames": {"maxLength": 1}})(b'{"long":1}')
    assert not isinstance(error.message, Text)
    assert error.message.endswith("is longer than 1 character.")
