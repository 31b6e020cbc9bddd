"""Percentiles are values that occurred; ratios are taken within a round."""

import math

import pytest
from bench.arithmetic import RANKS, median_of, median_ratio, percentile, spread
from bench.benches.isolation import hangs
from hypothesis import given
from hypothesis import strategies as st


def test_percentiles_are_by_nearest_rank():
    hundred = list(range(1, 101))
    assert [percentile(hundred, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([1, 2, 3], 0.5) == 2
    assert percentile([1, 2, 3, 4], 0.5) == 2
    assert percentile([7], 0.01) == 7
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.sampled_from(sorted(RANKS)))
def test_a_percentile_occurred_and_enough_values_are_not_above_it(values, rank):
    value = spread(values)[rank]
    assert value in values
    assert sum(one <= value for one in values) >= RANKS[rank] * len(values)
    assert sum(one < value for one in values) < math.ceil(RANKS[rank] * len(values))


def test_a_round_in_which_everything_was_slow_does_not_move_the_ratio():
    rounds = [
        {"service": {"us": 200.0}, "limit": {"us": 40.0}},
        {"service": {"us": 900.0}, "limit": {"us": 180.0}},
        {"service": {"us": 210.0}, "limit": {"us": 42.0}},
    ]
    assert median_ratio(rounds, ("service", "us"), ("limit", "us")) == 5.0
    assert median_of(rounds, "service", "us") == 210.0


@pytest.mark.parametrize(("hanging", "count"), [(0, 1000), (10, 1000), (100, 1000), (5, 50)])
def test_just_as_many_webhooks_hang_as_were_asked_for(hanging, count):
    assert sum(hangs(number, hanging, count) for number in range(count)) == hanging
