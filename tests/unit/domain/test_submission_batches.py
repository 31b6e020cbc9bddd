"""A batch of events: arrays and lines, and an answer for each event by itself."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.event_texts import event, filled, nested, take_batch

from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import Invalid, Malformed, Refused, TooLarge
from winnerr_webhooks.domain.submission import (
    MAX_BATCH,
    MAX_EVENT,
    Submission,
    _elements,
)

NDJSON = "application/x-ndjson"


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
