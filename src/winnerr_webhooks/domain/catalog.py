"""The catalogue: all event types of the product, with an example of each.

A node can exchange it while it runs (`Catalog.replace`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Final

import msgspec

from winnerr_webhooks.domain.alerts import OPERATIONAL_EVENTS
from winnerr_webhooks.domain.errors import FieldError, Invalid
from winnerr_webhooks.domain.event import encode_payload
from winnerr_webhooks.domain.event_pattern import (
    ALL_EVENTS,
    EVENT_NAME,
    is_prefix_pattern,
    patterns_matching,
)
from winnerr_webhooks.domain.suggestions import alternatives, did_you_mean
from winnerr_webhooks.domain.text import Text

OFF, WARN, REJECT = "off", "warn", "reject"
"""What may happen to an event whose data its type's schema does not allow."""

_MIN_SIMILARITY: Final = 0.6
"""The lowest `difflib` ratio (0 to 1) at which a name is suggested."""
_SIMILARITY_RANGE: Final = 0.1
"""A suggestion is at most this much less similar than the best one."""
_MAX_NAME_SHOWN: Final = 64
"""How many characters of an unknown name are compared and shown."""
_MAX_ERRORS: Final = 20
"""How many unknown names one refusal lists."""


class EventType(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A kind of event that webhooks subscribe to."""

    name: str
    category: str
    description: str
    """One sentence that says when the event happens."""
    example: bytes
    """A realistic `data` object as compact JSON."""
    schema: bytes | None = None
    """The JSON Schema (2020-12) of `data`, as compact JSON."""
    deprecated: str | None = None
    """A sentence that says what to use instead; None: it is not deprecated."""


Nearest = Callable[[str], list[str]]
"""Suggests known event names for an unknown one."""
DataCheck = Callable[[bytes], tuple[FieldError, ...]]
"""Returns what is wrong with the JSON of a `data` object, with pointers such as `/data/amount`."""


class Catalog:
    """The event types of one product, in display order.

    `checks` has a check for each event type with a schema, and `data_rule` says whether they are
    used: `off`, `warn` or `reject`. `is_own`: it is read from a file, so it may have had other
    types. Raises `ValueError` if two types have the same name.
    """

    def __init__(
        self,
        types: tuple[EventType, ...],
        checks: Mapping[str, DataCheck] | None = None,
        *,
        data_rule: str = OFF,
        is_own: bool = False,
    ) -> None:
        self.data_rule = data_rule
        self._is_own = is_own
        self._by_name = {one.name: one for one in types}
        if len(self._by_name) != len(types):
            raise ValueError("two event types of the catalogue have the same name")
        self._checks = dict(checks or {})
        self._left: frozenset[str] = frozenset()
        grouped: dict[str, list[EventType]] = {}
        for one in types:
            grouped.setdefault(one.category, []).append(one)
        self.names: tuple[str, ...] = tuple(self._by_name)
        patterns = dict.fromkeys(one for name in self.names for one in patterns_matching(name))
        self._places = {pattern: place for place, pattern in enumerate(patterns)}
        self.categories: tuple[tuple[str, tuple[EventType, ...]], ...] = tuple(
            (category, tuple(members)) for category, members in grouped.items()
        )

    def replace(self, other: "Catalog") -> tuple[list[str], list[str]]:
        """Take over the event types of another catalogue; everybody who holds this one sees them.

        Returns the names that were added, and those that left.
        """
        added = [name for name in other.names if name not in self._by_name]
        left = [name for name in self.names if name not in other.names]
        gone = self._left.union(self.names).difference(other.names)
        vars(self).update(vars(other) | {"_left": gone})
        return added, left

    def data_errors(self, name: str, data: bytes) -> tuple[FieldError, ...]:
        """Return what is wrong with the `data` of an event by its type's schema, if it has one.

        Nothing is wrong while `data_rule` is `off`.
        """
        check = None if self.data_rule == OFF else self._checks.get(name)
        return () if check is None else check(data)

    def get(self, name: str) -> EventType | None:
        """Return the event type with this name, or None."""
        return self._by_name.get(name)

    def nearest(self, name: str, n: int = 3) -> list[str]:
        """Return up to `n` known names similar to `name`, best match first.

        Either side of the dot is enough: `created` matches every `….created`, and `deals`
        matches every `deal.…`. For a text with `*`, patterns come before names.
        """
        is_pattern = ALL_EVENTS in name and name != ALL_EVENTS
        patterns = [one for one in self._places if one.endswith(".*")] if is_pattern else []
        return _nearest(name, patterns, n) or _nearest(name, self.names, n)

    def chosen(self, events: Iterable[str]) -> tuple[EventType, ...]:
        """Return the event types that any of these patterns matches, in catalogue order."""
        wanted = set(events)
        return tuple(
            one
            for name, one in self._by_name.items()
            if not wanted.isdisjoint(patterns_matching(name))
        )

    def example_body(self, name: str, organization: str, timestamp: str) -> bytes:
        """Return a complete sample payload. Raises `KeyError` for an unknown name."""
        return encode_payload(name, timestamp, organization, self._by_name[name].example)

    def may_be_logged(self, name: str) -> bool:
        """Return whether the log can have events of a name or of a pattern such as `contact.*`.

        Event types that left count too, and operational events. `*` is no pattern here: it would
        filter nothing.
        """
        if is_prefix_pattern(name):
            left = (one for past in self._left for one in patterns_matching(past))
            return name in self._places or self._is_own or name in left
        is_past = name in self._left or (self._is_own and EVENT_NAME.fullmatch(name) is not None)
        return name in self._by_name or is_past or name in OPERATIONAL_EVENTS

    def without_match(self, events: Iterable[str]) -> tuple[str, ...]:
        """Return those of a webhook's `events` that match no event type, as all these left."""
        return tuple(one for one in events if one not in self._places)

    def normalise_events(self, events: list[str], kept: Collection[str] = ()) -> tuple[str, ...]:
        """Return a webhook's `events` without duplicates, in catalogue order, or `("*",)`.

        A pattern comes before the first name that it matches. What the webhook has already (`kept`)
        may stay although its event types left. Raises `Invalid` at `/events` if the list is empty
        or has `*` beside others, and at `/events/<index>` for what is no event type and no pattern
        that matches one.
        """
        wanted = dict.fromkeys(events)
        if not wanted:
            raise Invalid.field("/events", Text("Choose at least one event, or all events."))
        if ALL_EVENTS in wanted:
            if len(wanted) > 1:
                raise Invalid.field(
                    "/events", Text('"*" stands for every event; send it alone or leave it out.')
                )
            return (ALL_EVENTS,)
        known = self._places.keys() | set(kept)
        if wanted.keys() <= known:
            last = len(self._places)
            return tuple(sorted(wanted, key=lambda one: self._places.get(one, last)))
        unknown = [at for at, name in enumerate(events) if name not in known]
        errors = tuple(
            FieldError(f"/events/{at}", self._unknown(events[at])) for at in unknown[:_MAX_ERRORS]
        )
        raise Invalid(errors[0].message, errors)

    def no_event(self, name: str, nearest: Nearest | None = None) -> Text:
        """Return the sentences that refuse an unknown name, and suggest others."""
        near = (nearest or self.nearest)(name)
        advice = did_you_mean(near) or Text("See GET /api/v1/event-types.")
        return Text("{mistake}. {advice}", mistake=self._mistake(name), advice=advice)

    def _mistake(self, name: str) -> Text:
        shown = repr(name[:_MAX_NAME_SHOWN])
        if name in self._left:
            return Text(
                "The event {name} was removed from the catalogue, so no new ones are accepted",
                name=shown,
            )
        return Text("There is no event {name}", name=shown)

    def _unknown(self, text: str) -> str:
        shown = text[:_MAX_NAME_SHOWN]
        near = self.nearest(text)
        if ALL_EVENTS not in text:
            mistake = self._mistake(text)
        else:
            mistake = Text(
                "{name} is no event, and no pattern that ends with '.*'", name=repr(shown)
            )
            if is_prefix_pattern(text):
                prefix = repr(shown.removesuffix("*"))
                mistake = Text("No event begins with {prefix}", prefix=prefix)
        advice = Text("GET /api/v1/event-types lists all.")
        if near:
            advice = Text("did you mean {names}?", names=alternatives(near))
        return Text("{mistake}; {advice}", mistake=mistake, advice=advice)


def _nearest(text: str, known: Sequence[str], n: int) -> list[str]:
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(text[:_MAX_NAME_SHOWN].lower())
    scored = [(_similarity(matcher, one), one) for one in known]
    best = max((score for score, _ in scored), default=0.0)
    enough = max(_MIN_SIMILARITY, best - _SIMILARITY_RANGE)
    near = [pair for pair in scored if pair[0] >= enough]
    near.sort(key=lambda pair: -pair[0])  # stable: ties stay in catalogue order
    return [one for _, one in near[:n]]


def _similarity(matcher: SequenceMatcher[str], known: str) -> float:
    """Return how similar (0 to 1) a known name, or one side of its dot, is to the wrong one."""
    best = 0.0
    for part in (known, *known.split(".", 1)):
        matcher.set_seq1(part)
        best = max(best, matcher.ratio())
    return best
