"""What a bench is given, and what it gives back."""

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

from bench.child import PATIENCE, BenchError, until
from bench.postgres import Postgres
from bench.processes import Receiver, Service, free_port, run_part

T = TypeVar("T")
PERFORMANCE = Path(__file__).parents[1] / "docs" / "performance"
Cell = str | float | int | None


@dataclass(frozen=True)
class Scale:
    """How long and how big: `quick` shows that a bench works, its figures mean nothing."""

    name: str
    rounds: int
    seconds: float
    """Of one phase of load."""
    steady_seconds: float
    """Of a phase whose rare slow answers count: latency, isolation."""
    drain_seconds: float
    """How long a drain is watched; 0: to its end."""
    clients: int
    backlog: int
    attempts: Sequence[int]
    webhooks: Sequence[int]
    isolation_webhooks: int
    isolation_rate: int
    hanging: Sequence[int]
    tls_receivers: int
    celery_deliveries: int
    rate: int
    """Requests a second of an open loop."""
    attack_size: float
    """Share of the webhooks, connections and rows that an attack of `fairness` has in full."""
    attack_seconds: float
    """Of a stream during an attack."""
    rest_seconds: float
    """How long services at rest are watched."""
    quiet_seconds: float
    """Of a stream at a low rate; longer where it would have fewer than four events."""
    quiet_rates: Sequence[int] = (1, 10, 50, 200)


QUICK = Scale(
    name="quick",
    rounds=1,
    seconds=0.3,
    steady_seconds=0.5,
    drain_seconds=0.5,
    clients=16,
    backlog=3_000,
    attempts=(100, 1_000),
    webhooks=(50,),
    isolation_webhooks=50,
    isolation_rate=200,
    hanging=(0, 5),
    tls_receivers=5,
    celery_deliveries=100,
    rate=200,
    attack_size=0.01,
    attack_seconds=0.5,
    rest_seconds=1.0,
    quiet_seconds=0.5,
    quiet_rates=(50, 200),
)
NORMAL = Scale(
    name="normal",
    rounds=3,
    seconds=1.5,
    steady_seconds=5.0,
    drain_seconds=30.0,
    clients=64,
    backlog=1_000_000,
    attempts=(1_000, 1_000_000),
    webhooks=(10, 100_000),
    isolation_webhooks=1_000,
    isolation_rate=400,
    hanging=(0, 10, 100),
    tls_receivers=200,
    celery_deliveries=1_500,
    rate=500,
    attack_size=1.0,
    attack_seconds=5.0,
    rest_seconds=12.0,
    quiet_seconds=3.0,
)
FULL = Scale(
    name="full",
    rounds=5,
    seconds=5.0,
    steady_seconds=20.0,
    drain_seconds=0.0,
    clients=64,
    backlog=1_000_000,
    attempts=(1_000, 10_000, 100_000, 1_000_000, 10_000_000),
    webhooks=(10, 100, 1_000, 10_000, 100_000),
    isolation_webhooks=1_000,
    isolation_rate=400,
    hanging=(0, 10, 100),
    tls_receivers=200,
    celery_deliveries=5_000,
    rate=500,
    attack_size=1.0,
    attack_seconds=20.0,
    rest_seconds=30.0,
    quiet_seconds=15.0,
)


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; numbers are shown with as many digits as they deserve."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass
class Outcome:
    """What a bench found."""

    tables: list[Table]
    figures: dict[str, float] = field(default_factory=dict)
    """By name: what the targets are judged by."""
    rounds: list[dict] = field(default_factory=list)
    """Every measurement, in the order it was taken."""
    notes: list[str] = field(default_factory=list)
    """What was left out and why, what was counted, in sentences."""
    plots: dict[str, str] = field(default_factory=dict)
    """SVG by file name."""


class Stage:
    """Where a bench runs: its folder on the disk, its size, and the end of what it starts."""

    def __init__(self, scale: Scale, folder: Path, out: Path) -> None:
        self.scale = scale
        self.folder = folder
        """Its own, on the disk; it goes with the bench."""
        self.out = out
        """Where results stay."""
        self.postgres_version: str | None = None
        self._stack = ExitStack()

    def say(self, text: str) -> None:
        """Tell how far it is, on stderr."""
        print(f"  {text}", file=sys.stderr, flush=True)

    def enter(self, thing: AbstractContextManager[T]) -> T:
        """Start something that lives as long as the stage."""
        return self._stack.enter_context(thing)

    def apart(self) -> "Stage":
        """A stage within this one, for what has to end before it."""
        return Stage(self.scale, self.folder, self.out)

    def receiver(self, address: str = "127.0.0.1", count: int = 1) -> Receiver:
        return self.enter(Receiver(self.folder, address, count))

    def service(self, **options: object) -> Service:
        """A service, to be seeded perhaps, and then entered."""
        return Service(self.folder, **options)

    def postgres(self) -> Postgres:
        server = self.enter(Postgres(self.folder, free_port()))
        self.postgres_version = server.version()
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *given: object) -> None:
        self._stack.__exit__(*given)


