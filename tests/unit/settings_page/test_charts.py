"""The phases of an attempt and their timeline."""

import re

import pytest

from winnerr_webhooks.domain.attempt import LoggedAttempt, Timings
from winnerr_webhooks.settings_page import charts
from winnerr_webhooks.settings_page.languages import load_language


def an_attempt(**fields):
    values = dict.fromkeys(LoggedAttempt.__struct_fields__, "") | {
        "timings": Timings(),
        "duration_ms": 10.0,
        "status": 200,
        "outcome": "succeeded",
    }
    return LoggedAttempt(**(values | fields))


def test_phases_add_up_to_the_duration():
    attempt = an_attempt(
        timings=Timings(dns_ms=0.4, connect_ms=1.0, tls_ms=4.1, first_byte_ms=90.0),
        duration_ms=100.0,
    )
    phases = charts.phases(attempt)
    assert [phase.name for phase in phases] == ["DNS", "connect", "TLS", "waiting", "answer"]
    assert sum(phase.ms for phase in phases) == pytest.approx(100.0)
    widths = [
        float(w)
        for w in re.findall(
            r'width="([\d.]+)"', charts.timeline(attempt, language=load_language("en"))
        )
    ]
    assert sum(widths) == pytest.approx(636, abs=1)


def test_the_rest_of_a_timeout_counts_for_the_phase_that_failed():
    attempt = an_attempt(
        status=None, error_phase="tls", timings=Timings(dns_ms=1, connect_ms=9), duration_ms=10_000
    )
    assert charts.phases(attempt)[-1] == ("TLS", "tls", 9_990)
