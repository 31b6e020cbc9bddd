"""Documents in YAML and JSON: their values, the line of each, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.event_catalog.placed_document import DocumentError, parse_document


def test_yaml_is_read_by_the_core_schema_of_yaml_1_2():
    text = """
country: no
at: 2025-01-17T16:00:00Z
many: [1, 2.5, "3", ~, true, 12:30, 0x1f, 1_000, .5, -7, 1.0e+3]
tagged: !!str 1
empty:
"""
    assert parse_document(text).value == {
        "country": "no",
        "at": "2025-01-17T16:00:00Z",
        "many": [1, 2.5, "3", None, True, "12:30", "0x1f", "1_000", 0.5, -7, 1000.0],
        "tagged": "1",
        "empty": None,
    }


@pytest.mark.parametrize(
    "text", ['{"a": {\n"b": [1,\n{"c":\n 2}], "d\\n": 3}}', "a:\n  b:\n  - 1\n  - c: 2\n"]
)
def test_each_value_has_its_line_and_a_member_that_of_its_key(text):
    document = parse_document(text)
    lines = {path: document.line_of(path) for path in document.lines}
    assert lines["a",] == 1
    assert lines["a", "b"] == 2
    assert lines["a", "b", 1] - lines["a", "b", 0] == 1
    assert lines["a", "b", 1, "c"] == lines["a", "b", 1]
    assert document.line_of(("a", "b", 1, "c", "unknown", 7)) == lines["a", "b", 1, "c"]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\nb: 2\na: 3", 3, "given twice"),
        ('{"a": 1,\n "b": {"c": 1,\n"c": 2}}', 2, "given twice"),
        ("a: &one [*one]", 1, "nested deeper"),
        ("a: !!python/object/apply:os.system [ls]", 1, "tag"),
        ("a: !own 1", 1, "tag"),
        ("b: &b {x: 1}\na:\n  <<: *b", 3, "merge keys"),
        ("? [1, 2]\n: 3", 1, "a key has to be a text"),
        ("a: 1\n---\nb: 2", 2, "single document"),
        ("a: [1,\nb: }", 2, "not YAML"),
        ("", 1, "empty"),
        ("a: \x00", 1, "not YAML"),
        ('{"a": 1', 1, "not JSON"),
        ('{"a":\n NaN}', 1, "NaN is no number"),
        ('{"a": 1,\n"b": 1e999}', 2, "too large"),
        ("a: 1\nb: 1.0e+999", 2, "too large"),
        ('{"a": "\\ud83d"}', 1, "half of a \\u pair"),
    ],
)
def test_what_is_refused_names_its_line(text, line, says):
    with pytest.raises(DocumentError, match=r".") as caught:
        parse_document(text)
    assert caught.value.line == line
    assert says in caught.value.message


def test_aliases_cannot_make_a_document_grow_without_end():
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(DocumentError, match="more than 200,000 values"):
        parse_document("\n".join(lines))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False,
                                                                     allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.sampled_from([None, 1]))
def test_any_json_is_read_as_it_is(value, indent):
    document = parse_document(json.dumps(value, indent=indent))
    assert document.value == value
    assert set(document.lines) == set(paths(value))


def paths(value, path=()):
    yield path
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in pairs:
        yield from paths(inner, (*path, key))
