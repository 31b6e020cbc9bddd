"""baseline: the same deliveries the way a Python team builds them: Celery, Redis and requests.

Two worker processes on two cores, late acknowledgement, three retries, a kept connection each
(`parts/celery_app.py`); Redis appends to its file and syncs it once a second, which is less than
the sync before every answer that the service makes. One process enqueues, as request handlers
would. The service takes its turn in every round, on the same receiver.
"""

import importlib.util
import os
import shutil
import sys
import time

from bench.arithmetic import median_of, median_ratio
from bench.child import BenchError, Child, until
from bench.processes import PARTS, Receiver, free_port, run_part
from bench.stage import Outcome, Stage, Table, burst
from bench.svg import Bar, bars

WORKERS = 2


def run(stage: Stage) -> Outcome:
    missing = _missing()
    if missing is not None:
        return Outcome([], notes=[missing])
    receiver = stage.receiver()
    service = stage.enter(stage.service())
    service.webhooks([(0, f"http://127.0.0.1:{receiver.port}/hook")])
    baseline = Baseline(stage, receiver)
    burst(service, receiver, stage.scale.clients, stage.scale.seconds / 3)
    baseline.deliver(stage.scale.celery_deliveries // 10)
    rounds = []
    for number in range(stage.scale.rounds):
        rounds.append({
            "baseline": baseline.deliver(stage.scale.celery_deliveries),
            "service": burst(service, receiver, stage.scale.clients, stage.scale.seconds),
        })  # fmt: skip
        stage.say(f"round {number + 1} of {stage.scale.rounds}")
    return _outcome(rounds)


def _outcome(rounds: list[dict]) -> Outcome:
    rate, cpu = "deliveries_per_s", "cpu_us"
    figures = {
        "service_to_baseline": median_ratio(rounds, ("service", rate), ("baseline", rate)),
        "baseline_per_s": median_of(rounds, "baseline", rate),
        "baseline_cpu_to_service": median_ratio(rounds, ("baseline", cpu), ("service", cpu)),
    }
    rows = [
        [label, median_of(rounds, name, rate), median_of(rounds, name, cpu)]
        for name, label in (("baseline", "Celery, Redis, requests"), ("service", "this service"))
    ]
    columns = ["", "deliveries/s", "CPU µs/delivery"]
    note = (
        f"The service delivers {figures['service_to_baseline']:.1f} times as much, and a delivery "
        f"of the baseline costs {figures['baseline_cpu_to_service']:.1f} times the CPU. The "
        "baseline's CPU is that of its workers, of Redis and of the enqueuing; the service's that "
        "of its one process. The baseline writes no log of attempts."
    )
    plot = bars("Deliveries a second", [Bar(row[0], row[1]) for row in rows], "deliveries/s")
    table = Table("Against what a team builds by hand", columns, rows)
    return Outcome([table], figures, rounds, [note], {"baseline.svg": plot})


class Baseline:
    """Redis and a Celery worker, started with the bench and ended with it."""

    def __init__(self, stage: Stage, receiver: Receiver) -> None:
        port = free_port()
        folder = stage.folder / "redis"
        folder.mkdir()
        self._receiver = receiver
        self._redis = stage.enter(Child(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder,
             "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""],
            stage.folder,
        ))  # fmt: skip
        self._environment = os.environ | {"BENCH_BROKER": f"redis://127.0.0.1:{port}/0"}
        self._worker = stage.enter(Child(
            [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--pool", "prefork",
             "--concurrency", str(WORKERS), "--loglevel", "WARNING",
             "--without-gossip", "--without-mingle", "--without-heartbeat"],
            stage.folder, cwd=PARTS, env=self._environment,
        ))  # fmt: skip

    def deliver(self, count: int) -> dict:
        """Enqueue deliveries and wait for the last to arrive: rates, and CPU a delivery."""
        self._receiver.ask("/report")
        cpu = self._cpu()
        url = f"http://127.0.0.1:{self._receiver.port}/hook"
        answer = run_part(
            "celery_enqueue.py", arguments=[url, str(count)], environment=self._environment
        )
        seen = 0

        def arrived() -> bool:
            nonlocal seen
            if self._worker.ended:
                raise BenchError(f"the Celery worker ended:\n{self._worker.errors()}")
            seen += self._receiver.ask("/report")["seen"]
            return seen >= count

        until(arrived, "Celery's last delivery")
        wall = time.monotonic() - answer["first"]
        used = self._cpu() - cpu + answer["cpu"]
        return {
            "deliveries": count,
            "seconds": wall,
            "enqueuing_seconds": answer["last"] - answer["first"],
            "deliveries_per_s": count / wall,
            "cpu_us": used / count * 1e6,
        }

    def _cpu(self) -> float:
        return self._worker.cpu() + self._redis.cpu()


def _missing() -> str | None:
    if shutil.which("redis-server") is None:
        return (
            "The baseline is not measured: redis-server is not installed "
            "(on Debian and Ubuntu: apt install redis-server)."
        )
    for package in ("celery", "redis", "requests"):
        if importlib.util.find_spec(package) is None:
            return (
                f"The baseline is not measured: the Python package {package} is not installed "
                "(make bench installs it from requirements-bench.lock)."
            )
    return None
