"""The metrics that an operator watches, in Prometheus format. No globals."""

import platform
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Gauge, Metric, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from winnerr_webhooks import __version__

_PREFIX: Final = "winnerr_webhooks_"
_LABELS: Final = {
    "events_refused": ["status"],
    "attempts": ["outcome", "kind"],
    "local_shortages": ["lack"],
    "mails": ["outcome"],
}
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_WRITES: Final = (0.001, 0.0025, *_SECONDS[:-2])
_DELAYS: Final = (*_SECONDS, 600, 3600)
"""The bounds of the histograms in seconds."""


_FOLDED: Final = 1_024
"""Durations that a histogram keeps until it sorts them into its buckets."""


class _Histogram:
    """Counts durations in buckets.

    It sorts many durations into their buckets at once: for every event, a search would cost more
    than everything else that its metrics do.
    """

    def __init__(self, name: str, help_: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._help = help_
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        """The number of durations up to each bound and above the one before; then the rest."""
        self._seconds = 0.0
        self._new: list[float] = []
        """Durations that are not counted yet."""

    def note(self, durations: Sequence[float]) -> None:
        self._new += durations
        if len(self._new) >= _FOLDED:
            self._fold()

    def _fold(self) -> None:
        new, self._new = sorted(self._new), []
        ends = [bisect_right(new, bound) for bound in self._bounds]
        for index, (begin, end) in enumerate(pairwise([0, *ends, len(new)])):
            self._counts[index] += end - begin
        self._seconds += sum(new)

    def family(self) -> HistogramMetricFamily:
        self._fold()
        bounds = [*map(str, map(float, self._bounds)), "+Inf"]
        return HistogramMetricFamily(
            _PREFIX + self._name,
            self._help,
            buckets=list(zip(bounds, accumulate(self._counts), strict=True)),
            sum_value=self._seconds,
        )


class _Counters(Collector):
    """The counters of events, attempts and deliveries, for use in one thread.

    They are plain numbers, because the counters of the library take a lock at each step.
    """

    def __init__(self, timeout: float) -> None:
        self.accepted = 0
        self.repeated = 0
        self.data_wrong = 0
        self.leases_released = 0
        self.shortages: Counter[str] = Counter()
        """By the operating system's name of the error, such as `EMFILE`."""
        self.refused: Counter[str] = Counter()
        """By status."""
        self.succeeded = 0
        self.failed: Counter[str] = Counter()
        """By error kind."""
        self.deliveries_failed = 0
        self.disabled = 0
        self.operational_events = 0
        self.mails: Counter[str] = Counter()
        """By outcome."""
        self.attempts = _Histogram(
            "attempt_duration_seconds",
            "Duration of an attempt.",
            [*(bound for bound in _SECONDS if bound < timeout), timeout],
        )
        self.accepts = _Histogram(
            "accept_duration_seconds", "Time from the request for an event to its answer.", _WRITES
        )
        self.commits = _Histogram(
            "commit_duration_seconds", "Time to store one batch of events.", _WRITES
        )
        self.delays = _Histogram(
            "first_attempt_delay_seconds",
            "Time from the request for an event to the start of a delivery's first attempt.",
            _DELAYS,
        )

    def collect(self) -> Iterator[Metric]:
        """Yield all counters and histograms."""
        yield _counter("events_accepted", "Events accepted.", self.accepted)
        yield _counter(
            "events_repeated", "Repeated calls, which got the first answer again.", self.repeated
        )
        yield _counter(
            "events_with_wrong_data",
            "Events whose data their type's schema does not allow; VALIDATE_DATA=warn takes them.",
            self.data_wrong,
        )
        refused = _counter("events_refused", "Refused calls that sent events, by status.")
        for status, count in self.refused.items():
            refused.add_metric([status], count)
        yield refused
        attempts = _counter("attempts", "Attempts, by outcome and error kind.")
        attempts.add_metric(["succeeded", ""], self.succeeded)
        for kind, count in self.failed.items():
            attempts.add_metric(["failed", kind], count)
        yield attempts
        for histogram in (self.accepts, self.commits, self.delays, self.attempts):
            yield histogram.family()
        yield _counter(
            "deliveries_failed", "Deliveries whose last attempt failed.", self.deliveries_failed
        )
        yield _counter(
            "operational_events", "Operational events accepted.", self.operational_events
        )
        mails = _counter("mails", "Mails about webhooks, by outcome.")
        for outcome, count in self.mails.items():
            mails.add_metric([outcome], count)
        yield mails
        yield _counter("webhooks_disabled", "Webhooks disabled by the service.", self.disabled)
        yield _counter(
            "leases_given_back",
            "Deliveries whose lease was released without an attempt.",
            self.leases_released,
        )
        shortages = _counter(
            "local_shortages",
            "Attempts that could not start because this machine was out of something, by error.",
        )
        for code, count in self.shortages.items():
            shortages.add_metric([code], count)
        yield shortages


class _Bound(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def limit(self) -> int: ...


class BudgetUse(Protocol):
    """A limit and how much of it is in use; implemented by `quotas.Budget`."""

    refused: int

    @property
    def bound(self) -> _Bound:
        """Name and limit."""
        ...

    @property
    def in_use(self) -> float:
        """Units in use now."""
        ...


class _BudgetCollector(Collector):
    """The limits of the node, by name."""

    def __init__(self, budgets: Iterable[BudgetUse]) -> None:
        self._budgets = budgets

    def collect(self) -> Iterator[Metric]:
        """Yield limit, use and refusals of each budget."""
        name = f"{_PREFIX}budget_"
        limit = GaugeMetricFamily(f"{name}limit", "The limit of a budget.", labels=["budget"])
        in_use = GaugeMetricFamily(
            f"{name}in_use", "How much of a budget is in use.", labels=["budget"]
        )
        refused = CounterMetricFamily(
            f"{name}refused", "How often something exceeded a budget.", labels=["budget"]
        )
        for budget in self._budgets:
            label = [budget.bound.name]
            limit.add_metric(label, budget.bound.limit)
            in_use.add_metric(label, budget.in_use)
            refused.add_metric(label, budget.refused)
        yield from (limit, in_use, refused)


class Metrics:
    """The metrics of one process, and those of the database that it reads.

    They are in two registries, because several worker processes each have their own counters, but
    share the database. `timeout` is the time limit of an attempt in seconds.
    """

    def __init__(self, timeout: float = 10.0) -> None:
        self._registry = registry = CollectorRegistry()
        self._database = CollectorRegistry()
        self._counters = _Counters(timeout)
        registry.register(self._counters)
        ProcessCollector(registry=registry)
        build = Gauge(
            f"{_PREFIX}build_info",
            "The running version; the value is always 1.",
            ["version", "python"],
            registry=registry,
        )
        build.labels(__version__, platform.python_version()).set(1)
        self._stored = {
            name: _gauge(name, help_, self._database)
            for name, help_ in (
                ("pending", "Pending deliveries."),
                ("oldest_pending_age_seconds", "Age of the oldest pending delivery."),
                ("lanes_waiting", "Webhooks with deliveries waiting in the database."),
                ("jobs", "Background jobs that have not finished."),
                ("database_size_bytes", "Size of the database, without its write-ahead log."),
                ("outbox_waiting", "Events of the outbox that wait."),
                ("outbox_oldest_age_seconds", "Age of the oldest of them."),
                ("outbox_refused", "Events of the outbox that were refused."),
            )
        }

    def event_accepted(self, events: int = 1) -> None:
        """Count stored events."""
        self._counters.accepted += events

    def event_repeated(self) -> None:
        """Count a repeated call."""
        self._counters.repeated += 1

    def data_wrong(self) -> None:
        """Count an event whose data its type's schema does not allow."""
        self._counters.data_wrong += 1

    def event_refused(self, status: int) -> None:
        """Count a call that was refused or answered 503."""
        self._counters.refused[str(status)] += 1

    def attempts_made(self, durations: Sequence[float], failed: Sequence[str] = ()) -> None:
        """Count attempts. `durations` are in seconds; `failed` are the error kinds of failures."""
        counters = self._counters
        counters.attempts.note(durations)
        counters.succeeded += len(durations) - len(failed)
        if failed:
            counters.failed.update(failed)

    def events_answered(self, durations: Sequence[float]) -> None:
        """Record the seconds from the requests for events until these were stored."""
        self._counters.accepts.note(durations)

    def batch_committed(self, seconds: float) -> None:
        """Record the time to store a batch of events."""
        self._counters.commits.note([seconds])

    def first_attempts_started(self, delays: Sequence[float]) -> None:
        """Record the seconds from the requests for events to the first attempts of deliveries.

        A delay below 0 counts as 0: the clock may have been set back in between.
        """
        self._counters.delays.note([max(delay, 0.0) for delay in delays])

    def delivery_failed(self) -> None:
        """Count a delivery whose last attempt failed."""
        self._counters.deliveries_failed += 1

    def webhooks_disabled(self, webhooks: int) -> None:
        """Count webhooks that the service disabled."""
        self._counters.disabled += webhooks

    def operational_event_accepted(self) -> None:
        """Count an operational event that this node has accepted."""
        self._counters.operational_events += 1

    def mail_handled(self, outcome: str) -> None:
        """Count a mail that was `sent`, is to be tried again (`delayed`), or was `dropped`."""
        self._counters.mails[outcome] += 1

    def leases_released(self, deliveries: int) -> None:
        """Count deliveries whose lease was released without an attempt."""
        self._counters.leases_released += deliveries

    def local_shortage(self, code: str) -> None:
        """Count an attempt that could not start because this machine is out of something."""
        self._counters.shortages[code] += 1

    def watch(self, name: str, help_: str, value: Callable[[], float]) -> None:
        """Add a gauge of this process; `value` is called whenever metrics are rendered."""
        _gauge(name, help_, self._registry).set_function(value)

    def watch_budgets(self, budgets: Iterable[BudgetUse]) -> None:
        """Add the limits of this process; they are read whenever metrics are rendered."""
        self._registry.register(_BudgetCollector(budgets))

    def set_database_status(
        self, *, pending: int, oldest_pending_age: float, lanes_waiting: int, jobs: int, size: int
    ) -> None:
        """Set the gauges of the database."""
        self._stored["pending"].set(pending)
        self._stored["oldest_pending_age_seconds"].set(oldest_pending_age)
        self._stored["lanes_waiting"].set(lanes_waiting)
        self._stored["jobs"].set(jobs)
        self._stored["database_size_bytes"].set(size)

    def set_outbox_status(self, *, waiting: int, oldest_age: float, refused: int) -> None:
        """Set the gauges of the outbox."""
        self._stored["outbox_waiting"].set(waiting)
        self._stored["outbox_oldest_age_seconds"].set(oldest_age)
        self._stored["outbox_refused"].set(refused)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format 0.0.4."""
        return self.render_process() + self.render_database()

    def render_process(self) -> bytes:
        """Return the metrics of this process."""
        return generate_latest(self._registry)

    def render_database(self) -> bytes:
        """Return the metrics of the database, which all processes share."""
        return generate_latest(self._database)


def _gauge(name: str, help_: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(_PREFIX + name, help_, registry=registry)


def _counter(name: str, help_: str, value: float | None = None) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, help_, value=value, labels=_LABELS.get(name))
