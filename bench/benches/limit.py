"""limit: the same signed posts without a service: the egress client alone, and wrk.

One request costs the egress client what it costs; an event cannot cost the service less. wrk, in
C, shows what the kernel and the receiver leave room for. Their ratio, once committed, is what the
targets of `throughput` start from, so that a faster egress does not make them harder.
"""

import json
import os
import shutil
import subprocess
import sys

from bench.arithmetic import median_of, median_ratio
from bench.child import BenchError
from bench.processes import PARTS, run_part
from bench.stage import PERFORMANCE, Outcome, Stage, Table
from bench.svg import Bar, bars

FIRST_RATIO = "egress-to-wrk.json"
"""The first ratio that was committed; written once, read ever after."""


def run(stage: Stage) -> Outcome:
    receiver = stage.receiver()
    rounds = []
    count = stage.scale.rounds if stage.scale.name == "quick" else stage.scale.rounds + 2
    for number in range(count):  # more than elsewhere: its first ratio is kept for good
        rounds.append({"round": number + 1} | posts(stage, receiver, stage.scale.seconds))
        stage.say(f"round {number + 1} of {count}")
    rows, figures, notes = [], {}, []
    for name in ("egress", "wrk"):
        if name in rounds[0]:
            rate = median_of(rounds, name, "per_s")
            figures[f"{name}_us"] = median_of(rounds, name, "cpu_us")
            rows.append([name, rate, figures[f"{name}_us"], median_of(rounds, name, "receiver_us")])
    if "wrk" in rounds[0]:
        figures["egress_to_wrk"] = median_ratio(rounds, ("egress", "cpu_us"), ("wrk", "cpu_us"))
        _keep_first(stage, figures["egress_to_wrk"])
        notes.append(f"A post costs the egress client {figures['egress_to_wrk']:.2f} times the "
                     "CPU it costs wrk (median of the rounds).")  # fmt: skip
    else:
        notes.append("wrk is not installed here: the egress client is measured alone.")
    title = "Signed posts to the same receiver, 16 at a time"
    columns = ["client", "requests/s", "CPU µs/request", "receiver CPU µs/request"]
    plot = bars(title, [Bar(str(row[0]), row[2]) for row in rows], "CPU µs a request")
    return Outcome([Table(title, columns, rows)], figures, rounds, notes, {"limit.svg": plot})


def posts(stage: Stage, receiver, seconds: float) -> dict:
    """The egress client alone, then wrk where it is there, each for so long."""
    found = {"egress": _alone(receiver, lambda: run_part(
        "poster.py", arguments=[str(receiver.port), str(seconds)]))}  # fmt: skip
    if shutil.which("wrk"):
        found["wrk"] = _alone(receiver, lambda: _wrk(stage, receiver.port, seconds))
    return found


def reference_us(found: dict) -> float:
    """What a bare post costs in this round: by wrk and the first committed ratio, or measured."""
    first = PERFORMANCE / FIRST_RATIO
    if "wrk" in found and first.exists():
        return json.loads(first.read_text())["ratio"] * found["wrk"]["cpu_us"]
    return found["egress"]["cpu_us"]


def _alone(receiver, post) -> dict:
    receiver.ask("/report")
    cpu = receiver.cpu()
    answer = post()
    cpu = receiver.cpu() - cpu
    return {
        "per_s": answer["requests"] / answer["seconds"],
        "cpu_us": answer["cpu"] / answer["requests"] * 1e6,
        "receiver_us": cpu / receiver.ask("/report")["seen"] * 1e6,
    }


def _wrk(stage: Stage, port: int, seconds: float) -> dict:
    raw = stage.folder / "request"
    if not raw.exists():
        command = [sys.executable, PARTS / "poster.py", str(port), "raw"]
        raw.write_bytes(subprocess.check_output(command))
    whole = max(round(seconds), 1)  # it takes whole seconds only
    process = subprocess.Popen(
        ["wrk", "-t1", "-c16", f"-d{whole}s", "-s", PARTS / "wrk.lua",
         f"http://127.0.0.1:{port}/hook", "--", raw],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process.stdout:
        text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if process.returncode or not lines:
        raise BenchError(f"wrk failed: {text}")
    answer = json.loads(lines[0])
    if answer.pop("errors"):
        raise BenchError(f"wrk met errors: {text}")
    return answer | {"cpu": usage.ru_utime + usage.ru_stime}


def _keep_first(stage: Stage, ratio: float) -> None:
    if stage.scale.name != "quick" and not (PERFORMANCE / FIRST_RATIO).exists():
        (stage.out / FIRST_RATIO).write_text(json.dumps({"ratio": round(ratio, 3)}) + "\n")
