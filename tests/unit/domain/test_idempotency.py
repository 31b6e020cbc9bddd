"""An event repeated by another JSON encoder is the same; one with other values is not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.event import encode_payload
from winnerr_webhooks.domain.idempotency import is_repeat


def payload(data, event="contact.created", timestamp="2025-01-15T14:23:00Z"):
    return encode_payload(event, timestamp, "org_1", data.encode())


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ('{"a":1,"b":2}', '{"b":2,"a":1}'),
        ('{"a":{"x":[{"p":1,"q":2}]}}', '{"a":{"x":[{"q":2,"p":1}]}}'),
        (r'{"a":"\u00e9\/","\u0062":1}', '{"a":"é/","b":1}'),
        (r'{"a":"\ud83d\ude00"}', '{"a":"😀"}'),
        ('{"a":1.0,"b":1e2,"c":-0}', '{"a":1,"b":100,"c":0.0}'),
        ('{"a":1e99999999999999999999}', '{"a":1e99999999999999999999}'),
    ],
)
def test_the_same_values_are_a_repeat_however_they_are_written(first, again):
    assert is_repeat(payload(first), payload(again, timestamp="2026-01-01T00:00:00Z"))


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ('{"a":1}', '{"a":2}'),
        ('{"a":1}', '{"a":true}'),
        ('{"a":0}', '{"a":false}'),
        ('{"a":1}', '{"a":"1"}'),
        ('{"a":1}', '{"a":[1]}'),
        ('{"a":null}', "{}"),
        ('{"a":[1,2]}', '{"a":[2,1]}'),
        ('{"a":{}}', '{"a":[]}'),
        ('{"a":12345678901234567890123}', '{"a":12345678901234567890124}'),
        ('{"a":0.12345678901234567891}', '{"a":0.12345678901234567892}'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"a":"\u00e9"}', '{"a":"e\u0301"}'),
    ],
)
def test_another_value_is_not_a_repeat(first, again):
    assert not is_repeat(payload(first), payload(again))


def test_another_event_is_not_a_repeat():
    assert not is_repeat(payload("{}"), payload("{}", event="contact.updated"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), VALUES))
def test_both_forms_in_which_python_writes_json_are_repeats(data):
    turned = dict(reversed(data.items()))
    plain = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace").decode()
    assert is_repeat(payload(plain), payload(json.dumps(json.loads(plain), indent=1)))
    assert is_repeat(payload(json.dumps(data)), payload(json.dumps(turned)))
