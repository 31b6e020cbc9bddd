"""The verdict for each status, trigger and number of retries, and the receiver's Retry-After."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.attempt import ERROR_KINDS, PHASES, Exchange, Failure, Timings
from winnerr_webhooks.domain.delivery import EXHAUSTED, REPLAY_FAILED, RETRY, SUCCESS
from winnerr_webhooks.domain.verdict import GONE, SUCCEEDED, Verdict, judge, success_rule
from winnerr_webhooks.ids import Jitter

NOW = 1_736_951_000_000  # 2025-01-15T14:23:20Z
SCHEDULE = (60.0, 600.0, 6000.0)
TRIGGERS = ("automatic", "replay", "test")


class Exact:
    """Jitter that adds nothing."""

    def around(self, seconds, share=0.2):
        return seconds


def answered(status, *, reason="", head=b"", failure=None):
    return Exchange(
        started_at=NOW,
        duration_ms=0.0,
        timings=Timings(),
        status=status,
        reason=reason,
        response_head=head,
        failure=failure,
    )


def failed(kind, *, code="", phase="connect"):
    return answered(None, failure=Failure(kind=kind, message="It broke.", phase=phase, code=code))


def verdict(exchange, *, trigger="automatic", used=0, rule="2xx", schedule=SCHEDULE):
    return judge(
        exchange,
        trigger=trigger,
        retries_used=used,
        schedule=schedule,
        success=success_rule(rule),
        jitter=Exact(),
    )


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
def test_2xx_is_a_success_for_every_trigger(status, trigger):
    assert verdict(answered(status), trigger=trigger, used=3) is SUCCEEDED


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_success_counts_even_if_its_body_broke_off(trigger):
    broke = Failure(kind="reset", message="The connection broke.", phase="body")
    assert verdict(answered(200, failure=broke), trigger=trigger) == Verdict(happened=SUCCESS)


def test_success_can_be_limited_to_200():
    assert verdict(answered(200), rule="200") is SUCCEEDED
    no = verdict(answered(204), rule="200")
    assert (no.happened, no.error_kind, no.error_message) == (RETRY, "status", "204 No Content")
    assert not no.congested


@pytest.mark.parametrize(
    "status", [300, 301, 302, 303, 307, 308, 400, 401, 404, 410, 429, 500, 503, 599, 199, 999]
)
@pytest.mark.parametrize(
    ("trigger", "used", "happened", "retry_in"),
    [
        ("automatic", 0, RETRY, 60.0),
        ("automatic", 1, RETRY, 600.0),
        ("automatic", 2, RETRY, 6000.0),
        ("automatic", 3, EXHAUSTED, None),
        ("replay", 0, REPLAY_FAILED, None),
        ("replay", 2, REPLAY_FAILED, None),
        ("test", 0, EXHAUSTED, None),
    ],
)
def test_every_other_status_fails_redirects_too(status, trigger, used, happened, retry_in):
    outcome = verdict(answered(status), trigger=trigger, used=used)
    assert (outcome.happened, outcome.retry_in) == (happened, retry_in)
    assert outcome.error_kind == "status"
    assert outcome.error_message.startswith(str(status))


@pytest.mark.parametrize("kind", [kind for kind in ERROR_KINDS if kind != "status"])
@pytest.mark.parametrize(
    ("trigger", "used", "happened"),
    [
        ("automatic", 0, RETRY),
        ("automatic", 3, EXHAUSTED),
        ("replay", 0, REPLAY_FAILED),
        ("test", 0, EXHAUSTED),
    ],
)
def test_a_failure_keeps_its_kind_message_and_code(kind, trigger, used, happened):
    outcome = verdict(failed(kind, code="why"), trigger=trigger, used=used)
    assert outcome.happened == happened
    assert (outcome.error_kind, outcome.error_message, outcome.error_code) == (
        (kind, "It broke.", "why")
    )
    assert outcome.congested is (kind in ("timeout", "connect", "reset"))


@pytest.mark.parametrize(
    ("code", "congested"), [("token_timeout", True), ("token_reset", True), ("token_dns", False)]
)
def test_a_token_endpoint_that_is_slow_or_gone_narrows_the_window_too(code, congested):
    assert verdict(failed("auth", code=code), trigger="automatic", used=0).congested is congested


def test_no_schedule_means_no_retry():
    assert verdict(answered(500), schedule=()).happened == EXHAUSTED


def test_an_exchange_with_neither_a_response_nor_a_failure_counts_as_failed():
    assert verdict(answered(None)).error_kind == "protocol"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_an_overloaded_receiver_counts_as_congested(status):
    assert verdict(answered(status)).congested


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 413])
def test_an_ordinary_error_status_is_not_congestion(status):
    assert not verdict(answered(status)).congested


def test_410_disables_the_webhook_saying_why_but_a_test_does_not():
    assert verdict(answered(410)).disable == GONE
    assert verdict(answered(410), trigger="replay").disable == GONE
    assert verdict(answered(410), trigger="test").disable is None
    assert verdict(answered(404)).disable is None


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "retry_in", "held"),
    [
        (b"120", 120.0, 120.0),
        (b"10", 60.0, 10.0),
        (b"86400", 3600.0, 3600.0),
        (b"Wed, 15 Jan 2025 14:30:00 GMT", 400.0, 400.0),
        (b"-5", 60.0, 0.0),
        (b"NaN", 60.0, 0.0),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 60.0, 0.0),
        (b"\xff\xfe", 60.0, 0.0),
    ],
)
def test_retry_after_of_429_and_503_can_only_lengthen_the_wait(status, asked, retry_in, held):
    head = b"date: x\r\nReTrY-AfTeR:  " + asked + b"\r\nserver: y\r\n"
    outcome = verdict(answered(status, head=head))
    assert (outcome.retry_in, outcome.hold_lane) == (retry_in, held)


def test_retry_after_never_shortens_a_longer_wait():
    head = b"retry-after: 3600\r\n"
    assert verdict(answered(503, head=head), used=2).retry_in == 6000.0


@pytest.mark.parametrize("status", [302, 404, 413, 500, 502])
def test_retry_after_of_other_statuses_is_ignored(status):
    outcome = verdict(answered(status, head=b"retry-after: 1000\r\n"))
    assert (outcome.retry_in, outcome.hold_lane) == (60.0, 0.0)


@pytest.mark.parametrize(("trigger", "used"), [("automatic", 3), ("replay", 0), ("test", 0)])
def test_retry_after_starts_no_retry_but_holds_the_lane(trigger, used):
    outcome = verdict(answered(503, head=b"retry-after: 100\r\n"), trigger=trigger, used=used)
    assert (outcome.retry_in, outcome.hold_lane) == (None, 100.0)


@pytest.mark.parametrize(
    ("status", "reason", "shown"),
    [
        (503, "", "503 Service Unavailable"),
        (503, "Busy", "503 Busy"),
        (599, "", "599"),
        (418, " \t ", "418 I'm a Teapot"),
        (500, "a\x1b[31mb\0\r\nc\u202ed", "500 a[31mbcd"),
        (500, "x" * 500, "500 " + "x" * 100),
    ],
)
def test_a_reason_phrase_is_cleaned_for_display(status, reason, shown):
    assert verdict(answered(status, reason=reason)).error_message == shown


EXCHANGES = st.builds(
    answered,
    st.none() | st.integers(100, 999),
    reason=st.text(max_size=20),
    head=st.sampled_from([b"", b"retry-after: 7\r\n", b"Retry-After: 99999\r\n"]) | st.binary(),
    failure=st.none()
    | st.builds(
        Failure,
        kind=st.sampled_from(ERROR_KINDS[:-1]),
        message=st.text(max_size=10),
        phase=st.sampled_from(PHASES),
    ),
)


@given(
    EXCHANGES,
    st.sampled_from(TRIGGERS),
    st.integers(0, 10),
    st.lists(st.floats(0.1, 86_400), max_size=5),
    st.sampled_from(["2xx", "200"]),
)
def test_no_retry_is_beyond_the_schedule_or_too_early(exchange, trigger, used, schedule, rule):
    outcome = judge(
        exchange,
        trigger=trigger,
        retries_used=used,
        schedule=schedule,
        success=success_rule(rule),
        jitter=Jitter(7),
    )
    assert (outcome.retry_in is not None) == (outcome.happened == RETRY)
    if outcome.retry_in is not None:
        assert trigger == "automatic"
        assert used < len(schedule)
        assert outcome.retry_in >= schedule[used] * 0.8 - 1e-9
        assert outcome.retry_in <= max(schedule[used] * 1.2, 3600) + 1e-9
    assert (outcome.error_kind is None) == (outcome.happened == SUCCESS)
    assert 0 <= outcome.hold_lane <= 3600
