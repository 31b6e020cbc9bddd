"""Events are accepted byte for byte, or refused with an error for every wrong field."""

import json
import re
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import Invalid, Malformed, Refused, TooLarge
from winnerr_webhooks.domain.event_errors import MAX_DEPTH
from winnerr_webhooks.domain.submission import (
    MAX_BATCH,
    MAX_EVENT,
    Submission,
    _elements,
    read,
    read_batch,
    split_batch,
)

NOW = 1_736_951_000_123
NDJSON = "application/x-ndjson"


def take(raw, key=None):
    raw = raw.encode() if isinstance(raw, str) else raw
    return read(raw, catalog=CATALOG, now_ms=NOW, idempotency_key=key)


def take_batch(raw, content_type="application/json"):
    raw = raw.encode() if isinstance(raw, str) else raw
    return list(read_batch(split_batch(raw, content_type), catalog=CATALOG, now_ms=NOW))


def event(data="{}", **fields):
    """Return an event as JSON; `data` is JSON, the other fields are values."""
    rest = {"event": "contact.created", "organizationId": "org_1"} | fields
    parts = [f"{json.dumps(k)}:{json.dumps(v)}" for k, v in rest.items() if v is not ...]
    return "{" + ",".join([*parts, f'"data":{data}']) + "}"


def refusal(raw, key=None):
    """Return pointer -> message of every error."""
    with pytest.raises(Invalid) as caught:
        take(raw, key)
    return dict(caught.value.errors)


def nested(levels):
    return '{"a":' * levels + "1" + "}" * levels


def test_a_valid_event_is_accepted():
    raw = event('{"id":"contact_xyz"}', timestamp="2025-01-15T14:23:00Z", id="crm-8841")
    assert take(raw) == Submission(
        "org_1", "contact.created", "2025-01-15T14:23:00Z", b'{"id":"contact_xyz"}', "crm-8841"
    )


@pytest.mark.parametrize("fields", [{}, {"timestamp": None, "id": None}])
def test_missing_and_null_fields_have_defaults(fields):
    taken = take(event(**fields))
    assert taken.timestamp == "2025-01-15T14:23:20Z"
    assert taken.client_id is None


def test_an_event_may_be_a_raw_part_of_another_document():
    raw = msgspec.Raw(event().encode())
    assert read(raw, catalog=CATALOG, now_ms=NOW).data == b"{}"


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
    ("raw", "pointer", "says"),
    [
        (event(event="contact.craeted"), "/event", "Did you mean contact.created"),
        (event(event="zzzzzzzzzzzz"), "/event", "GET /api/v1/event-types"),
        (event(event=""), "/event", "There is no event ''"),
        (event(event=7), "/event", "as a string"),
        (event(event=None), "/event", "as a string"),
        (event(event=...), "/event", "`event` is missing"),
        (event(organizationId=...), "/organizationId", "missing"),
        (event(organizationId=""), "/organizationId", "1 to 64"),
        (event(organizationId="o" * 65), "/organizationId", "1 to 64"),
        (event(organizationId="org 1"), "/organizationId", "A-Z"),
        (event(organizationId="org_1\n"), "/organizationId", "A-Z"),
        (event(organizationId="örg"), "/organizationId", "A-Z"),
        (event(organizationId="org\0"), "/organizationId", "A-Z"),
        (event(organizationId=12), "/organizationId", "string"),
        ('{"event":"contact.created","organizationId":"o"}', "/data", "missing"),
        (event("[]"), "/data", "must be a JSON object"),
        (event("null"), "/data", "must be a JSON object"),
        (event('"{}"'), "/data", "must be a JSON object"),
        (event("12"), "/data", "must be a JSON object"),
        (event(timestamp="yesterday"), "/timestamp", "RFC 3339"),
        (event(timestamp=1736951000), "/timestamp", "RFC 3339"),
        (event(timestamp=""), "/timestamp", "RFC 3339"),
        (event(id=""), "/id", "1 to 255 printable ASCII"),
        (event(id="i" * 300), "/id", "1 to 255 printable ASCII"),
        (event(id="é"), "/id", "1 to 255 printable ASCII"),
        (event(id="a\0b"), "/id", "1 to 255 printable ASCII"),
        (event(id=5), "/id", "string"),
        (event(organisationId="o"), "/organisationId", "Did you mean `organizationId`?"),
        (event(**{"a/b~c": 1}), "/a~1b~0c", "The fields are: event, organizationId, data"),
    ],
)
def test_a_wrong_field_is_named_with_what_to_do(raw, pointer, says):
    errors = refusal(raw)
    assert list(errors) == [pointer]
    assert says in errors[pointer]


