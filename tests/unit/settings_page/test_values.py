"""The values that templates show: times, sizes, pictures, filters, bodies, curl lines."""

import re
import subprocess
import sys

import pytest

from winnerr_webhooks.domain.attempt import LoggedAttempt, Timings
from winnerr_webhooks.domain.catalog import CATALOG
from winnerr_webhooks.settings_page import charts, formatting
from winnerr_webhooks.settings_page.filters import read_filters
from winnerr_webhooks.settings_page.health_summary import sum_buckets
from winnerr_webhooks.settings_page.http_text import body_text, curl_command, header_lines
from winnerr_webhooks.storage.values import HealthBucket

NOW = 1_800_000_000_000
DAY = 86_400_000


def an_attempt(**fields):
    values = dict.fromkeys(LoggedAttempt.__struct_fields__, "") | {
        "timings": Timings(),
        "duration_ms": 10.0,
        "status": 200,
        "outcome": "succeeded",
    }
    return LoggedAttempt(**(values | fields))


@pytest.mark.parametrize(
    ("away", "text"),
    [
        (0, "now"),
        (-5_000, "5 s ago"),
        (-119_000, "1 min ago"),
        (240_000, "in 4 min"),
        (-3 * 3_600_000, "3 h ago"),
        (-2 * DAY, "2 d ago"),
        (-30 * DAY, "16 Dec 2026"),
        (-7 * DAY, "8 Jan"),
    ],
)
def test_relative_times_are_short(away, text):
    assert formatting.relative(NOW + away, NOW) == text


def test_a_time_has_its_exact_value_at_hand():
    tag = formatting.ago(NOW - 5_123, NOW)
    assert 'datetime="2027-01-15T07:59:54.877Z"' in tag
    assert "15 Jan 2027, 07:59:54.877 UTC" in tag


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "\u2013"), (0.42, "0.4 ms"), (84.2, "84 ms"), (999.6, "1.0 s"), (2_096, "2.1 s"),
     (59_990, "1 min"), (65_000, "1 min 5 s")],
)  # fmt: skip
def test_durations_have_the_figures_that_matter(ms, text):
    assert formatting.duration(ms) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.9999, "99.9 %"), (0.0001, "0.1 %"), (0.12, "12 %")],
)
def test_only_all_is_all_and_only_none_is_none(share, text):
    assert formatting.percent(share) == text


def test_sizes_counts_and_ids_read_well():
    assert [formatting.size(n) for n in (1, 312, 1_536, 16_384, 5 << 20)] == [
        "1 byte", "312 bytes", "1.5 KiB", "16 KiB", "5.0 MiB",
    ]  # fmt: skip
    assert formatting.pluralize(1, "delivery", "deliveries") == "1 delivery"
    assert formatting.pluralize(1_204, "delivery", "deliveries") == "1,204 deliveries"
    assert formatting.short_id("att_01kan5abcdefghijkl0123456z") == "att_01kan5…23456z"
    assert formatting.short_url("https://hooks.example.com/") == "hooks.example.com"


def test_bytes_become_inert_text():
    assert formatting.visible(b"a\r\n\tb\x00\x7f\xff") == "a\n\tb\u2400\u2421\ufffd"
    assert formatting.visible("\u202eevil".encode()) == "\ufffdevil"


def test_json_is_indented_with_its_digits_and_the_rest_left_alone():
    body = body_text(b'{"n":1.0,"big":12345678901234567890}', "application/json")
    assert body.indented == '{\n  "n": 1.0,\n  "big": 12345678901234567890\n}'
    assert body_text(b"{broken", "application/json").indented is None
    assert body_text(b"[" * 60_000, "application/json").indented is None
    assert body_text(b"<html>{}</html>", "text/html").indented is None


def test_headers_are_lines_as_they_were_sent():
    head = b"POST /hook HTTP/1.1\r\nHost: a:1\r\nX-A:b\r\nX-Empty:\r\n"
    assert header_lines(head) == [
        ("POST /hook HTTP/1.1", ""), ("Host", "a:1"), ("X-A", "b"), ("X-Empty", ""),
    ]  # fmt: skip


def test_the_curl_line_sends_the_same_bytes_through_a_real_shell(tmp_path):
    body = """{"a":"it's $HOME `x` \\\\ \\"q\\" é"}""".encode()
    line = curl_command("https://h.example/a?b='c'", [("X-A", "1 'two'"), ("Host", "h")], body)
    fake = tmp_path / "curl"
    fake.write_text(f"#!{sys.executable}\nimport sys\nprint(repr(sys.argv[1:]))\n")
    fake.chmod(0o755)
    run = subprocess.run(
        ["/bin/sh", "-c", line],
        env={"PATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == repr(
        ["https://h.example/a?b='c'", "-H", "X-A: 1 'two'", "--data-binary", body.decode()]
    )


def test_phases_make_up_the_whole_duration():
    attempt = an_attempt(
        timings=Timings(dns_ms=0.4, connect_ms=1.0, tls_ms=4.1, first_byte_ms=90.0),
        duration_ms=100.0,
    )
    phases = charts.phases(attempt)
    assert [phase.name for phase in phases] == ["DNS", "connect", "TLS", "waiting", "answer"]
    assert sum(phase.ms for phase in phases) == pytest.approx(100.0)
    widths = [float(w) for w in re.findall(r'width="([\d.]+)"', charts.timeline(attempt))]
    assert sum(widths) == pytest.approx(636, abs=1)


def test_what_timed_out_was_at_its_last_phase():
    attempt = an_attempt(
        status=None, error_phase="tls", timings=Timings(dns_ms=1, connect_ms=9), duration_ms=10_000
    )
    assert charts.phases(attempt)[-1] == ("TLS", "tls", 9_990)


def bucket(minutes_ago, **counts):
    values = {"succeeded": 0, "failed": 0, "exhausted": 0, "duration_class": 20} | counts
    starts_at = (NOW - minutes_ago * 60_000) // 300_000 * 300_000
    return HealthBucket(webhook_id="wh_1", starts_at=starts_at, **values)


def test_health_adds_up_and_draws_half_hours():
    total = sum_buckets([bucket(1, succeeded=3), bucket(600, failed=1, exhausted=1)], NOW, 2)
    assert (total.succeeded, total.failed, total.exhausted, total.waiting) == (3, 1, 1, 2)
    assert total.success_rate == 0.75
    assert len(total.bars) == 48
    assert sum(bar.succeeded for bar in total.bars[-2:]) == 3
    assert sum(bar.failed for bar in total.bars[:-12]) == 1
    picture = charts.sparkline(total.bars, width=96, height=20, label='a "label"')
    assert "style" not in picture
    assert 'aria-label="a &#34;label&#34;"' in picture
    assert sum_buckets([], NOW).success_rate is None


def test_a_view_can_be_sent_on():
    text = "event=deal.created&status=5XX&q=a+b%26c&time=24h&unknown=1"
    filters = read_filters(text, CATALOG)
    assert filters.query() == "?event=deal.created&status=5XX&time=24h&q=a+b%26c"
    assert filters.query(event="", status="", time="", q="") == ""
    asked = filters.log_filter("org_1", NOW)
    assert asked.status == (500, 599)
    assert asked.since == NOW - DAY
    assert read_filters(filters.query()[1:], CATALOG) == filters