def put_load(service: Service, mode: str, seconds: float, **more: object) -> dict:
    """Put load on a service; what `parts/load.py` prints."""
    orders = {"port": service.port, "key": service.key, "mode": mode, "seconds": seconds, **more}
    return run_part("load.py", orders)


def load(service: Service, mode: str, seconds: float, **more: object) -> dict:
    """The same; `BenchError` unless all were accepted."""
    answer = put_load(service, mode, seconds, **more)
    if answer["statuses"] != {"202": answer["requests"]} or answer["errors"]:
        raise BenchError(
            f"not all was accepted: statuses {answer['statuses']}, {answer['errors']} with errors;"
            f" the first refusal:\n{answer['refused']}"
        )
    return answer


def burst(
    service: Service, receiver: Receiver, clients: int, seconds: float, *, fan_out: int = 1,
    **more: object,
) -> dict:  # fmt: skip
    """Closed-loop load, until all its events are in the log: rates, and CPU an event.

    The window runs from the first request to the moment the last attempt is seen in the log; CPU
    is that of all processes of the service, the database, the receiver and the load.
    """
    receiver.ask("/report")
    before = service.settled()
    cpu = service.cpu(), service.database_cpu(), receiver.cpu()
    answer = load(service, "closed", seconds, clients=clients, **more)
    events = answer["events"]
    deliveries = events * fan_out
    _wait_settled(service, before + deliveries, answer["first"], before)
    wall = time.monotonic() - answer["first"]
    used = service.cpu(), service.database_cpu(), receiver.cpu()
    report = receiver.ask("/report")
    seen = report["seen"]
    logged = service.settled() - before
    if not events * fan_out == seen == logged:
        raise BenchError(f"it does not add up: {deliveries} due, {seen} received, {logged} logged")
    service_cpu, database_cpu, receiver_cpu = (b - a for a, b in zip(cpu, used, strict=True))
    return {
        "events": events,
        "deliveries": deliveries,
        "seconds": wall,
        "events_per_s": events / wall,
        "deliveries_per_s": deliveries / wall,
        "cpu_us": (service_cpu + database_cpu) / events * 1e6,
        "delivery_cpu_us": (service_cpu + database_cpu) / deliveries * 1e6,
        "database_cpu_us": database_cpu / events * 1e6,
        "receiver_cpu_us": receiver_cpu / deliveries * 1e6,
        "load_cpu_us": answer["cpu"] / answer["requests"] * 1e6,
        "new_connections_per_event": report["connections"] / events,
        "accept_ms": answer["accept_ms"],
    }


def _wait_settled(service: Service, total: int, began: float, before: int) -> None:
    """Wait until it has settled `total` attempts; it had settled `before` of them when it `began`.

    A look costs the service as much as ten to twenty events. So there are few of them: the next one
    comes after half of the time that the rest takes at the rate so far.
    """
    end = time.monotonic() + PATIENCE
    while (settled := service.settled()) < total:
        now = time.monotonic()
        if now > end:
            raise BenchError("gave up waiting for the last attempt in the log")
        left = (total - settled) * (now - began) / max(settled - before, 1)
        time.sleep(min(max(left / 2, 0.02), 0.5))


def stream(
    service: Service, receiver: Receiver, rate: float, seconds: float, **more: object
) -> dict:
    """Open-loop load for so long: from when each event was due to its first byte there."""
    receiver.ask("/report")
    before = service.settled()
    cpu = service.cpu() + service.database_cpu()
    answer = load(service, "open", seconds, clients=64, rate=rate, **more)
    until(lambda: service.settled() - before >= answer["events"], "the last attempt in the log")
    return {
        "events": answer["events"],
        "cpu_us": (service.cpu() + service.database_cpu() - cpu) / answer["events"] * 1e6,
        "delays_ms": receiver.ask("/report")["delays_ms"],
        "accept_ms": answer["accept_ms"],
        "late_ms": answer["late_ms"],
    }