def test_every_wrong_field_is_reported_at_once():
    raw = event("3", event=1, organizationId=[], timestamp="x", id={}, datum=1)
    assert sorted(refusal(raw)) == [
        "/data",
        "/datum",
        "/event",
        "/id",
        "/organizationId",
        "/timestamp",
    ]


def test_only_some_of_very_many_unknown_fields_are_listed():
    assert len(refusal(event(**{f"field{n}": n for n in range(5_000)}))) == 20


@pytest.mark.parametrize("raw", ["[]", "null", "1", '"x"'])
def test_an_event_that_is_not_an_object_is_refused(raw):
    assert refusal(raw) == {"": "An event is a JSON object."}


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


def filled(size):
    """Return an event of exactly this many bytes."""
    return event(json.dumps({"a": "x" * (size - len(event('{"a": ""}')))}))


def test_an_event_of_256_kib_is_accepted_and_one_more_byte_is_too_large():
    assert len(filled(MAX_EVENT)) == MAX_EVENT
    assert take(filled(MAX_EVENT))
    with pytest.raises(TooLarge, match="262,144"):
        take(filled(MAX_EVENT + 1))


def test_an_idempotency_key_stands_for_the_id():
    assert take(event(), "key-1").client_id == "key-1"
    assert take(event(id=None), "key-1").client_id == "key-1"
    assert take(event(id="key-1"), "key-1").client_id == "key-1"


def test_an_idempotency_key_and_another_id_are_refused():
    assert "differ" in refusal(event(id="a"), "b")["/id"]


@pytest.mark.parametrize("key", ["", "k" * 256, "é", "a\nb"])
def test_a_bad_idempotency_key_is_refused(key):
    assert "Idempotency-Key" in refusal(event(), key)[""]


def test_ids_and_idempotency_keys_have_at_most_255_characters():
    assert take(event(id="~" * 255)).client_id == "~" * 255
    assert take(event(), " " * 255).client_id == " " * 255


def test_a_batch_is_read_in_order():
    raw = "[" + ",".join(event(id=f"id{n}") for n in range(3)) + "]"
    assert [one.client_id for one in take_batch(raw)] == ["id0", "id1", "id2"]


@pytest.mark.parametrize("content_type", [NDJSON, "Application/X-NDJSON; charset=utf-8"])
def test_lines_may_end_with_lf_or_crlf_and_empty_ones_are_skipped(content_type):
    raw = f"\n{event(id='a')}\r\n\r\n   \n  {event(id='b')}  \n\n{event(id='c')}"
    assert [one.client_id for one in take_batch(raw, content_type)] == ["a", "b", "c"]


def test_a_content_type_may_come_as_bytes():
    assert len(take_batch(event(), NDJSON.encode())) == 1


def test_a_malformed_line_is_refused_alone():
    first, second, third, fourth = take_batch(f"{event()}\nnonsense\n{event('[]')}\n\xff", NDJSON)
    assert isinstance(first, Submission)
    assert isinstance(second, Malformed)
    assert isinstance(third, Invalid)
    assert isinstance(fourth, Malformed)


def test_a_line_that_is_not_utf8_is_refused_alone():
    bad, good = take_batch(b"\xff\n" + event().encode(), NDJSON)
    assert isinstance(bad, Malformed)
    assert isinstance(good, Submission)


@pytest.mark.parametrize(
    ("bad", "pointer"),
    [
        (event("[]"), "/data"),
        ("7", ""),
        (event(r'{"a":["],","\ud800"]}'), "/data/a/1"),
        (event(nested(65)), "/data"),
        (event(nested(5_000)), "/data"),
    ],
    ids=["no object", "no event", "surrogate", "deep", "very deep"],
)
def test_a_wrong_element_of_an_array_is_refused_alone(bad, pointer):
    good = event(r'{"a":"],[\",{"}')
    first, second, third = take_batch(f" [ {good} , {bad} ,\n{good} ] ")
    assert isinstance(second, Invalid)
    assert [error.pointer for error in second.errors] == [pointer]
    assert isinstance(first, Submission)
    assert first == third


