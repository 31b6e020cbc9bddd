"""Metrics: what is counted, and how Prometheus reads it."""

import platform

import pytest
from prometheus_client.parser import text_string_to_metric_families

from winnerr_webhooks import __version__
from winnerr_webhooks.metrics import Metrics


def samples(metrics):
    return {
        (sample.name.removeprefix("winnerr_webhooks_"), *sorted(sample.labels.values())): (
            sample.value
        )
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_counts_are_rendered():
    metrics = Metrics()
    metrics.event_accepted()
    metrics.event_accepted(10)
    metrics.event_repeated()
    for status in (422, 422, 503):
        metrics.event_refused(status)
    metrics.attempts_made([0.02, 10.0], ["timeout"])
    metrics.attempts_made([10.0, 99.0], ["timeout", "status"])
    shown = samples(metrics)
    assert shown["events_accepted_total",] == 11
    assert shown["events_repeated_total",] == 1
    assert shown["events_refused_total", "422"] == 2
    assert shown["events_refused_total", "503"] == 1
    assert shown["attempts_total", "", "succeeded"] == 1
    assert shown["attempts_total", "failed", "timeout"] == 2
    assert shown["attempts_total", "failed", "status"] == 1
    assert shown["attempt_duration_seconds_count",] == 4
    assert shown["attempt_duration_seconds_sum",] == pytest.approx(119.02)
    assert shown["attempt_duration_seconds_bucket", "0.025"] == 1
    assert shown["attempt_duration_seconds_bucket", "10.0"] == 3
    assert shown["attempt_duration_seconds_bucket", "+Inf"] == 4


def test_a_histogram_of_many_durations_counts_each_in_its_bucket():
    metrics = Metrics()
    durations = [(n % 200) / 1000 for n in range(5_000)]
    for start in range(0, len(durations), 7):
        metrics.events_answered(durations[start : start + 7])
    shown = samples(metrics)
    for bound in ("0.001", "0.005", "0.01", "0.1", "10.0", "+Inf"):
        expected = sum(seconds <= float(bound) for seconds in durations)
        assert shown["accept_duration_seconds_bucket", bound] == expected
    assert shown["accept_duration_seconds_count",] == 5_000
    assert shown["accept_duration_seconds_sum",] == pytest.approx(sum(durations))


def test_latencies_and_failures_are_rendered():
    metrics = Metrics()
    metrics.events_answered([0.002])
    metrics.batch_committed(0.002)
    metrics.first_attempts_started([45.0, -1.0])
    metrics.delivery_failed()
    metrics.webhooks_disabled(2)
    shown = samples(metrics)
    assert shown["accept_duration_seconds_bucket", "0.0025"] == 1
    assert shown["commit_duration_seconds_count",] == 1
    assert shown["first_attempt_delay_seconds_bucket", "0.005"] == 1
    assert shown["first_attempt_delay_seconds_bucket", "60.0"] == 2
    assert shown["deliveries_failed_total",] == 1
    assert shown["webhooks_disabled_total",] == 2


@pytest.mark.parametrize(("timeout", "last"), [(10, "10.0"), (3, "3.0"), (300, "300.0")])
def test_buckets_of_attempts_reach_to_the_timeout(timeout, last):
    shown = samples(Metrics(timeout))
    bounds = [key[1] for key in shown if key[0] == "attempt_duration_seconds_bucket"]
    assert bounds[-2:] == [last, "+Inf"]


def test_the_process_and_its_version_are_rendered():
    shown = samples(Metrics())
    assert shown["process_resident_memory_bytes",] > 0
    assert shown["process_open_fds",] > 0
    assert shown["build_info", *sorted([__version__, platform.python_version()])] == 1


def test_the_metrics_of_the_database_and_of_the_process_are_rendered():
    metrics = Metrics()
    in_flight = [3]
    metrics.watch("in_flight", "Attempts that run now.", lambda: in_flight[0])
    metrics.set_database_status(
        pending=7, oldest_pending_age=1.5, lanes_waiting=2, jobs=1, size=4096
    )
    shown = samples(metrics)
    assert shown["pending",] == 7
    assert shown["oldest_pending_age_seconds",] == 1.5
    assert shown["lanes_waiting",] == 2
    assert shown["jobs",] == 1
    assert shown["database_size_bytes",] == 4096
    assert shown["in_flight",] == 3
    in_flight[0] = 4
    assert samples(metrics)["in_flight",] == 4


def test_counts_are_there_before_anything_happened():
    shown = samples(Metrics())
    assert shown["events_accepted_total",] == 0
    assert shown["attempts_total", "", "succeeded"] == 0


def test_two_sets_of_metrics_share_nothing():
    one, other = Metrics(), Metrics()
    one.event_accepted()
    assert samples(other)["events_accepted_total",] == 0


def test_every_metric_says_what_it_is():
    for family in text_string_to_metric_families(Metrics().render().decode()):
        assert family.name.startswith(("winnerr_webhooks_", "process_"))
        assert family.documentation.endswith(".")
