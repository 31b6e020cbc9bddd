"""Duration classes: an approximate median from counts alone."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.duration_classes import CLASSES, class_ms, duration_class, quantile


@pytest.mark.parametrize("ms", [-1.0, 0.0, 0.3, 1.0, math.nan])
def test_durations_up_to_a_millisecond_are_class_0(ms):
    assert duration_class(ms) == 0


@pytest.mark.parametrize("ms", [1_700_000.0, 1e12])
def test_the_last_class_takes_everything_above(ms):
    assert duration_class(ms) == CLASSES - 1


@given(st.floats(1.001, 1_600_000))
def test_a_class_stands_for_its_durations_within_13_percent(ms):
    assert class_ms(duration_class(ms)) == pytest.approx(ms, rel=0.13)


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_a_longer_duration_is_never_in_a_lower_class(one, other):
    low, high = sorted((one, other))
    assert duration_class(low) <= duration_class(high)


def test_without_attempts_there_is_no_quantile():
    assert quantile([0] * CLASSES, 0.5) is None
    assert quantile([], 0.5) is None


@given(st.lists(st.floats(2, 100_000), min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_quantile_from_counts_is_near_the_real_one(durations, share):
    counts = [0] * CLASSES
    for ms in durations:
        counts[duration_class(ms)] += 1
    real = sorted(durations)[math.ceil(share * len(durations)) - 1]
    assert quantile(counts, share) == pytest.approx(real, rel=0.13)


def test_the_smallest_fraction_gives_the_fastest_class_with_attempts():
    assert quantile([0, 0, 5, 1], 0.0) == class_ms(2)
