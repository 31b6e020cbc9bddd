"""backlog: a million deliveries wait for one receiver that does not answer; then it comes back.

First, without a backlog: the steady rate, memory, and how fast a modest stream of events for
another webhook is accepted. Then on a database with the backlog (accepted through the storage's
own verb while no server ran): the same stream while the receiver hangs, and while it drains.
Without a backlog again at the end, on a fresh database, so that the reference is taken on both
sides of the drain.
"""

import time
from concurrent.futures import ThreadPoolExecutor

from bench.arithmetic import median
from bench.child import BenchError
from bench.processes import Service
from bench.stage import Outcome, Stage, Table, burst, load, stream
from bench.svg import Line, lines

SAMPLE = 0.5
"""Seconds between two looks at a drain."""
SENT = "SELECT coalesce(max(seq), 0) FROM attempt"
WATCHED = 30.0
"""Of a drain to its end, how many seconds are the sample."""


def run(stage: Stage) -> Outcome:
    before = _without(stage)
    stage.say("without a backlog: done")
    during = _with(stage)
    after = _without(stage)
    return _outcome(stage, {"before": before, "during": during, "after": after})


def _without(stage: Stage) -> dict:
    """The steady rate of one webhook, and the stream for another one."""
    with stage.apart() as apart:
        receiver = apart.receiver()
        hook = f"http://127.0.0.1:{receiver.port}/hook"
        service = apart.service()
        service.seed(webhooks=[(0, hook), (1, hook)])
        apart.enter(service)
        scale = stage.scale
        burst(service, receiver, scale.clients, scale.seconds / 3)
        steady = burst(service, receiver, scale.clients, 2 * scale.seconds)
        quiet = stream(service, receiver, scale.rate, scale.steady_seconds, first=1)
        return {
            "deliveries_per_s": steady["deliveries_per_s"],
            "accept_ms": quiet["accept_ms"],
            "busy_accept_ms": steady["accept_ms"],
            "memory_mib": service.resident_mib(),
        }


def _with(stage: Stage) -> dict:
    scale = stage.scale
    with stage.apart() as apart:
        receiver = apart.receiver()
        base = f"http://127.0.0.1:{receiver.port}"
        service = apart.service()
        seeding = service.seed(
            webhooks=[(0, f"{base}/hang"), (1, f"{base}/hook")], pending=[[0, scale.backlog]]
        )
        stage.say(f"{scale.backlog:,} deliveries accepted in {seeding:.0f} s")
        started = time.monotonic()
        apart.enter(service)
        found = {"seeding_s": seeding, "start_s": time.monotonic() - started}
        hanging = stream(service, receiver, scale.rate, scale.steady_seconds, first=1)
        found |= {"hanging_accept_ms": hanging["accept_ms"], "hanging_mib": service.resident_mib()}
        receiver.ask("/release")
        drain = Drain(service, scale.backlog)
        half = (scale.drain_seconds or WATCHED) / 2
        drain.watch(half)
        found["drain_per_s"] = drain.rate()
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(load, service, "open", half, clients=64, rate=scale.rate, first=1)
            drain.watch(half)
            found["drain_and_stream_per_s"] = drain.rate()
            streamed = job.result()
        found["accept_ms"] = streamed["accept_ms"]
        if not scale.drain_seconds:
            drain.watch(3_600.0)
        found |= {"samples": drain.samples, "memory_mib": max(drain.memory)}
    _must_add_up(service, scale.backlog + hanging["events"] + streamed["events"])
    return found


class Drain:
    """Looks at the log of a server every half second while a backlog goes out."""

    def __init__(self, service: Service, backlog: int) -> None:
        self._service = service
        self._started = time.monotonic()
        self._first = service.ask_database(SENT)
        self._end = self._first + backlog
        self._last = (self._started, self._first)
        self._mark = self._last
        self.samples: list[tuple[float, float]] = []
        """Seconds since the receiver came back, attempts a second since the sample before."""
        self.memory = [service.resident_mib()]

    def watch(self, seconds: float) -> None:
        """Measure for a time, or until the backlog must be gone."""
        self._mark = self._last
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._last[1] < self._end:
            time.sleep(SAMPLE if seconds > 4 * SAMPLE else seconds / 4)
            now, sent = time.monotonic(), self._service.ask_database(SENT)
            was, sent_before = self._last
            self.samples.append((now - self._started, (sent - sent_before) / (now - was)))
            self.memory.append(self._service.resident_mib())
            self._last = (now, sent)

    def rate(self) -> float:
        """Attempts a second in the time last watched; 0 when nothing was left to watch."""
        (began, sent_before), (ended, sent) = self._mark, self._last
        return (sent - sent_before) / (ended - began) if ended > began else 0.0


def _must_add_up(service: Service, accepted: int) -> None:
    delivered = service.ask_database("SELECT count(*) FROM delivery WHERE status = 'delivered'")
    pending = service.ask_database("SELECT count(*) FROM pending")
    if delivered + pending != accepted:
        raise BenchError(f"{accepted} accepted, {delivered} delivered, {pending} pending")


def _outcome(stage: Stage, found: dict) -> Outcome:
    around = (found["before"], found["after"])
    during = found["during"]
    steady = median(one["deliveries_per_s"] for one in around)
    accept = median(one["accept_ms"]["p99"] for one in around)
    busy = median(one["busy_accept_ms"]["p99"] for one in around)
    memory = min(one["memory_mib"] for one in around)
    figures = {
        "memory_growth_mib": max(during["memory_mib"], during["hanging_mib"]) - memory,
        "drain_to_steady": during["drain_per_s"] / steady,
        "accept_p99_ratio": during["accept_ms"]["p99"] / accept,
        "accept_p99_hanging_ratio": during["hanging_accept_ms"]["p99"] / accept,
        "accept_p99_to_busy": during["accept_ms"]["p99"] / busy,
    }
    stream_ = f"a stream of {stage.scale.rate}/s"
    rows = [
        ["no backlog, 64 clients in a closed loop", steady, busy, None],
        [f"no backlog, {stream_}", None, accept, memory],
        [f"backlog waits, receiver hangs, {stream_}", None, during["hanging_accept_ms"]["p99"],
         during["hanging_mib"]],
        ["backlog drains", during["drain_per_s"], None, None],
        [f"backlog drains, {stream_} beside it", during["drain_and_stream_per_s"],
         during["accept_ms"]["p99"], during["memory_mib"]],
    ]  # fmt: skip
    notes = [
        (
            f"{stage.scale.backlog:,} events were accepted through the storage's own verb with the "
            f"server stopped, in {during['seeding_s']:.0f} s; the server was ready "
            f"{during['start_s']:.1f} s after its start. Attempts a second count the stream's too. "
            "What was accepted is delivered or pending, to the last one."
        ),
    ]
    columns = ["", "attempts/s", "accept p99 ms", "memory MiB"]
    plot = lines(
        "A receiver comes back: attempts a second",
        [
            Line("drain", during["samples"]),
            Line("steady, without a backlog",
                 [(during["samples"][0][0], steady), (during["samples"][-1][0], steady)]),
        ],
        "seconds since it came back", "attempts/s",
    )  # fmt: skip
    title = f"{stage.scale.backlog:,} deliveries waiting for one receiver"
    return Outcome([Table(title, columns, rows)], figures, [found], notes, {"backlog.svg": plot})
