"""throughput: how many events a second go all the way into the log, and what CPU one costs.

64 keep-alive clients post as fast as answers come: single events for one webhook, a hundred
events a request for one webhook, single events for ten webhooks. On SQLite and on PostgreSQL,
there also with two processes; the bare posts of `limit` in the same rounds.
"""

from bench.arithmetic import median_of, median_ratio
from bench.benches.limit import posts, reference_us
from bench.child import BenchError
from bench.postgres import Postgres
from bench.processes import Receiver, Service, run_part, serve_has
from bench.stage import Outcome, Stage, Table, burst
from bench.svg import Bar, bars

FAN_OUT = 10
BATCH = 100
SQLITE, POSTGRES, TWO = "SQLite", "PostgreSQL", "PostgreSQL, 2 processes"
SHAPES = {
    "single": ("one event a request", {}),
    "batch": (f"{BATCH} events a request", {"batch": BATCH, "path": "/api/v1/events/batch"}),
    "fan_out": (f"one event for {FAN_OUT} webhooks", {"first": 1, "fan_out": FAN_OUT}),
}


def run(stage: Stage) -> Outcome:
    receiver = stage.receiver()
    notes: list[str] = []
    services = {SQLITE: stage.enter(stage.service())} | _on_postgres(stage, notes)
    hook = f"http://127.0.0.1:{receiver.port}/hook"
    for service in services.values():
        service.webhooks([(0, hook), *[(1, hook)] * FAN_OUT])
    deliveries = dict.fromkeys(services, 0)

    def measure(name: str, shape: str, seconds: float) -> dict:
        more = SHAPES[shape][1]
        found = burst(services[name], receiver, stage.scale.clients, seconds, **more)
        deliveries[name] += found["deliveries"]
        return found

    for name in services:
        for shape in _shapes(name):
            measure(name, shape, stage.scale.seconds / 3)  # warm up
    rounds = []
    for number in range(stage.scale.rounds):
        found = posts(stage, receiver, stage.scale.seconds)
        found["reference_us"] = reference_us(found)
        found["straight"] = _straight(receiver, stage)
        for name in services:
            found[name] = {
                shape: measure(name, shape, stage.scale.seconds) for shape in _shapes(name)
            }
        rounds.append(found)
        stage.say(f"round {number + 1} of {stage.scale.rounds}")
    for name, service in services.items():
        notes.append(_ledger(name, service, deliveries[name]))
    return Outcome(
        [_table(rounds, list(services)), _bare(rounds)],
        _figures(rounds, list(services)),
        rounds,
        notes,
        _plots(rounds, list(services)),
    )


def _shapes(name: str) -> tuple[str, ...]:
    return ("single",) if name == TWO else tuple(SHAPES)


def _straight(receiver: Receiver, stage: Stage) -> dict:
    """The load straight at the receiver: what the two could do if nothing stood between them."""
    orders = {"port": receiver.port, "key": "none", "path": "/hook", "mode": "closed"}
    orders |= {"clients": stage.scale.clients, "seconds": stage.scale.seconds / 2}
    cpu = receiver.cpu()
    answer = run_part("load.py", orders)
    return {
        "per_s": answer["requests"] / (answer["last"] - answer["first"]),
        "load_us": answer["cpu"] / answer["requests"] * 1e6,
        "receiver_us": (receiver.cpu() - cpu) / answer["requests"] * 1e6,
    }


def _on_postgres(stage: Stage, notes: list[str]) -> dict[str, Service]:
    missing = Postgres.missing()
    if missing is None:
        try:
            server = stage.postgres()
            services = {POSTGRES: stage.enter(stage.service(postgres=server))}
            if serve_has("--processes"):
                two = stage.service(postgres=server, nodes=(("--processes", "2"),))
                services[TWO] = stage.enter(two)
        except BenchError as error:
            missing = f"PostgreSQL is not measured: {error}"
        else:
            return services
    notes.append(missing)
    return {}


def _ledger(name: str, service: Service, due: int) -> str:
    """What the database itself holds, as the second witness."""
    logged = service.ask_database("SELECT count(*) FROM attempt WHERE outcome = 'succeeded'")
    pending = service.ask_database("SELECT count(*) FROM pending")
    if (logged, pending) != (due, 0):
        raise BenchError(f"{name}: {due} deliveries due, {logged} in the log, {pending} pending")
    return f"{name}: {due:,} deliveries accepted, received, and in the log; none is left pending."


def _table(rounds: list[dict], names: list[str]) -> Table:
    columns = [
        "database",
        "events",
        "events/s",
        "deliveries/s",
        "CPU µs/event",
        "of it the database's",
        "a delivery to a bare post",
        "accept p50 ms",
        "p99 ms",
    ]
    rows = []
    for name in names:
        for shape in _shapes(name):
            one = (name, shape)
            rows.append([
                name,
                SHAPES[shape][0],
                median_of(rounds, *one, "events_per_s"),
                median_of(rounds, *one, "deliveries_per_s"),
                median_of(rounds, *one, "cpu_us"),
                median_of(rounds, *one, "database_cpu_us") if name != SQLITE else None,
                median_ratio(rounds, (*one, "delivery_cpu_us"), ("reference_us",)),
                median_of(rounds, *one, "accept_ms", "p50"),
                median_of(rounds, *one, "accept_ms", "p99"),
            ])  # fmt: skip
    return Table("From accepted to in the log", columns, rows)


def _bare(rounds: list[dict]) -> Table:
    rows = [
        [name, median_of(rounds, name, "per_s"), median_of(rounds, name, "cpu_us")]
        for name in ("egress", "wrk")
        if name in rounds[0]
    ]
    rows.append(["the bare post that counts", None, median_of(rounds, "reference_us")])
    single = (SQLITE, "single")
    straight = median_of(rounds, "straight", "per_s")
    rows += [
        ["load, with the service", None, median_of(rounds, *single, "load_cpu_us")],
        ["receiver, with the service", None, median_of(rounds, *single, "receiver_cpu_us")],
        ["load, straight at the receiver", straight, median_of(rounds, "straight", "load_us")],
        ["receiver, straight from the load", None, median_of(rounds, "straight", "receiver_us")],
    ]
    return Table("What stands beside it", ["process", "requests/s", "CPU µs/request"], rows)


def _figures(rounds: list[dict], names: list[str]) -> dict[str, float]:
    figures = {
        "single_per_s": median_of(rounds, SQLITE, "single", "events_per_s"),
        "single_to_limit": median_ratio(
            rounds, (SQLITE, "single", "cpu_us"), ("reference_us",)
        ),
        "batch_to_limit": median_ratio(rounds, (SQLITE, "batch", "cpu_us"), ("reference_us",)),
    }  # fmt: skip
    if POSTGRES in names:
        rate = "events_per_s"
        figures["postgresql_to_sqlite"] = median_ratio(
            rounds, (POSTGRES, "single", rate), (SQLITE, "single", rate)
        )
        figures["postgresql_own_us"] = median_of(
            rounds, POSTGRES, "single", "database_cpu_us"
        )  # fmt: skip
    return figures


def _plots(rounds: list[dict], names: list[str]) -> dict[str, str]:
    def plot(title: str, key: str, unit: str) -> str:
        rows = [
            Bar(f"{name}, {SHAPES[shape][0]}", median_of(rounds, name, shape, key), group)
            for group, name in enumerate(names)
            for shape in _shapes(name)
        ]
        return bars(title, rows, unit)

    return {
        "throughput.svg": plot("Events a second, into the log", "events_per_s", "events/s"),
        "throughput-cpu.svg": plot("CPU an event, all processes", "cpu_us", "µs"),
    }
