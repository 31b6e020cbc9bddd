"""RFC 3339 timestamps are converted to UTC in whole seconds; everything else is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.timestamp import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-15T14:23:00Z", "2025-01-15T14:23:00Z"),
        ("2025-01-15t14:23:00z", "2025-01-15T14:23:00Z"),
        ("2025-01-15 14:23:00Z", "2025-01-15T14:23:00Z"),
        ("2025-01-15T14:23:59.999999999999Z", "2025-01-15T14:23:59Z"),
        ("2025-01-15T14:23:00.1+00:00", "2025-01-15T14:23:00Z"),
        ("2025-01-15T14:23:00+05:30", "2025-01-15T08:53:00Z"),
        ("2025-01-15T14:23:00-23:59", "2025-01-16T14:22:00Z"),
        ("2025-01-15T14:23:00-00:00", "2025-01-15T14:23:00Z"),
        ("2024-02-29T23:30:00-01:00", "2024-03-01T00:30:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("2016-12-31T23:59:60.9Z", "2016-12-31T23:59:59Z"),
        ("2017-01-01T05:29:60+05:30", "2016-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("0099-06-01T00:00:00+01:00", "0099-05-31T23:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_date_time_becomes_whole_seconds_in_utc(text, expected):
    assert normalise(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1736951000",
        "2025-01-15",
        "2025-01-15T14:23Z",
        "2025-01-15T14:23:00",
        "2025-01-15T14:23:00+0530",
        "2025-01-15T14:23:00+05",
        "2025-01-15T14:23:00+24:00",
        "2025-01-15T14:23:00+05:60",
        "2025-01-15T14:23:00.Z",
        "2025-01-15T14:23:00,5Z",
        "2025-01-15T24:00:00Z",
        "2025-01-15T14:60:00Z",
        "2025-01-15T14:23:60Z",
        "2025-01-15T14:23:61Z",
        "2025-01-15T23:59:60+05:30",
        "2025-02-29T00:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-00-10T00:00:00Z",
        "2025-W03-3T14:23:00Z",
        "20250115T142300Z",
        " 2025-01-15T14:23:00Z",
        "2025-01-15T14:23:00Z\n",
        "٢٠٢٥-01-15T14:23:00Z",
        "2025-01-15T14:23:00−05:00",  # noqa: RUF001  a minus sign is no hyphen
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60-00:01",
        "12025-01-15T14:23:00Z",
    ],
)
def test_everything_else_is_refused(text):
    assert normalise(text) is None


OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=OFFSETS))  # noqa: DTZ001
def test_any_time_with_any_offset_is_converted_to_the_same_instant(moment):
    text = normalise(moment.isoformat())
    assert text is not None
    assert len(text) == 20
    assert datetime.fromisoformat(text) == moment.astimezone(UTC).replace(microsecond=0)
    assert normalise(text) == text


@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[Z+-]\d{0,2}:?\d{0,2}"))
def test_any_text_is_parsed_without_an_exception_and_results_are_stable(text):
    once = normalise(text)
    assert once is None or normalise(once) == once
