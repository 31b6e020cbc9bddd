"""Event filters: the grammar, its refusals, exact numbers, and a slow reference."""

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.event import encode_payload
from winnerr_webhooks.domain.event_filter import check_filter, judge_of, parse_payload
from winnerr_webhooks.domain.exact_json import compare, equal, parse

PAGE = Path(__file__).parents[3] / "docs/reference/filters.md"
CASES = [
    [re.sub(r"^`|`$", "", cell.strip()) for cell in line.strip("|\n").split("|")]
    for line in PAGE.read_text().split("## Cases")[1].splitlines()
    if line.startswith("| `")
]


def payload(data: str) -> bytes:
    return encode_payload("contact.created", "2025-01-15T14:23:00Z", "org_1", data.encode())


def matches(text: str, body: bytes) -> bool:
    return judge_of(check_filter(text))(parse_payload(body))


@pytest.mark.parametrize(("text", "data", "sent"), CASES, ids=lambda text: text[:40])
def test_each_case_of_the_reference_is_true(text, data, sent):
    assert matches(text, payload(data)) is (sent == "yes")


def test_the_reference_has_all_its_cases():
    assert len(CASES) == 26
    assert {sent for _, _, sent in CASES} == {"yes", "no"}
    operators = "$eq $ne $gte $lt $in $nin $startsWith $endsWith $contains $exist $or $not"
    for operator in operators.split():
        assert any(operator in text for text, _, _ in CASES), operator


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("{", "/filter"),
        ("NaN", "/filter"),
        ("[]", "/filter"),
        ('"won"', "/filter"),
        ("{}", "/filter"),
        ('{"data": {}}', "/filter/data"),
        ('{"dat": 1}', "/filter/dat"),
        ('{"data": {"$gtt": 1}}', "/filter/data/$gtt"),
        ('{"data": {"a/b": {"$exists": true}}}', "/filter/data/a~1b/$exists"),
        ('{"data": {"$gt": null}}', "/filter/data/$gt"),
        ('{"data": {"$lte": true}}', "/filter/data/$lte"),
        ('{"data": {"$in": "won"}}', "/filter/data/$in"),
        ('{"data": {"$startsWith": 1}}', "/filter/data/$startsWith"),
        ('{"data": {"$exist": 1}}', "/filter/data/$exist"),
        ('{"$or": []}', "/filter/$or"),
        ('{"$and": {"event": 1}}', "/filter/$and"),
        ('{"$or": [{"event": 1}, {"event": {"$x": 1}}]}', "/filter/$or/1/event/$x"),
        ('{"data": {"a": "\\ud800"}}', "/filter"),
        ('{"data": {"$eq": ' + "[" * 9 + "]" * 9 + "}}", "/filter/data/$eq"),
        ('{"data":' * 9 + "1" + "}" * 9, "/filter" + "/data" * 8),
        ("[" * 100_000, "/filter"),
        (json.dumps({"data": {"$in": ["x" * 5_000]}}), "/filter"),
        (json.dumps({"$or": [{"event": "a"}] * 33}), "/filter/$or/32/event"),
    ],
)
def test_what_is_no_filter_is_refused_at_its_place(text, pointer):
    with pytest.raises(Invalid) as refusal:
        check_filter(text)
    (error,) = refusal.value.errors
    assert error.pointer == pointer
    assert error.message.endswith((".", "?"))


def test_a_wrong_operator_is_answered_with_the_nearest():
    with pytest.raises(Invalid, match=r"Did you mean \$startsWith"):
        check_filter('{"event": {"$startswith": "x"}}')


def test_the_largest_filters_are_taken_and_white_space_does_not_count():
    assert check_filter(json.dumps({"$or": [{"event": "a"}] * 32}))
    assert check_filter('{"data":' * 8 + "1" + "}" * 8)
    assert check_filter('{ "data" : {"a b" : " \\" " , "n": 1.0e2 } }' + " " * 9_000) == (
        '{"data":{"a b":" \\" ","n":1.0e2}}'
    )


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("9007199254740992", "9007199254740993"),
        ("9007199254740992.9", "9007199254740993"),
        ("-1e400", "-1e399"),
        ("1e-400", "1e-399"),
        ("0", "1e-100000"),
        ("-1e-9", "0"),
        ("999999999999999999", "1e18"),
        ("1", "1.00000000000000000000000000000000001"),
        ("1e99999999999999999999", "1e100000000000000000000"),
    ],
)
def test_numbers_are_ordered_exactly(less, more):
    assert compare(parse(less), parse(more)) == -1
    assert compare(parse(more), parse(less)) == 1
    assert not equal(parse(less), parse(more))


@pytest.mark.parametrize(
    "same",
    [
        ["1", "1.0", "10e-1", "0.1e1", "1E+0", "1.000"],
        ["0", "-0", "0.0", "-0e5", "0e999"],
        ["1e20", "100000000000000000000", "1000e17"],
        ["1" * 5_000, "1" * 5_000 + ".0"],
        ["-12.5", "-1.25e1", "-125e-1"],
    ],
    ids=lambda same: same[0][:20],
)
def test_a_number_is_the_same_however_it_is_written(same):
    for one in same:
        for other in same:
            assert equal(parse(one), parse(other))


