"""quiet: what the service costs at rest, and at 1, 10, 50 and 200 events a second.

Most installations have this load, on a small machine beside other things. At rest, several services
are watched at once: with one webhook, with 1,000, with 100,000, and with a page that shows the live
log. Then each database takes an open loop at each rate for one webhook, and at the highest rate
also for 200 webhooks of as many organizations. CPU and wake-ups are those of all processes, the
database's included; a wake-up is a voluntary context switch, counted over all threads. Where
`strace` is installed and may attach, disk syncs are counted too, in a stream of their own.
"""

import time
from dataclasses import dataclass

from bench.arithmetic import spread
from bench.observers import OpenPage, SyncCounter
from bench.postgres import Postgres
from bench.processes import Receiver, Service
from bench.stage import Outcome, Stage, Table, stream
from bench.svg import Bar, bars

MANY = 200
"""Webhooks, each of an organization of its own, that the events go to in turn."""
APART = (("--role", "api"), ("--role", "deliver"))
PERCENT_OF_A_CORE = 100


@dataclass(frozen=True)
class Plan:
    """One stream: its rate (events a second) and over how many webhooks it is spread."""

    rate: int
    webhooks: int = 1

    @property
    def name(self) -> str:
        return f"{self.rate}/s" if self.webhooks == 1 else f"{self.rate}/s, {self.webhooks} hooks"


def run(stage: Stage) -> Outcome:
    receiver = stage.receiver()
    hook = f"http://127.0.0.1:{receiver.port}/hook"
    missing = Postgres.missing()
    notes = [missing] if missing else []
    with stage.apart() as apart:
        rest = _at_rest(apart, hook, with_postgres=not missing)
    loaded = []
    for name in ["SQLite"] if missing else ["SQLite", "PostgreSQL", "PostgreSQL, api + deliver"]:
        with stage.apart() as apart:
            loaded += _under_load(apart, receiver, hook, name)
            stage.say(name)
    if not SyncCounter.available():
        notes.append("Disk syncs are not counted: strace is not installed, or may not attach.")
    return _outcome(rest, loaded, notes)


def _at_rest(stage: Stage, hook: str, *, with_postgres: bool) -> list[dict]:
    """Start all services that rest, and watch them together."""
    most = stage.scale.webhooks[-1]
    services = {
        "SQLite, 1 webhook": _resting(stage, hook, 1),
        "SQLite, 1,000 webhooks": _resting(stage, hook, 1_000),
        f"SQLite, {most:,} webhooks": _resting(stage, hook, most),
        "SQLite, 1 webhook, an open page": _resting(stage, hook, 1),
    }
    page = stage.enter(OpenPage(services["SQLite, 1 webhook, an open page"], "org_000000"))
    if with_postgres:
        for text, webhooks in (("1 webhook", 1), ("1,000 webhooks", 1_000)):
            services[f"PostgreSQL, {text}"] = _resting(
                stage, hook, webhooks, postgres=stage.postgres()
            )
    for service in services.values():
        service.request("/api/v1/event-types")  # answered once all of the service is loaded
    page.read_for(stage.scale.rest_seconds / 4)  # what follows a start is over after that
    before, began = [service.usage() for service in services.values()], time.monotonic()
    page.read_for(stage.scale.rest_seconds)
    seconds = time.monotonic() - began
    used = [service.usage() - then for service, then in zip(services.values(), before, strict=True)]
    stage.say("at rest")
    return [
        {
            "name": name,
            "cpu_percent": usage.cpu / seconds * PERCENT_OF_A_CORE,
            "wakeups_per_s": usage.wakeups / seconds,
            "memory_mib": services[name].resident_mib(),
        }
        for name, usage in zip(services, used, strict=True)
    ]


def _resting(stage: Stage, hook: str, webhooks: int, postgres: Postgres | None = None) -> Service:
    service = stage.service(postgres=postgres)
    service.seed(webhooks=[[0, hook]], keys=[None], copies=[[0, webhooks - 1, "active"]])
    return stage.enter(service)


