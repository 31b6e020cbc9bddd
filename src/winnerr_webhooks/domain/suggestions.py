"""Advice for somebody who wrote a name that does not exist."""

from collections.abc import Sequence

from winnerr_webhooks.domain.text import NOTHING, Text


def did_you_mean(names: Sequence[str]) -> Text:
    """Return a question that offers names; empty if there are none."""
    return Text("Did you mean {names}?", names=alternatives(names)) if names else NOTHING


def alternatives(names: Sequence[str]) -> str:
    """Return one or more names with an "or" between them, as a part of a sentence."""
    if len(names) == 1:
        return names[0]
    return Text("{first} or {others}", first=names[0], others=alternatives(names[1:]))
