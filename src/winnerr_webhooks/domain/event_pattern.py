"""Event patterns: what a webhook's `events` may hold.

A pattern is the name of an event type, or `prefix.*` for all names that begin with `prefix.`, or
`*` for all names. The last two also match event types that are added later.
"""

import re
from functools import lru_cache
from typing import Final

ALL_EVENTS: Final = "*"
EVENT_NAME: Final = re.compile(r"[a-z0-9._-]{1,128}")
"""The name of an event type."""

_PREFIX_PATTERN: Final = re.compile(r"[a-z0-9._-]{1,127}\.\*")
CACHED_NAMES: Final = 4_096
"""How many names are kept with their patterns: more than a catalogue has."""


def is_prefix_pattern(text: str) -> bool:
    """Return whether a text has the form `prefix.*`."""
    return _PREFIX_PATTERN.fullmatch(text) is not None


def matches(pattern: str, name: str) -> bool:
    """Return whether events of this name are among those that a pattern stands for."""
    if pattern == ALL_EVENTS or is_prefix_pattern(pattern):
        return name.startswith(pattern[:-1])
    return name == pattern


@lru_cache(CACHED_NAMES)
def patterns_matching(name: str) -> tuple[str, ...]:
    """Return all patterns that match a name, broadest first: `*`, one for each dot, the name."""
    dots = (at for at, character in enumerate(name) if character == "." and at)
    return (ALL_EVENTS, *(f"{name[: at + 1]}*" for at in dots), name)
