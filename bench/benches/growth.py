"""growth: the same work on a database that holds more and more.

With 10^3 … 10^6 attempts in the log (10^7 in `make bench-full`), and with 10 … 10^5 webhooks. At
each size a small database is measured in turn with the big one. The ratio within one round is the
result; its curve should be flat. Attempts and webhooks get there through the
storage's own verbs while no server runs.
"""

import shutil
import time
from pathlib import Path

from bench import machine
from bench.arithmetic import median, median_of, median_ratio, spread
from bench.processes import Receiver, Service
from bench.stage import Outcome, Stage, Table, burst, stream
from bench.svg import Line, lines

ORGANIZATIONS = 10
GIB_A_MILLION = 2.0
"""Disk that a million attempts with their events may need, on the safe side."""
PAGES = 10
"""How often a page of the log is asked for."""


def run(stage: Stage) -> Outcome:
    receiver = stage.receiver()
    notes: list[str] = []
    attempts = _by_attempts(stage, receiver, notes)
    webhooks = _by_webhooks(stage, receiver)
    return _outcome(stage.scale.attempts[0], attempts, webhooks, notes)


def _by_attempts(stage: Stage, receiver: Receiver, notes: list[str]) -> list[dict]:
    """A round of measurements at each number of stored attempts beyond the first."""
    smallest, *sizes = stage.scale.attempts
    hook = f"http://127.0.0.1:{receiver.port}/hook"
    base, small, big = (stage.folder / f"{name}.db" for name in ("base", "small", "big"))
    stage.service(database=base).seed(
        webhooks=[(number, hook) for number in range(ORGANIZATIONS)],
        attempts=[ORGANIZATIONS, smallest],
    )
    _copy(base, big)
    found = []
    for size in sizes:
        needed = GIB_A_MILLION * size / 1e6
        if machine.free_gib(stage.folder) < needed:
            notes.append(f"{size:,} attempts are left out: they need {needed:.0f} GiB of disk.")
            break
        _copy(base, small)
        seeding = _fill(stage, big, size)
        stage.say(f"{size:,} attempts stored ({seeding:.0f} s)")
        with stage.apart() as apart:
            names = {"small": small, "big": big}
            services = {
                name: apart.enter(apart.service(database=file)) for name, file in names.items()
            }
            found.append({"size": size, "rounds": _turns(stage, receiver, services)})
    big.unlink()
    return found


def _fill(stage: Stage, file: Path, size: int) -> float:
    service = stage.service(database=file)
    there = service.ask_database("SELECT count(*) FROM attempt")
    return service.seed(attempts=[ORGANIZATIONS, max(size - there, 0)])


def _copy(source: Path, target: Path) -> None:
    for end in ("", ".keys"):
        shutil.copy(f"{source}{end}", f"{target}{end}")
    for end in ("-wal", "-shm"):
        Path(f"{target}{end}").unlink(missing_ok=True)


def _turns(stage: Stage, receiver: Receiver, services: dict[str, Service]) -> list[dict]:
    """Small and big in turn: a warm-up, then throughput, latency, and a page of the log."""
    scale = stage.scale
    ten = {"organizations": ORGANIZATIONS}
    for service in services.values():
        burst(service, receiver, scale.clients, scale.seconds / 4, **ten)
    rounds = []
    for _ in range(max(scale.rounds - 1, 1)):
        found: dict = {name: {} for name in services}
        for name, service in services.items():
            found[name]["burst"] = burst(
                service, receiver, scale.clients, 0.8 * scale.seconds, **ten
            )
        for name, service in services.items():
            streamed = stream(service, receiver, scale.rate, 0.8 * scale.seconds, **ten)
            found[name]["delivered_ms"] = spread(streamed["delays_ms"])
            found[name]["accept_ms"] = streamed["accept_ms"]
            found[name]["log_page_ms"] = _log_page_ms(service)
        rounds.append(found)
    return rounds


def _log_page_ms(service: Service) -> float:
    taken = []
    for _ in range(PAGES):
        started = time.perf_counter()
        service.request("/api/v1/organizations/org_000000/logs?limit=50")
        taken.append((time.perf_counter() - started) * 1000)
    return median(taken)


def _by_webhooks(stage: Stage, receiver: Receiver) -> list[dict]:
    """Load for ten of many webhooks, for all of them in turn, and for ten alone."""
    hook = f"http://127.0.0.1:{receiver.port}/hook"
    found = []
    with stage.apart() as outer:
        few = outer.service()
        few.seed(webhooks=[(number, hook) for number in range(ORGANIZATIONS)])
        outer.enter(few)
        for size in stage.scale.webhooks:
            with stage.apart() as apart:
                many = apart.service()
                many.seed(webhooks=[(number, hook) for number in range(size)])
                apart.enter(many)
                found.append(
                    {"size": size, "rounds": _spread_turns(stage, receiver, few, many, size)}
                )
            stage.say(f"{size:,} webhooks")
    return found


