"""latency: from the moment an event is due to be posted to its first byte at the receiver.

An open loop: events are sent at a steady rate whether answers come or not, and each counts from
when it was due, so that a stall counts against all that it held up. At 500 events a second, and
at half of what the service managed at most just before. Beside it, in the same rounds: the same
posts straight to the receiver, and an fsync on the same disk. On PostgreSQL also with one node
that accepts and another one that delivers.
"""

import re

from bench import machine
from bench.arithmetic import median, median_of, spread
from bench.child import BenchError
from bench.postgres import Postgres
from bench.processes import Receiver, Service, run_part, serve_has
from bench.stage import Outcome, Stage, Table, burst, stream
from bench.svg import Bar, bars

ALLOWED_MS = 3.0
"""What the target allows beyond two fsyncs."""


def run(stage: Stage) -> Outcome:
    receiver = stage.receiver()
    hook = f"http://127.0.0.1:{receiver.port}/hook"
    notes: list[str] = []
    services = {"SQLite": stage.enter(stage.service())}
    services |= _on_postgres(stage, notes)
    for service in services.values():
        service.webhooks([(0, hook)])
    most = {
        name: burst(service, receiver, stage.scale.clients, stage.scale.seconds)["events_per_s"]
        for name, service in services.items()
    }
    plan = [(name, stage.scale.rate) for name in services] + [("SQLite", round(most["SQLite"] / 2))]
    rounds = []
    for number in range(max(stage.scale.rounds - 1, 1)):
        found = {"fsync_ms": machine.fsync_ms(stage.folder), "rows": []}
        for rate in sorted({rate for _, rate in plan}):
            found["rows"].append(_bare(receiver, rate, stage.scale.steady_seconds / 4))
        for name, rate in plan:
            found["rows"].append(_through(services[name], receiver, name, rate, stage))
        rounds.append(found)
        stage.say(f"round {number + 1}")
    return _outcome(rounds, most, notes)


def _on_postgres(stage: Stage, notes: list[str]) -> dict[str, Service]:
    missing = Postgres.missing()
    if missing is None and not serve_has("--role"):
        missing = "Nodes of their own for delivery are not measured: serve has no --role yet."
    if missing is None:
        try:
            server = stage.postgres()
            return {
                "PostgreSQL": stage.enter(stage.service(postgres=server)),
                "PostgreSQL, api + deliver": stage.enter(
                    stage.service(postgres=server, nodes=(("--role", "api"), ("--role", "deliver")))
                ),
            }
        except BenchError as error:
            missing = f"PostgreSQL is not measured: {error}"
    notes.append(missing)
    return {}


def _bare(receiver: Receiver, rate: int, seconds: float) -> dict:
    """The same posts straight to the receiver: what the loopback and the two ends take."""
    receiver.ask("/report")
    orders = {"port": receiver.port, "key": "none", "path": "/hook", "mode": "open",
              "clients": 64, "rate": rate, "seconds": seconds}  # fmt: skip
    answer = run_part("load.py", orders)
    delays = receiver.ask("/report")["delays_ms"]
    return _row("straight to the receiver", rate, delays, answer)


def _through(service: Service, receiver: Receiver, name: str, rate: int, stage: Stage) -> dict:
    found = stream(service, receiver, rate, stage.scale.steady_seconds)
    if len(found["delays_ms"]) != found["events"]:
        raise BenchError(f"{found['events']} sent, {len(found['delays_ms'])} arrived")
    return _row(name, rate, found["delays_ms"], found)


def _row(name: str, rate: int, delays: list[float], found: dict) -> dict:
    return {
        "name": name,
        "rate": rate,
        "events": len(delays),
        "delivered_ms": spread(delays),
        "accept_ms": found["accept_ms"],
        "late_ms": found["late_ms"],
        "cpu_us": found.get("cpu_us"),
    }


def _outcome(rounds: list[dict], most: dict[str, float], notes: list[str]) -> Outcome:
    merged = [
        {key: rounds[0]["rows"][at][key] for key in ("name", "rate")}
        | {"cpu_us": _cpu([one["rows"][at] for one in rounds])}
        | {
            what: {rank: median_of([one["rows"][at] for one in rounds], what, rank)
                   for rank in ("p50", "p95", "p99", "max")}
            for what in ("delivered_ms", "accept_ms", "late_ms")
        }
        for at in range(len(rounds[0]["rows"]))
    ]  # fmt: skip
    columns = ["", "events/s", "p50 ms", "p95 ms", "p99 ms", "max ms", "answered p50 ms",
               "answered p99 ms", "load late p99 ms", "CPU µs/event"]  # fmt: skip
    rows = [
        [row["name"], row["rate"], *row["delivered_ms"].values(), row["accept_ms"]["p50"],
         row["accept_ms"]["p99"], row["late_ms"]["p99"], row["cpu_us"]]
        for row in merged
    ]  # fmt: skip
    fsync = {rank: median(one["fsync_ms"][rank] for one in rounds) for rank in ("p50", "p99")}
    notes = [
        (
            f"An fsync of 4 KiB on the same disk: p50 {fsync['p50']:.2f} ms, p99 "
            f"{fsync['p99']:.2f} ms. At most, just before: {most['SQLite']:,.0f} events/s (SQLite)."
        ),
        "A figure is the median over the rounds of the figure of each.",
        *notes,
    ]
    return Outcome(
        [Table("From due to the first byte at the receiver", columns, rows)],
        _figures(merged, fsync["p50"]),
        rounds,
        notes,
        {"latency.svg": _plot(merged)},
    )


def _cpu(rows: list[dict]) -> float | None:
    """Of the service an event; None where there was none."""
    return None if rows[0]["cpu_us"] is None else median_of(rows, "cpu_us")


def _figures(merged: list[dict], fsync_ms: float) -> dict[str, float]:
    first = {row["name"]: row["delivered_ms"] for row in reversed(merged)}  # the lower rate wins
    figures = {
        "p50_ms": first["SQLite"]["p50"],
        "p99_ms": first["SQLite"]["p99"],
        "p50_allowed_ms": ALLOWED_MS + 2 * fsync_ms,
        "fsync_p50_ms": fsync_ms,
    }
    if "PostgreSQL, api + deliver" in first:
        figures["apart_p50_ms"] = first["PostgreSQL, api + deliver"]["p50"]
    return figures


def _plot(merged: list[dict]) -> str:
    rows = [
        Bar(f"{_short(row['name'])} at {row['rate']:,}/s, {rank}", row["delivered_ms"][rank], group)
        for group, row in enumerate(merged)
        for rank in ("p50", "p99")
    ]
    return bars("From due to the first byte at the receiver", rows, "milliseconds", log=True)


def _short(name: str) -> str:
    return re.sub(r" to the receiver$|, api \+ deliver$", lambda m: " 2" if "api" in m[0] else "",
                  name)  # fmt: skip
