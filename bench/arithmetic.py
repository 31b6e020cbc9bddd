"""The few sums behind every figure."""

import math
import statistics
from collections.abc import Iterable, Sequence

RANKS = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values: a value that occurred, never a blend."""
    if not ordered:
        raise ValueError("no values")
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def spread(values: Iterable[float]) -> dict[str, float]:
    """p50, p95, p99 and max."""
    ordered = sorted(values)
    return {name: percentile(ordered, share) for name, share in RANKS.items()}


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def median_of(rounds: Sequence[dict], *path: str) -> float:
    """The median over rounds of what stands at a path of keys in each."""
    found = []
    for one in rounds:
        value = one
        for key in path:
            value = value[key]
        found.append(value)
    return median(found)


def median_ratio(rounds: Sequence[dict], above: Sequence[str], below: Sequence[str]) -> float:
    """The median of the ratios within each round: what slows a whole round falls out."""
    return median(median_of([one], *above) / median_of([one], *below) for one in rounds)