def test_an_event_of_a_batch_that_is_too_large_is_refused_alone():
    good, bad = take_batch(f"[{event()},{filled(MAX_EVENT + 1)}]")
    assert isinstance(good, Submission)
    assert isinstance(bad, TooLarge)


@pytest.mark.parametrize("raw", ["[", "[1", "[]]", "", f"[{event()},]", "[NaN]", "[" * 5_000 + "1"])
def test_an_array_that_is_not_json_is_refused_as_a_whole(raw):
    with pytest.raises((Malformed, Invalid)):
        take_batch(raw)


def test_an_array_that_is_not_utf8_is_refused_as_a_whole():
    with pytest.raises(Malformed, match="UTF-8"):
        take_batch(b'["\xff"]')


@pytest.mark.parametrize("raw", [event(), "1", "null", nested(5_000)])
def test_a_batch_that_is_not_an_array_is_refused_with_the_expected_form(raw):
    with pytest.raises(Invalid, match="NDJSON"):
        take_batch(raw)


@pytest.mark.parametrize(("raw", "type_"), [("[]", ""), ("", NDJSON), ("\n \r\n", NDJSON)])
def test_an_empty_batch_is_refused(raw, type_):
    with pytest.raises(Invalid, match="empty"):
        take_batch(raw, type_)


@pytest.mark.parametrize(("opened", "comma", "closed", "type_"), ["[,]a", ("", "\n", "", NDJSON)])
def test_a_batch_of_1000_events_is_accepted_and_one_more_is_too_large(opened, comma, closed, type_):
    def batch(n):
        return take_batch(opened + comma.join([event()] * n) + closed, type_)

    assert len(batch(1_000)) == 1_000
    with pytest.raises(TooLarge, match="1,000"):
        batch(1_001)


def test_a_deep_batch_of_too_many_is_too_large_as_well():
    with pytest.raises(TooLarge, match="1,000"):
        take_batch("[" + ",".join([event(nested(3_000))] + [event()] * 1_001) + "]")


def test_a_batch_of_8_mib_is_accepted_and_one_more_byte_is_too_large():
    raw = f"[{event()}]"
    assert len(take_batch(raw + " " * (MAX_BATCH - len(raw)))) == 1
    with pytest.raises(TooLarge, match="8,388,608"):
        take_batch(raw + " " * (MAX_BATCH - len(raw) + 1))


def test_names_are_suggested_for_the_first_wrong_events_of_a_batch_and_looked_up_once(monkeypatch):
    asked = []
    nearest = CATALOG.nearest
    monkeypatch.setattr(CATALOG, "nearest", lambda name: asked.append(name) or nearest(name))
    wrong = [f"contact.created{n // 2}" for n in range(100)]
    results = take_batch("[" + ",".join(event(event=name) for name in wrong) + "]")
    assert len(asked) == len(set(asked)) == 20
    assert "contact.created?" in results[1].detail
    assert "GET /api/v1/event-types" in results[-1].detail


SURROGATES = st.text(alphabet='a"\\,[]{}\ud800\udfff\U0001f600', max_size=6)


@given(
    st.lists(st.lists(SURROGATES, max_size=3) | SURROGATES, min_size=1, max_size=6),
    st.sampled_from(["", " ", "\r\n\t"]),
)
def test_elements_around_a_lone_surrogate_keep_their_positions(values, white):
    elements = [json.dumps(value).encode() for value in values]
    around = white.encode()
    comma = around + b"," + around
    raw = around + b"[" + around + comma.join(elements) + around + b"]" + around
    assert _elements(raw) == elements


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * MAX_BATCH,
        b"[" * 1_200 + b'"' + rb"\"" * 4_000_000,
        b"[" * 1_200 + b"," * 8_000_000,
        rb'[["\ud800"' + b",1" * 4_000_000 + b"]]",
        rb'["\ud800' + rb"\\" * 4_000_000 + b'"]',
        b"[" + b"1," * 4_000_000 + b"x]",
    ],
    ids=["brackets", "open string", "commas", "numbers", "backslashes", "malformed at the end"],
)
def test_every_batch_is_refused_quickly(raw):
    before = time.process_time()
    try:
        results = take_batch(raw)
    except Refused as refused:
        results = [refused]
    assert [type(result) for result in results] != [Submission]
    assert time.process_time() - before < 1, "everybody else waits meanwhile"
