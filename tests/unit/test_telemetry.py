"""Telemetry: metrics that Prometheus reads, logs that show no secret."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from winnerr_webhooks import __version__
from winnerr_webhooks.telemetry import Metrics, hide_secrets


def samples(metrics):
    return {
        (sample.name.removeprefix("winnerr_webhooks_"), *sorted(sample.labels.values())): (
            sample.value
        )
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_what_was_counted_is_rendered():
    metrics = Metrics()
    metrics.event_accepted()
    metrics.event_accepted(10)
    metrics.event_repeated()
    for status in (422, 422, 503):
        metrics.event_refused(status)
    metrics.attempt_made(None, 0.02)
    metrics.attempt_made("timeout", 10.0)
    metrics.attempt_made("timeout", 10.0)
    metrics.attempt_made("status", 99.0)
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


def test_latencies_and_what_ended_badly_are_rendered():
    metrics = Metrics()
    metrics.answered(0.002)
    metrics.committed(0.002)
    metrics.first_attempt_begun(45.0)
    metrics.first_attempt_begun(-1.0)
    metrics.failed_for_good()
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


def test_figures_of_the_database_and_of_the_process_are_rendered():
    metrics = Metrics()
    in_flight = [3]
    metrics.watch("in_flight", "Attempts that run now.", lambda: in_flight[0])
    metrics.stored(pending=7, oldest_pending_age=1.5, lanes_waiting=2, jobs=1, size=4096)
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


def test_whatever_is_named_like_a_secret_is_blanked():
    event = {
        "event": "saved",
        "secret": "whsec_1",
        "new_Secret": "whsec_2",
        "Authorization": "Bearer wwk_1",
        "api_key": "wwk_2",
        "webhook_id": "wh_1",
        "status": 200,
    }
    assert hide_secrets(None, "info", event) == {
        "event": "saved",
        "secret": "(hidden)",
        "new_Secret": "(hidden)",
        "Authorization": "(hidden)",
        "api_key": "(hidden)",
        "webhook_id": "wh_1",
        "status": 200,
    }


@pytest.mark.parametrize("level", ["info", "debug"])
def test_logs_go_to_stderr_as_json_when_it_is_no_terminal(level):
    program = f"""
import structlog
from winnerr_webhooks import __version__
from winnerr_webhooks.telemetry import set_up_logs
set_up_logs("{level}")
log = structlog.get_logger()
log.debug("looked")
try:
    raise ValueError("a bad day")
except ValueError:
    log.exception("attempt", secret="whsec_1", status=500)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout == ""
    *before, last = [json.loads(line) for line in run.stderr.splitlines()]
    assert [line["event"] for line in before] == (["looked"] if level == "debug" else [])
    assert (last["event"], last["level"], last["status"]) == ("attempt", "error", 500)
    assert last["secret"] == "(hidden)"
    assert last["timestamp"].endswith("Z")
    assert "a bad day" in last["exception"]


def test_what_python_and_its_libraries_say_comes_in_the_same_form():
    program = """
import asyncio, logging, warnings
from winnerr_webhooks import __version__
from winnerr_webhooks.telemetry import set_up_logs
set_up_logs("info", "json")
logging.getLogger("asyncio").error("Task exception was never retrieved")
logging.getLogger("asyncio").info("of no interest")
warnings.warn("soon gone")
"""
    run = subprocess.run(
        [sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert [(line["level"], line["logger"]) for line in lines] == [
        ("error", "asyncio"),
        ("warning", "py.warnings"),
    ]
    assert lines[0]["event"] == "Task exception was never retrieved"
    assert "soon gone" in lines[1]["event"]


def test_lines_for_people_can_be_asked_for():
    program = """
import structlog
from winnerr_webhooks import __version__
from winnerr_webhooks.telemetry import set_up_logs
set_up_logs("warning", "console")
structlog.get_logger().info("too quiet")
structlog.get_logger().warning("a budget is spent", budget="attempts")
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    (line,) = run.stderr.splitlines()
    assert "a budget is spent" in line
    assert not line.startswith("{")


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else():
    program = """
import contextlib
import sys
import structlog
from winnerr_webhooks import __version__
from winnerr_webhooks.telemetry import set_up_logs
set_up_logs()
log = structlog.get_logger()
log.error("for a full disk")
with contextlib.suppress(OSError):  # what is still in its buffer cannot be written either
    sys.stderr.close()
log.error("for nobody")
print("alive")
"""
    command = [sys.executable, "-c", program]
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, check=True, timeout=60)
    assert run.stdout == b"alive\n"
