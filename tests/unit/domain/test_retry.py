"""When to retry: the schedule, its jitter, and all forms of Retry-After."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.retry import (
    LONG,
    LONG_SCHEDULE,
    STANDARD,
    longest_span,
    parse_retry_after,
    retry_delay,
    waits_of,
)
from winnerr_webhooks.ids import Jitter

NOW = 1_736_951_000_000  # 2025-01-15T14:23:20Z, a Wednesday
SCHEDULE = (60.0, 600.0, 6000.0)


def test_each_retry_waits_as_scheduled_within_a_fifth():
    jitter = Jitter(1)
    for used, seconds in enumerate(SCHEDULE):
        waits = [retry_delay(SCHEDULE, used, jitter) for _ in range(500)]
        assert min(waits) >= seconds * 0.8
        assert max(waits) <= seconds * 1.2
        assert max(waits) - min(waits) > seconds * 0.3, "it spreads"


def test_a_webhook_has_the_standard_schedule_the_long_one_or_its_own():
    assert waits_of(STANDARD, SCHEDULE) == SCHEDULE
    assert waits_of(LONG, SCHEDULE) == LONG_SCHEDULE
    assert waits_of((5.0,), SCHEDULE) == (5.0,)
    assert waits_of((), SCHEDULE) == ()


def test_the_long_schedule_has_8_retries_over_about_3_days():
    assert len(LONG_SCHEDULE) == 8
    assert 2.9 < sum(LONG_SCHEDULE) / 86_400 < 3.1
    assert longest_span(LONG_SCHEDULE) == pytest.approx(1.2 * sum(LONG_SCHEDULE))


@pytest.mark.parametrize(("schedule", "used"), [(SCHEDULE, 3), (SCHEDULE, 9), ((), 0)])
def test_there_is_no_retry_after_the_end_of_the_schedule(schedule, used):
    assert retry_delay(schedule, used, Jitter(1)) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1),
        ("120", 120),
        (" 5 ", 5),
        ("00005", 5),
        ("1.5", 1.5),
        ("3600", 3600),
        ("3601", 3600),
        ("9" * 64, 3600),
        ("Wed, 15 Jan 2025 14:30:00 GMT", 400),
        ("Wednesday, 15-Jan-25 14:30:00 GMT", 400),
        ("Wed Jan 15 14:30:00 2025", 400),
        ("Sat Jan  1 00:00:00 2028", 3600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
    ],
)
def test_seconds_and_each_form_of_date_are_understood_up_to_an_hour(value, seconds):
    assert parse_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        *["", " ", "0", "0.0", "-1", "-0", "+5", "NaN", "inf", "-inf", "Infinity", "1e3", "0x10"],
        *["1.", ".5", "1 2", "5, 5", "1_0", "soon", "٣", "１２", "9" * 65],  # noqa: RUF001
        "Wed, 15 Jan 2025 14:23:20 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Wed, 99 Jan 2025 14:30:00 GMT",
        "Wed, 15 Jan 0000 14:30:00 GMT",
        "Wed, 15 Foo 2025 14:30:00 GMT",
        "2025-01-15T14:30:00Z",
        "Wed, 15 Jan 2025 99:99:99 GMT",
        "Wed, 15 Jan 2025 14:30:00 GMT" + " x" * 40,
    ],
)
def test_other_values_and_past_times_are_ignored(value):
    assert parse_retry_after(value, NOW) is None


PARTS = st.sampled_from(
    ["Wed", ",", " ", "15", "-", "Jan", "2025", "25", "14:30:00", ":", "GMT", "+9999", "-0000", "."]
)


@given(st.text() | st.from_regex(r"\A[-+]?\d+(\.\d+)?\Z") | st.lists(PARTS).map("".join))
def test_any_header_value_gives_no_wait_or_one_of_at_most_an_hour(value):
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0 < seconds <= 3600
