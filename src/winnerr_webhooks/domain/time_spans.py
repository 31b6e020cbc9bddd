"""Lengths of time in words."""

from collections.abc import Callable
from typing import Final

from winnerr_webhooks.domain.text import Text, counted


def time_span(seconds: float, whole: Callable[[float], int] = int) -> Text:
    """Return it in the largest unit that it has: `3 days`, `1 minute`, `20 seconds`.

    `whole` makes a whole number of units: `int` or `round`.
    """
    for length, in_words in _UNITS:
        if seconds >= length:
            return in_words(whole(seconds / length))
    return counted("{count} second", "{count} seconds", whole(seconds))


def exact_span(seconds: float) -> Text:
    """Return it in the largest unit that divides it: `1 day`, `90 seconds`, `0.5 seconds`."""
    if seconds != int(seconds):
        return Text("{number:g} seconds", number=seconds)
    for length, in_words in _UNITS:
        if seconds >= length and seconds % length == 0:
            return in_words(int(seconds) // length)
    return counted("{count} second", "{count} seconds", int(seconds))


def _days(count: int) -> Text:
    return counted("{count} day", "{count} days", count)


def _hours(count: int) -> Text:
    return counted("{count} hour", "{count} hours", count)


def _minutes(count: int) -> Text:
    return counted("{count} minute", "{count} minutes", count)


_UNITS: Final = ((86_400, _days), (3_600, _hours), (60, _minutes))
