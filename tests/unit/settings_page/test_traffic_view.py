"""The charts of a webhook's traffic: exact counts, a scaled sample, and percentiles."""

import re

import pytest

from winnerr_webhooks.domain.duration_classes import duration_class
from winnerr_webhooks.settings_page import charts
from winnerr_webhooks.settings_page.traffic_view import (
    SAMPLE,
    WINDOWS,
    make_view,
    traffic_query,
    window_named,
)
from winnerr_webhooks.storage.traffic_port import SampledAttempt, Traffic, TrafficCount

NOW = 1_800_000_000_000
WINDOW = window_named("1h")
QUERY = traffic_query("org_1", "wh_1", WINDOW, NOW)


def view_of(counts=(), sample=()):
    return make_view(WINDOW, QUERY, Traffic(counts=list(counts), sample=list(sample)))


def attempt(bar, status, event="deal.created"):
    at = QUERY.since + bar * WINDOW.step_ms
    return SampledAttempt(at, event, "succeeded" if status == 200 else "failed", status)


def values(series):
    return {str(one.name): one.values for one in series}


def totals(series):
    return {str(one.name): one.total for one in series}


@pytest.mark.parametrize("window", WINDOWS, ids=[one.name for one in WINDOWS])
def test_a_window_ends_with_the_bar_of_now_and_begins_at_five_minutes(window):
    query = traffic_query("org_1", "wh_1", window, NOW)
    assert query.since % 300_000 == 0
    assert query.step_ms % 300_000 == 0
    assert query.until - query.step_ms <= NOW < query.until
    assert query.sampled * query.intervals <= SAMPLE


def test_outcomes_are_exact():
    view = view_of([TrafficCount(0, 3, 5, 1), TrafficCount(0, 9, 2, 0), TrafficCount(11, 3, 0, 4)])
    found = values(view.outcomes)
    assert found["delivered"][0] == 7
    assert (found["failed"][0], found["failed"][11]) == (1, 4)
    assert view.total == 12


def test_a_sample_without_gaps_is_no_estimate():
    view = view_of([TrafficCount(2, 3, 1, 2)], [attempt(2, 200), attempt(2, 503), attempt(2, None)])
    assert not view.is_estimate
    assert totals(view.statuses) == {"2xx": 1, "5xx": 1, "no answer": 1}


def test_each_bar_of_a_sample_is_scaled_to_its_own_number_of_attempts():
    sample = [attempt(0, 200), attempt(0, 503), attempt(1, 200, "call.missed")]
    view = view_of([TrafficCount(0, 3, 50, 50), TrafficCount(1, 3, 10, 0)], sample)
    assert view.is_estimate
    assert view.sampled == 3
    assert values(view.statuses)["2xx"][:2] == [50, 10]
    assert values(view.statuses)["5xx"][:2] == [50, 0]
    assert totals(view.events) == {"deal.created": 100, "call.missed": 10}


def test_attempts_that_left_the_log_are_named_as_such():
    view = view_of([TrafficCount(0, 3, 4, 0)])
    assert totals(view.statuses) == totals(view.events) == {"no longer in the log": 4}


def test_event_types_beyond_five_are_one_colour():
    sample = [attempt(0, 200, f"type.{number}") for number in range(8) for _ in range(number + 1)]
    view = view_of([TrafficCount(0, 3, 36, 0)], sample)
    assert list(totals(view.events)) == [*(f"type.{n}" for n in (7, 6, 5, 4, 3)), "other events"]
    assert totals(view.events)["other events"] == 6
    assert len({one.kind for one in view.events}) == 6


def test_an_odd_status_is_counted_too():
    view = view_of([TrafficCount(0, 3, 0, 1)], [attempt(0, 799)])
    assert totals(view.statuses) == {"other": 1}


def test_percentiles_are_those_of_the_durations():
    fast, slow = duration_class(10), duration_class(3_000)
    view = view_of([TrafficCount(0, fast, 90, 0), TrafficCount(3, slow, 0, 10)])
    p50, p95, p99 = view.percentiles
    assert p50 == pytest.approx(10, rel=0.13)
    assert p95 == p99 == pytest.approx(3_000, rel=0.13)
    assert view.latencies[0][0] == pytest.approx(10, rel=0.13)
    assert view.latencies[0][3] == pytest.approx(3_000, rel=0.13)
    assert view.latencies[0][1] is None


def test_without_attempts_there_is_nothing_to_name():
    view = view_of()
    assert (view.total, view.statuses, view.events) == (0, [], [])
    assert view.percentiles == [None, None, None]


def heights(svg, kind):
    (path,) = re.findall(rf'<path class="{kind}" d="([^"]+)"', svg)
    return [float(one) for one in re.findall(r"v([\d.]+)", path)]


def test_the_highest_bar_fills_a_stacked_chart_and_the_smallest_part_is_visible():
    svg = charts.stacked([[1_000, 10, 0], [1, 0, 0]], ["ok", "bad"], label="<By outcome>")
    assert heights(svg, "series-ok")[0] + heights(svg, "series-bad")[0] == pytest.approx(
        96, abs=0.2
    )
    assert heights(svg, "series-bad")[0] > 1
    assert heights(svg, "series-ok")[1] == pytest.approx(1.5)
    assert len(heights(svg, "none")) == 1
    assert 'aria-label="&lt;By outcome&gt;"' in svg


def test_a_line_is_interrupted_where_there_is_nothing_and_one_value_alone_is_seen():
    svg = charts.lines([[10, 100, None, 1_000], [None] * 4], ["1", "2"], label="Time")
    runs = re.findall(r'class="line-1" points="([^"]+)"', svg)
    assert [len(run.split()) for run in runs] == [2, 2]
    assert "line-2" not in svg
    assert charts.lines([[]], ["1"], label="Time").startswith("<svg")
