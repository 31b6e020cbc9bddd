"""How long a recovery is expected to take, and when nobody knows."""

import pytest

from winnerr_webhooks.domain.duration_classes import duration_class
from winnerr_webhooks.management.recoveries import expected_seconds
from winnerr_webhooks.storage.values import HealthBucket


def bucket(starts_at: int, ms: float, succeeded: int, failed: int = 0) -> HealthBucket:
    return HealthBucket(
        webhook_id="wh_1",
        starts_at=starts_at,
        duration_class=duration_class(ms),
        succeeded=succeeded,
        failed=failed,
        exhausted=0,
    )


def test_the_time_is_the_mean_of_successes_shared_by_attempts_at_once():
    measured = [bucket(300_000, 100, 3), bucket(600_000, 500, 1)]
    assert expected_seconds(1_600, measured, 16) == pytest.approx(20, rel=0.15)


@pytest.mark.parametrize(
    "measured",
    [
        [],
        [bucket(300_000, 100, 0, 5)],
        [bucket(300_000, 100, 900), bucket(600_000, 100, 0, 5)],
    ],
)
def test_without_a_recent_success_nobody_knows(measured):
    assert expected_seconds(10, measured, 16) is None


def test_a_success_among_the_newest_failures_is_enough():
    measured = [bucket(600_000, 100, 0, 5), bucket(600_000, 200, 1)]
    assert expected_seconds(16, measured, 16) == pytest.approx(0.2, rel=0.15)
