"""The part of the storage port about the traffic of one webhook, for its charts.

How many attempts there were, and how long they took, is counted exactly, from the health figures.
Their statuses and events come from the newest attempts of each interval, a bounded number of each.
"""

from typing import Protocol

import msgspec


class TrafficQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose traffic, and how it is divided into intervals."""

    organization: str
    webhook: str
    since: int
    """ms; a multiple of five minutes."""
    step_ms: int
    """The length of an interval: a multiple of five minutes."""
    intervals: int
    sampled: int
    """Attempts of each interval whose status and event are read."""

    @property
    def until(self) -> int:
        """The end of the last interval, ms."""
        return self.since + self.intervals * self.step_ms


class TrafficCount(msgspec.Struct, frozen=True, gc=False):
    """Attempts of one interval that took about as long, without tests."""

    interval: int
    """Its number, from 0."""
    duration_class: int
    """`domain.duration_classes.duration_class` of their time."""
    succeeded: int
    failed: int


class SampledAttempt(msgspec.Struct, frozen=True, gc=False):
    """What is read of an attempt of the sample."""

    started_at: int
    event: str
    outcome: str
    status: int | None


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """The traffic of a webhook."""

    counts: list[TrafficCount]
    sample: list[SampledAttempt]
    """Without tests; at most `TrafficQuery.sampled` of each interval that has attempts."""


class TrafficLog(Protocol):
    """The part of the storage port about traffic."""

    async def traffic(self, query: TrafficQuery) -> Traffic:
        """Return the traffic of a webhook; empty when it is not the organization's."""
        ...
