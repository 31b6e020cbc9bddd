"""How each query parameter is read."""

import pytest

from winnerr_webhooks.api.query_parameters import QueryParameters, read_timestamp
from winnerr_webhooks.domain.errors import Invalid

KNOWN = ("status", "since", "limit", "q")


@pytest.mark.parametrize(
    ("text", "span"),
    [("503", (503, 503)), ("5xx", (500, 599)), ("2XX", (200, 299)), ("999", (999, 999))],
)
def test_a_status_or_a_class_becomes_a_range(text, span):
    assert QueryParameters(f"status={text}".encode(), KNOWN).status_range() == span


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2025-01-15T14:23:00.1239Z", 1736950980123),
        ("2025-01-15T15:23:00+01:00", 1736950980000),
        ("0001-01-01T00:00:00+14:00", -62135647200000),
        ("9999-12-31T23:59:59.999-14:00", 253402351199999),
    ],
)
def test_a_time_becomes_milliseconds_whatever_its_offset(text, ms):
    assert read_timestamp("/since", text) == ms


@pytest.mark.parametrize(
    "text", ["", "now", "2025-01-15", "2025-01-15T14:23:00", "1736950980", "2025-02-30T00:00:00Z"]
)
def test_what_is_not_a_time_is_refused(text):
    with pytest.raises(Invalid):
        read_timestamp("/since", text)


def test_an_empty_parameter_counts_as_left_out():
    query = QueryParameters(b"status=&since=&limit=&q=", KNOWN)
    assert (query.status_range(), query.timestamp("since"), query.limit(), query.search()) == (
        None, None, 50, None,
    )  # fmt: skip


def test_text_is_percent_decoded_as_utf_8():
    assert QueryParameters("q=caf%C3%A9+é".encode(), KNOWN).search() == "café é"
