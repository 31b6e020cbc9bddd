"""What was aimed at, and whether it was met."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.svg import number

Verdict = Literal["met", "not met", "not measured"]


@dataclass(frozen=True)
class Target:
    bench: str
    what: str
    figure: str
    """Of that bench's outcome."""
    limit: float | str
    """A number, or the name of a figure that is the limit in this run."""
    at_least: bool = False
    """Whether the figure has to reach the limit; else it must not exceed it."""
    unit: str = ""

    def judge(self, figures: Mapping[str, float]) -> "Judgement":
        value = figures.get(self.figure)
        limit = figures.get(self.limit) if isinstance(self.limit, str) else self.limit
        if value is None or limit is None:
            return Judgement(self, None, limit, "not measured")
        met = value >= limit if self.at_least else value <= limit
        return Judgement(self, value, limit, "met" if met else "not met")


@dataclass(frozen=True)
class Judgement:
    target: Target
    value: float | None
    limit: float | None
    verdict: Verdict

    @property
    def aim(self) -> str:
        if self.limit is None:
            return "—"
        unit = f" {self.target.unit}".rstrip()
        return f"{'≥' if self.target.at_least else '≤'} {number(self.limit)}{unit}"

    @property
    def found(self) -> str:
        unit = f" {self.target.unit}".rstrip()
        return "—" if self.value is None else f"{number(self.value)}{unit}"


TARGETS = (
    Target("baseline", "single events on SQLite, to Celery's deliveries a second",
           "service_to_baseline", 15, at_least=True, unit="times"),
    Target("throughput", "single events on SQLite, CPU an event to a bare post's",
           "single_to_limit", 5, unit="times"),
    Target("throughput", "100 events a request, CPU an event to a bare post's",
           "batch_to_limit", 3.5, unit="times"),
    Target("throughput", "PostgreSQL's events a second to SQLite's",
           "postgresql_to_sqlite", 0.5, at_least=True, unit="times"),
    Target("throughput", "PostgreSQL's own CPU an event", "postgresql_own_us", 60, unit="µs"),
    Target("latency", "p50 at 500 events/s: 3 ms and two fsyncs", "p50_ms", "p50_allowed_ms",
           unit="ms"),
    Target("latency", "p99 at 500 events/s", "p99_ms", 25, unit="ms"),
    Target("latency", "p50 with a delivery node apart from the API node", "apart_p50_ms", 20,
           unit="ms"),
    Target("isolation", "others' p99 with 100 of 1,000 hanging, to none hanging",
           "p99_ratio_100", 1.25, unit="times"),
    *(
        Target("fairness", f"{what}, on {name}", f"{database}_{figure}", limit, unit=unit)
        for database, name in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL"))
        for what, figure, limit, unit in (
            ("accept p99 of the victim, worst round", "p99_ms", 100, "ms"),
            ("accept p50 of the victim, worst round to quiet", "p50_ratio", 2, "times"),
            ("posts refused to the victim, all rounds", "refused", 0, ""),
            ("attempts failed for our own lack, all rounds", "failed_attempts", 0, ""),
            ("batches and their events never accepted", "batches_lost", 0, ""),
            ("memory that bodies held short add", "bodies_mib", 128, "MiB"),
            ("SIGTERM to exit, worst round", "stop_s", 20, "s"),
            ("rounds the service did not live through", "rounds_failed", 0, ""),
        )
    ),
    Target("backlog", "memory with 10⁶ waiting, beyond none waiting", "memory_growth_mib",
           150, unit="MiB"),
    Target("backlog", "drain to the steady rate", "drain_to_steady", 0.9, at_least=True,
           unit="times"),
    Target("backlog", "accept p99 of a stream while it drains, to no backlog",
           "accept_p99_ratio", 2, unit="times"),
    Target("growth", "throughput with 10⁶ attempts stored, to 10³", "kept_at_1000000", 0.9,
           at_least=True, unit="times"),
    Target("growth", "throughput with 10⁷ attempts stored, to 10³ (make bench-full)",
           "kept_at_10000000", 0.9, at_least=True, unit="times"),
)  # fmt: skip


def judged(figures: Mapping[str, Mapping[str, float]]) -> list[Judgement]:
    """Every target, against the figures of each bench by its name."""
    return [target.judge(figures.get(target.bench, {})) for target in TARGETS]
