"""Duration classes: what turns many attempts' times into a median without keeping each."""

import math

CLASSES = 64
"""Classes 0 to 63; each is about 26 % wider than the one before, from 1 ms to 25 min."""


def duration_class(ms: float) -> int:
    """The class of a duration: three to an octave, so an estimate is off by 13 % at most."""
    if not ms > 1:
        return 0
    return min(int(math.log2(ms) * 3) + 1, CLASSES - 1)


def class_ms(number: int) -> float:
    """The duration, in ms, a class stands for: its geometric middle."""
    return 0.5 if number == 0 else 2 ** ((number - 0.5) / 3)


def quantile(counts: list[int], share: float) -> float | None:
    """The duration below which `share` of the counted attempts lie; None without any."""
    total = sum(counts)
    if not total:
        return None
    wanted = share * total
    seen = 0
    for number, count in enumerate(counts):
        seen += count
        if seen >= wanted and count:
            return class_ms(number)
    return class_ms(len(counts) - 1)
