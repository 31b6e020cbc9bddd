"""Telemetry: structured logs, and the metrics an operator watches. No globals."""

import logging
import platform
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any, Final, Protocol, TextIO, cast

import structlog
from prometheus_client import CollectorRegistry, Gauge, Metric, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from winnerr_webhooks import __version__

_SECRET_NAMES: Final = ("secret", "authorization", "password", "token", "api_key", "signature")
_PREFIX: Final = "winnerr_webhooks_"
_LABELS: Final = {
    "events_refused": ["status"],
    "attempts": ["outcome", "kind"],
    "local_shortages": ["lack"],
}
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_WRITES: Final = (0.001, 0.0025, *_SECONDS[:-2])
_DELAYS: Final = (*_SECONDS, 600, 3600)


def set_up_logs(level: str = "info", form: str = "") -> None:
    """Send log lines to stderr: one a line of JSON, or readable ones (`form` `json`, `console`).

    Without a form they are readable on a terminal and JSON elsewhere. What libraries and Python
    itself have to say (`logging`, warnings) comes in the same form, from `warning` on.
    """
    readable = form == "console" or (not form and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    renderers: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    stream = cast(TextIO, _Lossy(sys.stderr))
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    _catch_others(stream, shared, renderers)


def _catch_others(stream: TextIO, shared: list[Any], renderers: list[Any]) -> None:
    """Write records of the standard library's `logging` as ours, unless that is set up."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


class _Lossy:
    """A stream for logs: a line that cannot be written is lost, and nothing else with it.

    Whoever logs is in the middle of something: a disk that is full of logs, or a pipe whose reader
    has died, must not become an error of an attempt that was made.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: it was closed
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def hide_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Blank whatever is named like a secret: a last line of defence, not the first."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_NAMES):
            event[name] = "(hidden)"
    return event


class _Histogram:
    """Durations counted by class; as cheap as a look into a short list."""

    def __init__(self, name: str, help_: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._help = help_
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        """By the first bound that is no less than the seconds; beyond the last one."""
        self._seconds = 0.0

    def note(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._seconds += seconds

    def family(self) -> HistogramMetricFamily:
        bounds = [*map(str, map(float, self._bounds)), "+Inf"]
        return HistogramMetricFamily(
            _PREFIX + self._name,
            self._help,
            buckets=list(zip(bounds, accumulate(self._counts), strict=True)),
            sum_value=self._seconds,
        )


class _Road(Collector):
    """What is counted on the road of an event: plain numbers, for one thread, shown when asked.

    The library's own counters take a lock at each step.
    """

    def __init__(self, timeout: float) -> None:
        self.accepted = 0
        self.repeated = 0
        self.leases_released = 0
        self.shortages: Counter[str] = Counter()
        """By the operating system's word for what was lacking."""
        self.refused: Counter[str] = Counter()
        """By status."""
        self.succeeded = 0
        self.failed: Counter[str] = Counter()
        """By error kind."""
        self.failed_for_good = 0
        self.disabled = 0
        self.attempts = _Histogram(
            "attempt_duration_seconds",
            "Time of one whole attempt.",
            [*(bound for bound in _SECONDS if bound < timeout), timeout],
        )
        self.accepts = _Histogram(
            "accept_duration_seconds", "Time from an event's call to its answer.", _WRITES
        )
        self.commits = _Histogram(
            "commit_duration_seconds", "Time to store one batch of events.", _WRITES
        )
        self.delays = _Histogram(
            "first_attempt_delay_seconds",
            "Time from an event's call to the start of a delivery's first attempt.",
            _DELAYS,
        )

    def collect(self) -> Iterator[Metric]:
        """All of it."""
        yield _counter("events_accepted", "Events accepted.", self.accepted)
        yield _counter(
            "events_repeated", "Repeated calls answered with the first answer.", self.repeated
        )
        refused = _counter("events_refused", "Calls that sent events and were refused, by status.")
        for status, count in self.refused.items():
            refused.add_metric([status], count)
        yield refused
        attempts = _counter("attempts", "Attempts made, by outcome and error kind.")
        attempts.add_metric(["succeeded", ""], self.succeeded)
        for kind, count in self.failed.items():
            attempts.add_metric(["failed", kind], count)
        yield attempts
        for histogram in (self.accepts, self.commits, self.delays, self.attempts):
            yield histogram.family()
        yield _counter(
            "deliveries_failed", "Deliveries whose last attempt failed.", self.failed_for_good
        )
        yield _counter("webhooks_disabled", "Webhooks disabled by the service.", self.disabled)
        yield _counter(
            "leases_given_back",
            "Deliveries taken on and given back to the database without an attempt.",
            self.leases_released,
        )
        shortages = _counter(
            "local_shortages", "Attempts that could not start for what this machine lacks, by lack."
        )
        for lack, count in self.shortages.items():
            shortages.add_metric([lack], count)
        yield shortages


class _Bound(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def limit(self) -> int: ...


class Spent(Protocol):
    """A bound with what is in use of it (`budgets.Budget`)."""

    refused: int

    @property
    def bound(self) -> _Bound:
        """What is bounded."""
        ...

    @property
    def in_use(self) -> float:
        """Units in use now."""
        ...


class _Budgets(Collector):
    """The bounds of the node, by their names."""

    def __init__(self, budgets: Iterable[Spent]) -> None:
        self._budgets = budgets

    def collect(self) -> Iterator[Metric]:
        """Limit, use and refusals of each."""
        name = f"{_PREFIX}budget_"
        limit = GaugeMetricFamily(f"{name}limit", "The bound of a budget.", labels=["budget"])
        in_use = GaugeMetricFamily(f"{name}in_use", "What is in use of it.", labels=["budget"])
        refused = CounterMetricFamily(
            f"{name}refused", "How often something did not fit into it.", labels=["budget"]
        )
        for budget in self._budgets:
            label = [budget.bound.name]
            limit.add_metric(label, budget.bound.limit)
            in_use.add_metric(label, budget.in_use)
            refused.add_metric(label, budget.refused)
        yield from (limit, in_use, refused)


class Metrics:
    """Counters and gauges of one process, and beside them what it read of the database.

    Two registries: processes that serve together show the first ones side by side, and what
    all of them would read of the one database once. `timeout` is the longest attempt, in seconds.
    """

    def __init__(self, timeout: float = 10.0) -> None:
        self._registry = registry = CollectorRegistry()
        self._database = CollectorRegistry()
        self._road = _Road(timeout)
        registry.register(self._road)
        ProcessCollector(registry=registry)
        build = Gauge(
            f"{_PREFIX}build_info", "What runs: 1.", ["version", "python"], registry=registry
        )
        build.labels(__version__, platform.python_version()).set(1)
        self._stored = {
            name: _gauge(name, help_, self._database)
            for name, help_ in (
                ("pending", "Deliveries that still have an attempt coming."),
                ("oldest_pending_age_seconds", "Age of the oldest pending delivery."),
                ("lanes_waiting", "Webhooks with work waiting in the database."),
                ("jobs", "Big changes that still run."),
                ("database_size_bytes", "Size of the database, without its write-ahead log."),
            )
        }

    def event_accepted(self, events: int = 1) -> None:
        """Count events that are on disk."""
        self._road.accepted += events

    def event_repeated(self) -> None:
        """Count a repeated call."""
        self._road.repeated += 1

    def event_refused(self, status: int) -> None:
        """Count a call that was refused, or answered 503."""
        self._road.refused[str(status)] += 1

    def attempt_made(self, kind: str | None, seconds: float) -> None:
        """Count an attempt by its error kind (None: it succeeded), and the time it took."""
        road = self._road
        road.attempts.note(seconds)
        if kind is None:
            road.succeeded += 1
        else:
            road.failed[kind] += 1

    def answered(self, seconds: float) -> None:
        """Note the time from an event's call until it was stored."""
        self._road.accepts.note(seconds)

    def committed(self, seconds: float) -> None:
        """Note the time that a batch of events took to store."""
        self._road.commits.note(seconds)

    def first_attempt_begun(self, seconds: float) -> None:
        """Note the time from an event's call until a delivery was first attempted."""
        self._road.delays.note(max(seconds, 0.0))  # two readings of a clock that may be set back

    def failed_for_good(self) -> None:
        """Count a delivery whose last attempt failed."""
        self._road.failed_for_good += 1

    def webhooks_disabled(self, webhooks: int) -> None:
        """Count webhooks that the service disabled."""
        self._road.disabled += webhooks

    def leases_released(self, deliveries: int) -> None:
        """Count deliveries that were taken on and not attempted here."""
        self._road.leases_released += deliveries

    def local_shortage(self, lack: str) -> None:
        """Count an attempt that could not start because this machine lacks something."""
        self._road.shortages[lack] += 1

    def watch(self, name: str, help_: str, value: Callable[[], float]) -> None:
        """Show a figure of this process, read when the metrics are."""
        _gauge(name, help_, self._registry).set_function(value)

    def watch_budgets(self, budgets: Iterable[Spent]) -> None:
        """Show the bounds of this process, read when the metrics are."""
        self._registry.register(_Budgets(budgets))

    def stored(
        self, *, pending: int, oldest_pending_age: float, lanes_waiting: int, jobs: int, size: int
    ) -> None:
        """Show figures of the database, just read."""
        self._stored["pending"].set(pending)
        self._stored["oldest_pending_age_seconds"].set(oldest_pending_age)
        self._stored["lanes_waiting"].set(lanes_waiting)
        self._stored["jobs"].set(jobs)
        self._stored["database_size_bytes"].set(size)

    def render(self) -> bytes:
        """Everything in Prometheus' text format 0.0.4."""
        return self.render_process() + self.render_database()

    def render_process(self) -> bytes:
        """What this process counted."""
        return generate_latest(self._registry)

    def render_database(self) -> bytes:
        """What was last read of the database, which all processes share."""
        return generate_latest(self._database)


def _gauge(name: str, help_: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(_PREFIX + name, help_, registry=registry)


def _counter(name: str, help_: str, value: float | None = None) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, help_, value=value, labels=_LABELS.get(name))
