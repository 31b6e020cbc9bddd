"""The JSON of an event is kept token by token, or refused with the place of its mistake."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.event_texts import event, nested, refusal, take, take_batch

from winnerr_webhooks.domain.errors import Invalid, Malformed, Refused
from winnerr_webhooks.domain.event_errors import MAX_DEPTH


@pytest.mark.parametrize(
    "data",
    [
        '{"a":1.10,"b":1E400,"c":12345678901234567890123,"d":-0,"e":-0.0,"f":1e+5}',
        r'{"a":"\u00e9\/é\ud83d\ude00","\u0062":"\"\\\b\f\n\r\t"}',
        '{"z":1,"a":2,"z":3}',
        '{"a":"  two  spaces  ","b c":[]}',
        r'{"a":"\u0000","\u0000":1}',
        '{"a":"\x7f\u2028\ufeff😀"}',
        '{"a":[true,false,null,[],{}]}',
    ],
)
def test_data_is_kept_exactly_as_sent(data):
    assert take(event(data)).data.decode() == data


def test_only_white_space_between_tokens_is_dropped():
    data = ' {\t"b" :\r\n [ 1.0 , "x  y" , { } ] ,\n "a":[\n]} '
    assert take(event(data)).data == b'{"b":[1.0,"x  y",{}],"a":[]}'


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "{",
        "{}x",
        "{'event':1}",
        event("{"),
        event("{}}"),
        *[
            event(f'{{"a":{value}}}')
            for value in ("NaN", "Infinity", "-Infinity", "01", "1.", ".5")
        ],
        *[event(f'{{"a":{value}}}') for value in ("+1", "1e", "-", "tru", "1,", "[1,]", "/**/1")],
        event('{"a":"\n"}'),
        event('{"a":"\0"}'),
        event(r'{"a":"\x"}'),
        event(r'{"a":"\u12"}'),
        event(r'{"a":"\ud800","b":NaN}'),
    ],
)
def test_a_body_that_is_not_json_is_malformed(raw):
    with pytest.raises(Malformed, match="not JSON"):
        take(raw)


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_byte_order_mark_is_named(codec):
    mark = "\ufeff" if codec == "utf-16-be" else ""
    for raw in (event(), f"[{event()}]"):
        with pytest.raises(Malformed, match=r"byte order mark \(BOM"):
            take_batch((mark + raw).encode(codec)) if raw[0] == "[" else take(
                (mark + raw).encode(codec)
            )


@pytest.mark.parametrize(
    ("again", "pointer"),
    [
        ('"event":"contact.created"', "/event"),
        ('"event":"contact.updated"', "/event"),
        (r'"\u0065vent":"contact.created"', "/event"),
        ('"organizationId":"org_2"', "/organizationId"),
        ('"data":{}', "/data"),
        ('"data":{"data":{}}', "/data"),
        (r'"d\u0061ta":{"a":1}', "/data"),
        ('"id":"sixteen99"', "/id"),
        ('"id":null', "/id"),
        ('"timestamp":null', "/timestamp"),
        ('"timestamp":"2025-01-15T14:23:00Z"', "/timestamp"),
    ],
)
@pytest.mark.parametrize("gap", ["", " ", "\n    "])
def test_a_field_given_twice_is_refused_by_name(again, pointer, gap):
    whole = event('{"id":1,"data":{}}', id="a", timestamp="2025-01-15T14:23:00Z")
    for raw in (f"{{{again},{gap}{whole[1:]}", f"{whole[:-1]},{gap}{again}}}"):
        assert refusal(raw) == {pointer: f"`{pointer[1:]}` is given more than once."}
        (judged,) = take_batch(f"[{raw}]")
        assert isinstance(judged, Invalid)


@pytest.mark.parametrize(
    "raw",
    [
        event('{"event":1,"event":2,"data":{"data":{}},"id":null}', id=None, timestamp=None),
        event('{"id":null}', id=None, timestamp="2025-01-15T14:23:00Z"),
        event("{}", id='"event":\\ /'),
        event("{}", id="a").replace("contact.created", r"contact\u002ecreated"),
        json.dumps(json.loads(event('{"a":"b"}', id="a")), indent=4),
        '{"data":{"data":{}},"event":"contact.created","organizationId":"org_1","id":null}',
    ],
)
def test_an_event_with_each_field_once_is_accepted_however_it_is_formatted(raw):
    assert take(raw).name == "contact.created"


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
def test_a_body_that_is_not_utf8_is_malformed(bad):
    with pytest.raises(Malformed, match="not UTF-8: byte"):
        take(event('{"a":"?"}').encode().replace(b"?", bad))


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (event(r'{"a":"\ud800"}'), "/data/a"),
        (event(r'{"a":"x\udfffy"}'), "/data/a"),
        (event(r'{"a":"\ud800\u0041"}'), "/data/a"),
        (event(r'{"a":"\udc00\ud800"}'), "/data/a"),
        (event(r'{"a":[0,{"b/~":"\ud800"}]}'), "/data/a/1/b~1~0"),
        (event(r'{"a":{"\udc00":1}}'), "/data/a"),
        (event(r'{"a":"\ud800","a":1}'), "/data/a"),
        (event(r'{"a":"\ud800","n":' + "9" * 5_000 + "}"), "/data/a"),
        (event(r'{"a":"\ud800","b":"\ud800"}'), "/data/a"),
        (event(event="\ud800"), "/event"),
        (event(organizationId="o\udfff"), "/organizationId"),
        (event(timestamp="\ud800"), "/timestamp"),
        (event(id="\ud800"), "/id"),
        (event(**{"\ud800": 1}), ""),
        (event(extra="\ud800"), "/extra"),
    ],
)
def test_a_lone_surrogate_is_refused_with_a_pointer_to_it(raw, pointer):
    errors = refusal(raw)
    assert list(errors) == [pointer]
    assert "lone surrogate" in errors[pointer]


def test_data_may_be_64_levels_deep_but_not_65():
    assert take(event(nested(MAX_DEPTH))).data.decode() == nested(MAX_DEPTH)
    assert "64 levels" in refusal(event(nested(MAX_DEPTH + 1)))["/data"]


def test_arrays_count_as_levels_too():
    def arrays(n):
        return event('{"a":' + "[" * n + "]" * n + "}")

    assert take(arrays(63))
    assert "64 levels" in refusal(arrays(64))["/data"]


@pytest.mark.parametrize("levels", [900, 1_000, 1_100, 5_000, 40_000])
def test_extremely_deep_data_is_refused_like_deep_data(levels):
    assert "64 levels" in refusal(event(nested(levels)))["/data"]


def test_a_lone_surrogate_in_deep_data_is_refused_for_the_depth():
    data = '{"a":' + "[" * 1_200 + r'"\ud800"' + "]" * 1_200 + "}"
    with pytest.raises(Invalid):
        take(event(data))


@pytest.mark.parametrize(
    "data",
    ['{"a":"' + "[{" * 500 + '"}', r'{"a":"\"' + "{" * 500 + r'\\"}', '{"' + "[" * 500 + '":1}'],
)
def test_brackets_inside_strings_do_not_count_as_levels(data):
    assert take(event(data)).data.decode() == data


def test_many_brackets_side_by_side_are_not_deep():
    assert take(event('{"a":[' + ",".join(["[[{}]]"] * 500) + "]}"))


def depth(value):
    """Count the levels recursively."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


