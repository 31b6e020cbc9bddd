"""Health in the last 24 hours, and its chart."""

from winnerr_webhooks.settings_page import charts
from winnerr_webhooks.settings_page.health_summary import sum_buckets
from winnerr_webhooks.storage.values import HealthBucket

NOW = 1_800_000_000_000


def bucket(minutes_ago, **counts):
    values = {"succeeded": 0, "failed": 0, "exhausted": 0, "duration_class": 20} | counts
    starts_at = (NOW - minutes_ago * 60_000) // 300_000 * 300_000
    return HealthBucket(webhook_id="wh_1", starts_at=starts_at, **values)


def test_health_is_the_sum_of_its_buckets_in_half_hours():
    total = sum_buckets([bucket(1, succeeded=3), bucket(600, failed=1, exhausted=1)], NOW, 2)
    assert (total.succeeded, total.failed, total.exhausted, total.waiting) == (3, 1, 1, 2)
    assert total.success_rate == 0.75
    assert len(total.bars) == 48
    assert sum(bar.succeeded for bar in total.bars[-2:]) == 3
    assert sum(bar.failed for bar in total.bars[:-12]) == 1
    picture = charts.sparkline(total.bars, width=96, height=20, label='a "label"')
    assert "style" not in picture
    assert picture.count("<path") == 3  # one for each colour: a browser keeps every element
    assert 'aria-label="a &#34;label&#34;"' in picture
    assert sum_buckets([], NOW).success_rate is None