def test_true_and_false_are_no_numbers():
    assert not equal(True, 1)
    assert not equal(0, False)
    assert not matches('{"data": {"n": {"$lte": 1}}}', payload('{"n": true}'))


# --- the slow reference ---------------------------------------------------------------------------

GONE = object()


def same(one, other) -> bool:
    if isinstance(one, bool) or isinstance(other, bool) or type(one) is not type(other):
        return one is other
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return set(one) == set(other) and all(same(one[key], other[key]) for key in one)
    return one == other


def meets(condition, value) -> bool:  # noqa: C901, PLR0912  read it as the grammar
    """Read a filter word by word, with fractions for numbers."""
    if not isinstance(condition, dict):
        return same(condition, value)
    for name, operand in condition.items():
        comparable = type(operand) is type(value) and isinstance(value, str | Fraction)
        match name:
            case "$eq":
                met = same(operand, value)
            case "$ne":
                met = not same(operand, value)
            case "$gt":
                met = comparable and value > operand
            case "$gte":
                met = comparable and value >= operand
            case "$lt":
                met = comparable and value < operand
            case "$lte":
                met = comparable and value <= operand
            case "$in":
                met = any(same(one, value) for one in operand)
            case "$nin":
                met = not any(same(one, value) for one in operand)
            case "$startsWith":
                met = isinstance(value, str) and value[: len(operand)] == operand
            case "$endsWith":
                met = isinstance(value, str) and value[len(value) - len(operand) :] == operand
                met = met and len(value) >= len(operand)
            case "$contains" if isinstance(value, list):
                met = any(same(operand, one) for one in value)
            case "$contains":
                met = isinstance(value, str) and isinstance(operand, str) and operand in value
            case "$exist":
                met = operand == (value is not GONE)
            case "$or":
                met = any(meets(one, value) for one in operand)
            case "$and":
                met = all(meets(one, value) for one in operand)
            case "$not":
                met = not meets(operand, value)
            case _:
                met = meets(operand, value.get(name, GONE) if isinstance(value, dict) else GONE)
        if not met:
            return False
    return True


def by_reference(text: str, body: bytes) -> bool:
    def read(source):
        return json.loads(source, parse_int=Fraction, parse_float=Fraction)

    return meets(read(text), read(body))


NUMBERS = st.one_of(
    st.sampled_from(
        ["0", "-0", "1", "1.0", "10e-1", "2", "-1.5", "1e30", "1e-30", "9007199254740993"]
    ),
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
)
TEXTS = st.sampled_from(["", "a", "b", "ab", "won", "é", "e\u0301", "1", "wo"]).map(
    lambda text: json.dumps(text, ensure_ascii=False)
)
NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(NUMBERS, TEXTS, st.sampled_from(["true", "false", "null"]))


def list_of(inner):
    return st.lists(inner, max_size=3).map(lambda ones: f"[{','.join(ones)}]")


def object_of(names, inner, **sizes):
    return st.dictionaries(names, inner, max_size=3, **sizes).map(
        lambda members: (
            "{" + ",".join(f"{json.dumps(key)}:{one}" for key, one in members.items()) + "}"
        )
    )


VALUES = st.recursive(SCALARS, lambda inner: list_of(inner) | object_of(NAMES, inner), max_leaves=6)


def conditions_of(inner):
    def operator(name, operand):
        return operand.map(lambda text: f'{{"{name}":{text}}}')

    return st.one_of(
        object_of(NAMES, inner, min_size=1),
        *(operator(name, VALUES) for name in ("$eq", "$ne", "$contains")),
        *(operator(name, NUMBERS | TEXTS) for name in ("$gt", "$gte", "$lt", "$lte")),
        *(operator(name, list_of(VALUES)) for name in ("$in", "$nin")),
        *(operator(name, TEXTS) for name in ("$startsWith", "$endsWith")),
        operator("$exist", st.sampled_from(["true", "false"])),
        *(
            operator(
                name,
                st.lists(inner, min_size=1, max_size=3).map(lambda ones: f"[{','.join(ones)}]"),
            )
            for name in ("$or", "$and")
        ),
        operator("$not", inner),
    )


CONDITIONS = st.recursive(SCALARS | list_of(SCALARS), conditions_of, max_leaves=5)


@settings(max_examples=examples(500), deadline=None)
@given(CONDITIONS, object_of(NAMES, VALUES))
def test_a_filter_says_what_the_slow_reference_says(condition, data):
    text = f'{{"data":{condition}}}'
    try:
        stored = check_filter(text)
    except Invalid as refusal:
        assume("levels deep" not in refusal.detail and "more than 32" not in refusal.detail)
        raise
    body = payload(data)
    expected = by_reference(text, body)
    assert judge_of(stored)(parse_payload(body)) is expected
    assert by_reference(stored, body) is expected
