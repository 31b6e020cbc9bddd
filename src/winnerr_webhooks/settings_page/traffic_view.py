"""What the charts of a webhook's traffic show: by outcome, by status, by event, and latency. Pure.

Outcomes and latency are exact. Statuses and events are those of a sample, and each interval's share
of them is scaled to its exact number of attempts.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from winnerr_webhooks.domain.duration_classes import CLASSES, quantile
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.storage.traffic_port import SampledAttempt, Traffic, TrafficQuery

K = TypeVar("K", int, str)

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
SAMPLE: Final = 2_400
"""Attempts whose status and event are read for one page."""
_MOST_EVENTS: Final = 5
"""Event types with a colour of their own; the rest is one series."""
PERCENTILES: Final = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))


class Window(NamedTuple):
    """A length of time that the charts can show."""

    name: str
    """As in the URL."""
    label: Text
    step_ms: int
    """The time that one bar stands for."""
    bars: int


WINDOWS: Final = (
    Window("1h", Text("1 h"), 5 * MINUTE_MS, 12),
    Window("24h", Text("24 h"), 30 * MINUTE_MS, 48),
    Window("7d", Text("7 d"), 4 * HOUR_MS, 42),
    Window("30d", Text("30 d"), DAY_MS, 30),
)
DEFAULT_WINDOW: Final = WINDOWS[1]


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One colour of a chart."""

    name: Text | str
    kind: str
    """The suffix of its CSS class, `series-…`."""
    values: list[float]
    """One for each bar."""

    @property
    def total(self) -> int:
        """All bars together, rounded."""
        return round(sum(self.values))


class TrafficView(msgspec.Struct, frozen=True, kw_only=True):
    """The charts of one window."""

    window: Window
    starts: list[int]
    """When each bar begins, ms."""
    until: int
    """When the last bar ends, ms."""
    outcomes: list[Series]
    statuses: list[Series]
    events: list[Series]
    latencies: list[list[float | None]]
    """A list for each of `PERCENTILES`, with ms for each bar; None: it has no attempt."""
    percentiles: list[float | None]
    """Those of the whole window, ms."""
    sampled: int
    is_estimate: bool
    """Whether statuses and events are scaled, because the sample does not have all attempts."""

    @property
    def total(self) -> int:
        """Attempts in the window."""
        return sum(series.total for series in self.outcomes)


def window_named(name: str) -> Window:
    """The window of this name; the usual one if there is none."""
    return next((one for one in WINDOWS if one.name == name), DEFAULT_WINDOW)


def traffic_query(organization: str, webhook: str, window: Window, now: int) -> TrafficQuery:
    """What to read for a window that ends with the bar of `now`, ms."""
    return TrafficQuery(
        organization=organization,
        webhook=webhook,
        since=(now // window.step_ms - window.bars + 1) * window.step_ms,
        step_ms=window.step_ms,
        intervals=window.bars,
        sampled=SAMPLE // window.bars,
    )


def make_view(window: Window, query: TrafficQuery, traffic: Traffic) -> TrafficView:
    """The charts of a window, from what was read for it."""
    bars = range(window.bars)
    succeeded, failed = [0.0] * window.bars, [0.0] * window.bars
    classes = [[0] * CLASSES for _bar in bars]
    for count in traffic.counts:
        succeeded[count.interval] += count.succeeded
        failed[count.interval] += count.failed
        classes[count.interval][count.duration_class] += count.succeeded + count.failed
    totals = [sum(pair) for pair in zip(succeeded, failed, strict=True)]
    sampled = [Counter[SampledAttempt]() for _bar in bars]
    for attempt in traffic.sample:
        bar = (attempt.started_at - query.since) // window.step_ms
        if 0 <= bar < window.bars:
            sampled[bar][attempt] += 1
    whole = [sum(column) for column in zip(*classes, strict=True)]
    return TrafficView(
        window=window,
        starts=[query.since + bar * window.step_ms for bar in bars],
        until=query.until,
        outcomes=[
            Series(name=Text("delivered"), kind="ok", values=succeeded),
            Series(name=Text("failed"), kind="bad", values=failed),
        ],
        statuses=_by_status(sampled, totals),
        events=_by_event(sampled, totals),
        latencies=[
            [quantile(classes[bar], fraction) for bar in bars] for fraction, _ in PERCENTILES
        ],
        percentiles=[quantile(whole, fraction) for fraction, _ in PERCENTILES],
        sampled=sum(one.total() for one in sampled),
        is_estimate=any(one.total() < total for one, total in zip(sampled, totals, strict=True)),
    )


_STATUSES: Final[tuple[tuple[int, Text | str, str], ...]] = (
    (2, "2xx", "2xx"),
    (3, "3xx", "3xx"),
    (4, "4xx", "4xx"),
    (5, "5xx", "5xx"),
    (0, Text("no answer"), "none"),
)


def _by_status(sampled: Sequence[Counter[SampledAttempt]], totals: Sequence[float]) -> list[Series]:
    shares = _shares(sampled, totals, lambda attempt: (attempt.status or 0) // 100)
    found = [
        Series(name=name, kind=kind, values=shares[status])
        for status, name, kind in _STATUSES
        if status in shares
    ]
    known = {status for status, *_ in _STATUSES}
    odd = [values for status, values in shares.items() if status not in known]
    return [*found, *_rest(odd, Text("other")), *_unknown(sampled, totals)]


def _by_event(sampled: Sequence[Counter[SampledAttempt]], totals: Sequence[float]) -> list[Series]:
    shares = _shares(sampled, totals, lambda attempt: attempt.event)
    ordered = sorted(shares, key=lambda event: (-sum(shares[event]), event))
    shown = [
        Series(name=event, kind=f"event-{number}", values=shares[event])
        for number, event in enumerate(ordered[:_MOST_EVENTS], start=1)
    ]
    others = [shares[event] for event in ordered[_MOST_EVENTS:]]
    return [*shown, *_rest(others, Text("other events")), *_unknown(sampled, totals)]


def _shares(
    sampled: Sequence[Counter[SampledAttempt]],
    totals: Sequence[float],
    key_of: Callable[[SampledAttempt], K],
) -> dict[K, list[float]]:
    """How many attempts of each bar have each key, scaled to all attempts of the bar."""
    found: dict[K, list[float]] = {}
    for bar, (attempts, total) in enumerate(zip(sampled, totals, strict=True)):
        size = attempts.total()
        for attempt, count in attempts.items():
            values = found.setdefault(key_of(attempt), [0.0] * len(totals))
            values[bar] += count * max(total, size) / size
    return found


def _rest(lists: Sequence[Sequence[float]], name: Text) -> list[Series]:
    """All of the others as one series; none without them."""
    if not lists:
        return []
    values = [sum(column) for column in zip(*lists, strict=True)]
    return [Series(name=name, kind="other", values=values)]


def _unknown(sampled: Sequence[Counter[SampledAttempt]], totals: Sequence[float]) -> list[Series]:
    """The attempts of bars of which none is in the log any more."""
    values = [0.0 if attempts else total for attempts, total in zip(sampled, totals, strict=True)]
    if not any(values):
        return []
    return [Series(name=Text("no longer in the log"), kind="gone", values=values)]