BRACKETED = st.text(alphabet='ab[]{}"\\,: é', max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | BRACKETED,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(BRACKETED, inner, max_size=4),
    max_leaves=30,
)


@given(JSON, st.integers(0, MAX_DEPTH + 3), st.integers(0, 40))
def test_the_depth_equals_that_of_a_recursive_count(value, wraps, beside):
    for _ in range(wraps):
        value = [value]
    data = {"a": value, "b": [[]] * beside}
    raw = event(json.dumps(data))
    if depth(data) <= MAX_DEPTH:
        assert json.loads(take(raw).data) == data
    else:
        assert list(refusal(raw)) == ["/data"]


WHITE = st.lists(st.sampled_from(["", " ", "\n", "\t ", "\r\n"]), min_size=5, max_size=5)


@given(st.dictionaries(BRACKETED, JSON, max_size=4), WHITE, st.booleans())
def test_compaction_keeps_every_token(data, white, ascii_only):
    tokens = re.findall(
        r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', json.dumps(data, ensure_ascii=ascii_only)
    )
    spaced = "".join(token + white[n % 5] for n, token in enumerate(tokens))
    compact = take(event(spaced)).data.decode()
    assert compact == "".join(tokens)
    exactly = {"parse_float": str, "parse_int": str, "object_pairs_hook": list}
    assert json.loads(compact, **exactly) == json.loads(spaced, **exactly)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "replace")))
def test_any_body_is_accepted_or_refused_without_a_crash(noise):
    for raw in (noise, event("?").encode().replace(b"?", noise)):
        try:
            taken = take(raw)
        except Refused:
            continue
        assert isinstance(json.loads(taken.data), dict)
