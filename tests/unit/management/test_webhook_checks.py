"""What a webhook can have of its own is checked, and refused with its place and a remedy."""

import pytest

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.retry import LONG, STANDARD
from winnerr_webhooks.management.field_checks import FieldChecks
from winnerr_webhooks.management.webhook_checks import OptionChecks, check_name
from winnerr_webhooks.management.webhook_drafts import WebhookDraft, WebhookPatch

BRANDING = Config().branding
CHECKS = OptionChecks(timeout=10, retention_days=30, branding=BRANDING, clock=SystemClock())


def pointers(refusal: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [error.pointer for error in refusal.value.errors]


@pytest.mark.parametrize(
    ("text", "kept"), [(None, None), ("  ", None), (" CRM ", "CRM"), ("é☃👍" * 20, "é☃👍" * 20)]
)
def test_a_name_has_up_to_80_characters_on_one_line(text, kept):
    assert check_name(text) == kept
    for wrong in ("x" * 81, "two\nlines", "right\u202eleft"):
        with pytest.raises(Invalid) as refusal:
            check_name(wrong)
        assert pointers(refusal) == ["/name"]


@pytest.mark.parametrize("seconds", [None, 1, 2.5, 10])
def test_a_time_limit_is_from_1_second_to_that_of_the_service(seconds):
    assert CHECKS.check_timeout(seconds) == seconds


@pytest.mark.parametrize("seconds", [0, 0.99, -1, 10.01, float("nan"), float("inf")])
def test_any_other_time_limit_is_refused_with_the_bounds(seconds):
    with pytest.raises(Invalid, match="from 1 to 10 seconds") as refusal:
        CHECKS.check_timeout(seconds)
    assert pointers(refusal) == ["/timeout"]


def test_a_service_with_a_limit_below_a_second_takes_that_limit():
    assert (
        OptionChecks(
            timeout=0.5, retention_days=30, branding=BRANDING, clock=SystemClock()
        ).check_timeout(0.5)
        == 0.5
    )


@pytest.mark.parametrize("schedule", [STANDARD, LONG, [], [0.5], [60.0] * 20, [604_800.0]])
def test_a_schedule_is_a_name_or_up_to_20_waits_of_up_to_7_days(schedule):
    kept = CHECKS.check_schedule(schedule)
    assert kept == (schedule if isinstance(schedule, str) else tuple(schedule))


@pytest.mark.parametrize(
    ("schedule", "places"),
    [
        ("short", ["/retrySchedule"]),
        ([60.0] * 21, ["/retrySchedule"]),
        ([60.0, 0.0, -1.0], ["/retrySchedule/1", "/retrySchedule/2"]),
        ([604_801.0], ["/retrySchedule/0"]),
        ([float("nan")], ["/retrySchedule/0"]),
    ],
)
def test_any_other_schedule_is_refused_at_what_is_wrong(schedule, places):
    with pytest.raises(Invalid) as refusal:
        CHECKS.check_schedule(schedule)
    assert pointers(refusal) == places


def test_a_schedule_that_can_outlast_the_log_is_refused():
    """The jitter counts: 5 times 5 days can take 30 days, and 6 times can take 36."""
    assert CHECKS.check_schedule([432_000.0] * 5)
    with pytest.raises(Invalid, match=r"36\.0 days.* only kept for 30") as refusal:
        CHECKS.check_schedule([432_000.0] * 6)
    assert pointers(refusal) == ["/retrySchedule"]
    short = OptionChecks(timeout=10, retention_days=3, branding=BRANDING, clock=SystemClock())
    with pytest.raises(Invalid, match="kept for 3"):
        short.check_schedule(LONG)
    assert short.check_schedule(STANDARD) == STANDARD


def test_all_wrong_options_are_reported_together_and_unset_ones_are_left_out():
    checks = FieldChecks()
    draft = WebhookDraft(
        url="x", events=[], name="x" * 81, status="gone", timeout=0, retry_schedule="never"
    )
    CHECKS.check(checks, draft)
    with pytest.raises(Invalid) as refusal:
        checks.done()
    assert set(pointers(refusal)) == {"/name", "/status", "/timeout", "/retrySchedule"}
    patch = WebhookPatch(name=None, retry_schedule=[5.0])
    assert CHECKS.check(FieldChecks(), patch) == {"name": None, "retry_schedule": (5.0,)}
