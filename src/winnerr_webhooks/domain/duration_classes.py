"""Classes of durations: a median over many attempts without storing each duration."""

import math

CLASSES = 64
"""How many classes there are. Each is about 26 % wider than the one before: 1 ms to 25 minutes."""


def duration_class(ms: float) -> int:
    """Return the class of a duration: three per doubling, so an estimate is off by at most 13 %."""
    if not ms > 1:
        return 0
    return min(int(math.log2(ms) * 3) + 1, CLASSES - 1)


def class_ms(number: int) -> float:
    """Return the duration in milliseconds that a class stands for: its geometric mean."""
    return 0.5 if number == 0 else 2 ** ((number - 0.5) / 3)


def quantile(counts: list[int], fraction: float) -> float | None:
    """Return the duration in ms that `fraction` of the attempts stayed below; None without any.

    `counts` has the number of attempts of each class.
    """
    total = sum(counts)
    if not total:
        return None
    wanted = fraction * total
    seen = 0
    for number, count in enumerate(counts):
        seen += count
        if seen >= wanted and count:
            return class_ms(number)
    return class_ms(len(counts) - 1)
