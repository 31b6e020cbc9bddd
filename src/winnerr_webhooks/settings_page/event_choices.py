"""The choice of events in the webhook form: a checkbox for each event type, and for patterns."""

from collections import Counter
from collections.abc import Collection, Iterable

import msgspec

from winnerr_webhooks.domain.catalog import Catalog, EventType
from winnerr_webhooks.domain.event_pattern import (
    ALL_EVENTS,
    is_prefix_pattern,
    matches,
    patterns_matching,
)
from winnerr_webhooks.settings_page.filters import Filters


class PatternChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A checkbox for a pattern such as `contact.*`."""

    pattern: str
    count: int
    """How many event types it matches now, of any category."""
    covers_category: bool
    """Whether it matches all event types of the category that it is shown in."""


class CategoryChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The checkboxes of one category."""

    name: str
    patterns: list[PatternChoice]
    types: tuple[EventType, ...]


def category_choices(catalog: Catalog, chosen: Collection[str]) -> list[CategoryChoice]:
    """Return the checkboxes of the form, by category.

    Patterns are offered up to the first dot, where they match two event types of a category or
    more. One that is `chosen` already is offered too, so that the form does not drop it.
    """
    offered = set()
    choices = []
    for name, types in catalog.categories:
        counts = Counter(one for kind in types for one in _prefix_patterns(kind.name))
        found = []
        for pattern, count in counts.items():
            is_broad = pattern.count(".") == 1 and count > 1
            if (is_broad or pattern in chosen) and pattern not in offered:
                offered.add(pattern)
                found.append(
                    PatternChoice(
                        pattern=pattern,
                        count=len(catalog.chosen([pattern])),
                        covers_category=count == len(types),
                    )
                )
        choices.append(CategoryChoice(name=name, patterns=found, types=types))
    return choices


def logged_choices(catalog: Catalog, filters: Filters) -> list[tuple[str, list[str]]]:
    """Return what the log's filter offers: by category, patterns and then event types.

    What is filtered by and left the catalogue comes last, in a category without name.
    """
    chosen = "" if "event" in filters.errors else filters.event
    choices = [
        (one.name, [found.pattern for found in one.patterns] + [kind.name for kind in one.types])
        for one in category_choices(catalog, [chosen])
    ]
    if chosen and not any(chosen in names for _, names in choices):
        choices.append(("", [chosen]))
    return choices


def without_covered(events: Iterable[str]) -> tuple[str, ...]:
    """Return ticked boxes without those that another ticked box includes."""
    ticked = tuple(dict.fromkeys(events))
    if ALL_EVENTS in ticked:
        return (ALL_EVENTS,)
    patterns = [one for one in ticked if is_prefix_pattern(one)]
    return tuple(
        one
        for one in ticked
        if not any(pattern != one and matches(pattern, one) for pattern in patterns)
    )


def _prefix_patterns(name: str) -> tuple[str, ...]:
    return patterns_matching(name)[1:-1]
