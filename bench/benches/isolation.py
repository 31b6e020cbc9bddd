"""isolation: 1,000 webhooks of 1,000 organizations, some of which never answer.

Events go out at a steady rate, open loop, each for one webhook in turn. What the healthy ones
notice of the hanging ones is the ratio of their p99 to that of the round where none hangs. Every
turn has a server and a database of its own; the order turns round from one round to the next.
"""

from bench.arithmetic import median_of, median_ratio, spread
from bench.child import BenchError, until
from bench.processes import Receiver, Service
from bench.stage import Outcome, Stage, Table, load
from bench.svg import Bar, bars


def run(stage: Stage) -> Outcome:
    rounds: list[dict] = []
    levels = stage.scale.hanging
    for number in range(stage.scale.rounds):
        found = {}
        # The figures between the ends are taken once only, unless there is time.
        now = levels if number == 0 or stage.scale.name == "full" else (levels[0], levels[-1])
        for hanging in now if number % 2 == 0 else reversed(now):
            found[str(hanging)] = _turn(stage, hanging)
        rounds.append(found)
        stage.say(f"round {number + 1} of {stage.scale.rounds}")
    return _outcome(stage, rounds)


def _turn(stage: Stage, hanging: int) -> dict:
    """Milliseconds from due to arrival at the healthy receivers, by the number that hang."""
    count, rate = stage.scale.isolation_webhooks, stage.scale.isolation_rate
    with stage.apart() as apart:
        service = apart.service()
        receiver = apart.receiver()
        base = f"http://127.0.0.1:{receiver.port}"
        service.seed(webhooks=[
            (number, f"{base}/{'hang' if hangs(number, hanging, count) else 'hook'}")
            for number in range(count)
        ])  # fmt: skip
        apart.enter(service)
        _stream(apart, service, receiver, hanging, count / rate)  # every lane once: warm
        cpu = service.cpu()
        delays, answer = _stream(
            apart, service, receiver, hanging, 1.5 * stage.scale.steady_seconds
        )
        cpu = service.cpu() - cpu
        receiver.ask("/release")  # else the end of the server waits for those that hang
    return {
        "healthy_events": len(delays),
        "delivered_ms": spread(delays),
        "accept_ms": answer["accept_ms"],
        "late_ms": answer["late_ms"],
        "cpu_us": cpu / answer["events"] * 1e6,
    }


def hangs(number: int, hanging: int, count: int) -> bool:
    """Whether this one of `count` webhooks is among the `hanging`, spread evenly over them."""
    return number * hanging // count != (number + 1) * hanging // count


def _stream(
    stage: Stage, service: Service, receiver: Receiver, hanging: int, seconds: float
) -> tuple[list[float], dict]:
    """Delays at the healthy receivers, and what the load has to say."""
    count, rate = stage.scale.isolation_webhooks, stage.scale.isolation_rate
    receiver.ask("/report")
    answer = load(service, "open", seconds, clients=64, rate=rate, organizations=count)
    healthy = sum(not hangs(n % count, hanging, count) for n in range(answer["events"]))
    delays: list[float] = []

    def all_there() -> bool:
        delays.extend(receiver.ask("/report")["delays_ms"])
        return len(delays) >= healthy

    until(all_there, "the healthy receivers' events")
    if len(delays) != healthy:
        raise BenchError(f"{healthy} events for healthy receivers, {len(delays)} arrived")
    return delays, answer


def _outcome(stage: Stage, rounds: list[dict]) -> Outcome:
    count, rate = stage.scale.isolation_webhooks, stage.scale.isolation_rate
    figures, rows = {}, []
    for hanging in stage.scale.hanging:
        one = str(hanging)
        taken = [found for found in rounds if one in found]
        ratio = median_ratio(taken, (one, "delivered_ms", "p99"), ("0", "delivered_ms", "p99"))
        figures[f"p99_ratio_{hanging}"] = ratio
        rows.append([
            hanging,
            *[median_of(taken, one, "delivered_ms", rank) for rank in ("p50", "p95", "p99", "max")],
            ratio,
            median_of(taken, one, "cpu_us"),
        ])  # fmt: skip
    columns = ["hanging", "p50 ms", "p95 ms", "p99 ms", "max ms", "p99 to none hanging",
               "CPU µs/event"]  # fmt: skip
    title = f"What the healthy of {count:,} webhooks notice, at {rate} events/s"
    each = [
        ", ".join(f"{one['delivered_ms']['p99']:.1f} with {level}" for level, one in found.items())
        for found in rounds
    ]
    notes = [f"p99 in ms, round by round: {'; '.join(each)} hanging."]
    plot = bars("p99 of the healthy webhooks", [Bar(f"{row[0]} hanging", row[3]) for row in rows],
                "milliseconds")  # fmt: skip
    return Outcome([Table(title, columns, rows)], figures, rounds, notes, {"isolation.svg": plot})