def _spread_turns(
    stage: Stage, receiver: Receiver, few: Service, many: Service, size: int
) -> list[dict]:
    scale = stage.scale
    rounds = []
    for _ in range(max(scale.rounds - 1, 1)):
        seconds = 0.4 * scale.seconds
        ten = {"organizations": ORGANIZATIONS}
        found = {
            "few": burst(few, receiver, scale.clients, seconds, **ten),
            "ten": burst(many, receiver, scale.clients, seconds, **ten),
            "all": burst(many, receiver, scale.clients, seconds, organizations=size),
        }
        streamed = stream(many, receiver, scale.rate, seconds, organizations=size)
        found["delivered_ms"] = spread(streamed["delays_ms"])
        rounds.append(found)
    return rounds


def _outcome(
    smallest: int, attempts: list[dict], webhooks: list[dict], notes: list[str]
) -> Outcome:
    rate = "events_per_s"
    every = [found for one in attempts for found in one["rounds"]]
    small_rate = median_of(every, "small", "burst", rate)
    figures = {}
    rows = [[
        smallest, small_rate, 1.0, 1.0, median_of(every, "small", "delivered_ms", "p50"),
        median_of(every, "small", "delivered_ms", "p99"), 1.0,
        median_of(every, "small", "log_page_ms"),
    ]]  # fmt: skip
    for one in attempts:
        size, rounds = one["size"], one["rounds"]
        kept = median_ratio(rounds, ("big", "burst", rate), ("small", "burst", rate))
        figures[f"kept_at_{size}"] = kept
        rows.append([
            size, median_of(rounds, "big", "burst", rate), kept,
            median_ratio(rounds, ("big", "burst", "cpu_us"), ("small", "burst", "cpu_us")),
            median_of(rounds, "big", "delivered_ms", "p50"),
            median_of(rounds, "big", "delivered_ms", "p99"),
            median_ratio(rounds, ("big", "delivered_ms", "p50"), ("small", "delivered_ms", "p50")),
            median_of(rounds, "big", "log_page_ms"),
        ])  # fmt: skip
    columns = ["attempts stored", "events/s", "to the smallest", "CPU to the smallest", "p50 ms",
               "p99 ms", "p50 to the smallest", "page of the log ms"]  # fmt: skip
    more = []
    for one in webhooks:
        size, rounds = one["size"], one["rounds"]
        figures[f"webhooks_kept_at_{size}"] = median_ratio(rounds, ("ten", rate), ("few", rate))
        more.append([
            size, median_of(rounds, "ten", rate), figures[f"webhooks_kept_at_{size}"],
            median_of(rounds, "all", rate), median_ratio(rounds, ("all", rate), ("few", rate)),
            median_of(rounds, "all", "new_connections_per_event"),
            median_of(rounds, "delivered_ms", "p50"), median_of(rounds, "delivered_ms", "p99"),
        ])  # fmt: skip
    more_columns = ["webhooks", "events/s, for ten of them", "to ten alone", "events/s, for all",
                    "to ten alone", "connections/event", "p50 ms", "p99 ms"]  # fmt: skip
    notes = [
        (
            "Each turn on the big database has one on the small one beside it; ratios are within "
            "a round. Webhooks are of as many organizations: a delivery to one that was not "
            "written to lately opens a connection: that is what events for all of many cost."
        ),
        *notes,
    ]
    return Outcome(
        [Table("By attempts in the log", columns, rows), Table("By webhooks", more_columns, more)],
        figures,
        [{"attempts": attempts, "webhooks": webhooks}],
        notes,
        _plots((smallest, small_rate), attempts, webhooks),
    )


def _plots(first: tuple[int, float], attempts: list[dict], webhooks: list[dict]) -> dict[str, str]:
    def line(label: str, found: list[dict], *path: str) -> Line:
        return Line(label, [(one["size"], median_of(one["rounds"], *path)) for one in found])

    rate = "events_per_s"
    big = line("that database", attempts, "big", "burst", rate)
    return {
        "growth.svg": lines(
            "Throughput by attempts in the log",
            [Line(big.label, [first, *big.points]),
             line("the smallest, beside it", attempts, "small", "burst", rate)],
            "attempts stored, logarithmic", "events/s", log_x=True,
        ),
        "growth-webhooks.svg": lines(
            "Throughput by webhooks",
            [line("for ten of them", webhooks, "ten", rate),
             line("for all of them", webhooks, "all", rate),
             line("ten alone, beside it", webhooks, "few", rate)],
            "webhooks, logarithmic", "events/s", log_x=True,
        ),
    }  # fmt: skip