def _under_load(stage: Stage, receiver: Receiver, hook: str, name: str) -> list[dict]:
    """One service, every plan in turn."""
    service = stage.service(
        postgres=None if name == "SQLite" else stage.postgres(),
        nodes=APART if "deliver" in name else ((),),
    )
    service.seed(webhooks=[[number, hook] for number in range(MANY)], keys=[None])
    stage.enter(service)
    service.request("/api/v1/event-types")  # answered once all of the service is loaded
    stream(service, receiver, 50, 1.0)  # windows open, connections made, statements prepared
    rates = stage.scale.quiet_rates
    found = []
    for plan in [*map(Plan, rates), Plan(rates[-1], MANY)]:
        seconds = max(stage.scale.quiet_seconds, 4 / plan.rate)
        before, began = service.usage(), time.monotonic()
        answer = stream(service, receiver, plan.rate, seconds, organizations=plan.webhooks)
        used = service.usage() - before
        found.append(
            {
                "name": name,
                "load": plan.name,
                "events": answer["events"],
                "cpu_us": used.cpu / answer["events"] * 1e6,
                "database_cpu_us": used.database_cpu / answer["events"] * 1e6,
                "wakeups": used.wakeups / answer["events"],
                "wakeups_per_s": used.wakeups / (time.monotonic() - began),
                "syncs": None,
                "accept_ms": answer["accept_ms"],
                "delivered_ms": spread(answer["delays_ms"]),
                "memory_mib": service.resident_mib(),
            }
        )
    if SyncCounter.available():
        for row, rate in zip(found, rates, strict=False):
            seconds = max(stage.scale.quiet_seconds / 3, 3 / rate)
            with SyncCounter(service, stage.folder) as counter:
                events = stream(service, receiver, rate, seconds)["events"]
            row["syncs"] = counter.syncs / events
    return found


def _outcome(rest: list[dict], loaded: list[dict], notes: list[str]) -> Outcome:
    at_rest = Table(
        "At rest",
        ["", "CPU, % of a core", "wake-ups/s", "memory of the node, MiB"],
        [list(row.values()) for row in rest],
    )
    columns = ["", "events", "CPU µs/event", "of it in the database", "wake-ups/event",
               "wake-ups/s", "disk syncs/event", "accept p50 ms", "p99", "to the receiver p50 ms",
               "p99", "memory MiB"]  # fmt: skip
    rows = [
        [f"{row['name']}, {row['load']}", row["events"], row["cpu_us"],
         row["database_cpu_us"] or None, row["wakeups"], row["wakeups_per_s"], row["syncs"],
         row["accept_ms"]["p50"], row["accept_ms"]["p99"], row["delivered_ms"]["p50"],
         row["delivered_ms"]["p99"], row["memory_mib"]]
        for row in loaded
    ]  # fmt: skip
    names = list(dict.fromkeys(row["name"] for row in loaded))
    plot = bars(
        "CPU of one event at a steady rate, all processes",
        [Bar(f"{row['name']}, {row['load']}", row["cpu_us"], names.index(row["name"]))
         for row in loaded],
        "microseconds", log=True,
    )  # fmt: skip
    figures = {
        "rest_cpu_percent": max(row["cpu_percent"] for row in rest[:2]),
        "rest_wakeups_per_s": max(row["wakeups_per_s"] for row in rest[:2]),
    }
    for row in loaded:
        where = row["name"].lower().replace(", api + deliver", "_apart")
        figures |= {f"{where}_{row['load'].replace('/s', '').replace(', 200 hooks', '_many')}_us":
                    row["cpu_us"]}  # fmt: skip
    return Outcome(
        [at_rest, Table("Open loop", columns, rows)],
        figures,
        [{"rest": rest, "loaded": loaded}],
        notes,
        {"quiet.svg": plot},
    )
