"""Telemetry: structured logs, and the metrics an operator watches. No globals."""

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECRET_NAMES: Final = ("secret", "authorization", "password", "token", "api_key", "signature")
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def set_up_logs(*, verbose: bool = False) -> None:
    """Send log events to stderr: readable lines on a terminal, JSON elsewhere."""
    renderers: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if sys.stderr.isatty()
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.INFO
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def hide_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Blank whatever is named like a secret: a last line of defence, not the first."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_NAMES):
            event[name] = "(hidden)"
    return event


class Metrics:
    """Counters and gauges of one process, and beside them what it read of the database.

    Two registries: processes that serve together show the first ones side by side, and what
    all of them would read of the one database once.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._database = CollectorRegistry()
        self._accepted = Counter(
            "winnerr_webhooks_events_accepted", "Events accepted.", registry=registry
        )
        self._repeated = Counter(
            "winnerr_webhooks_events_repeated",
            "Repeated calls answered with the first answer.",
            registry=registry,
        )
        self._refused = Counter(
            "winnerr_webhooks_events_refused",
            "Calls that sent events and were refused, by status.",
            ["status"],
            registry=registry,
        )
        self._attempts = Counter(
            "winnerr_webhooks_attempts",
            "Attempts made, by outcome and error kind.",
            ["outcome", "kind"],
            registry=registry,
        )
        self._duration = Histogram(
            "winnerr_webhooks_attempt_duration_seconds",
            "Time of one whole attempt.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._given_back = Counter(
            "winnerr_webhooks_leases_given_back",
            "Deliveries taken on and given back to the database without an attempt.",
            registry=registry,
        )
        self._stored = {
            name: _gauge(name, help_, self._database)
            for name, help_ in (
                ("pending", "Deliveries that still have an attempt coming."),
                ("oldest_pending_age_seconds", "Age of the oldest pending delivery."),
                ("lanes_waiting", "Webhooks with work waiting in the database."),
                ("jobs", "Big changes that still run."),
            )
        }
        self._succeeded = self._attempts.labels("succeeded", "")
        self._failed: dict[str, Counter] = {}
        self._refusals: dict[int, Counter] = {}

    def event_accepted(self, events: int = 1) -> None:
        """Count events that are on disk."""
        self._accepted.inc(events)

    def event_repeated(self) -> None:
        """Count a repeated call."""
        self._repeated.inc()

    def event_refused(self, status: int) -> None:
        """Count a call that was refused, or answered 503."""
        counter = self._refusals.get(status)
        if counter is None:
            counter = self._refusals[status] = self._refused.labels(str(status))
        counter.inc()

    def attempt_made(self, outcome: str, kind: str | None, seconds: float) -> None:
        """Count an attempt and the time it took."""
        self._duration.observe(seconds)
        if kind is None:
            self._succeeded.inc()
            return
        counter = self._failed.get(kind)
        if counter is None:
            counter = self._failed[kind] = self._attempts.labels(outcome, kind)
        counter.inc()

    def leases_given_back(self, deliveries: int) -> None:
        """Count deliveries that were taken on and not attempted here."""
        self._given_back.inc(deliveries)

    def watch(self, name: str, help_: str, value: Callable[[], float]) -> None:
        """Show a figure of this process, read when the metrics are."""
        _gauge(name, help_, self._registry).set_function(value)

    def stored(
        self, *, pending: int, oldest_pending_age: float, lanes_waiting: int, jobs: int
    ) -> None:
        """Show figures of the database, just read."""
        self._stored["pending"].set(pending)
        self._stored["oldest_pending_age_seconds"].set(oldest_pending_age)
        self._stored["lanes_waiting"].set(lanes_waiting)
        self._stored["jobs"].set(jobs)

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
    return Gauge(f"winnerr_webhooks_{name}", help_, registry=registry)
