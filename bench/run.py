"""Runs the benches: `python -m bench.run [NAME …] [--quick | --full] [--out FOLDER]`.

Without names, all benches run one after the other. Each prints its tables and the machine they
were measured on, and writes `results/<name>.json` and its plots into the folder. Then
`results.md` is written again from all results in the folder. `--quick` shows within seconds that
a bench works; its figures mean nothing, and go to a temporary folder unless `--out` names one.
"""

import argparse
import importlib
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench import machine, report
from bench.child import BenchError, end_all
from bench.stage import FULL, NORMAL, PERFORMANCE, QUICK, Outcome, Scale, Stage

NAMES = ("limit", "throughput", "baseline", "https", "latency", "isolation", "fairness", "backlog",
         "growth", "quiet")  # fmt: skip
MOST_SECONDS = {"quick": 120, "normal": 1_200, "full": 7_200}
"""The most seconds a bench may take; then it is ended as faulty."""
MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs")


def main() -> int:
    options = _options()
    scale = QUICK if options.quick else FULL if options.full else NORMAL
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGALRM, _too_long)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.data) as folder:
        out = options.out or (Path(folder) / "out" if options.quick else PERFORMANCE)
        (out / "results").mkdir(parents=True, exist_ok=True)
        began, failed = time.monotonic(), []
        for name in options.names or NAMES:
            signal.alarm(MOST_SECONDS[scale.name])
            try:
                _run(name, scale, out, options.data)
            except BenchError as error:
                failed.append(name)
                print(f"{name} failed: {error}\n", file=sys.stderr)
            signal.alarm(0)
        results = report.stored(out, NAMES)
        (out / "results.md").write_text(report.page(results, _sentences()))
        if options.quick:
            print("Figures of --quick are not judged.")
        else:
            print(report.text_table(report.targets_table(results)))
        print(f"\n{time.monotonic() - began:.0f} s in all", end="")
        print("." if options.quick and not options.out else f"; written to {out}.")
    if failed:
        print(f"Failed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, scale: Scale, out: Path, data: Path) -> None:
    """Run one bench: measure the machine, run it, write its files."""
    print(f"{name} …", file=sys.stderr, flush=True)
    module = importlib.import_module(f"bench.benches.{name}")
    began, disturbance = time.monotonic(), machine.Disturbance()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=data) as folder:
        place = Path(folder)
        facts = machine.facts(place)
        if facts["file_system"] in MEMORY_FILE_SYSTEMS and scale.name != "quick":
            raise BenchError(f"{data} is in memory: name a folder on a disk with --data")
        try:
            with Stage(scale, place, out) as stage:
                outcome = module.run(stage)
                facts["postgresql"] = stage.postgres_version
        finally:
            end_all()  # what a stage had only begun to start when it was interrupted
    facts |= disturbance.shares() | {"seconds": round(time.monotonic() - began, 1)}
    _tell(facts, outcome)
    (out / "results" / f"{name}.json").write_text(report.as_json(name, scale.name, facts, outcome))
    for file, plot in outcome.plots.items():
        (out / file).write_text(plot)


def _tell(facts: dict[str, object], outcome: Outcome) -> None:
    print(report.machine_line(facts))
    for table in outcome.tables:
        print(f"\n{report.text_table(table)}")
    for note in [*outcome.notes, *(f"IN DOUBT: {doubt}." for doubt in report.doubts(facts))]:
        print(f"\n{note}")
    print(flush=True)


def _sentences() -> dict[str, str]:
    """What each bench says of itself in its first paragraph, without its name."""
    found = {}
    for name in NAMES:
        text = importlib.import_module(f"bench.benches.{name}").__doc__
        first = " ".join(text.split("\n\n")[0].split()).partition(": ")[2]
        found[name] = first[0].upper() + first[1:]
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="only show that it works")
    size.add_argument("--full", action="store_true", help="longer, and up to 10^7 rows")
    parser.add_argument("--out", type=Path, help="where results go (docs/performance)")
    # /var/tmp is kept over restarts, so it is on a disk where /tmp may be in memory.
    parser.add_argument("--data", type=Path, default=Path("/var/tmp"), help="where databases go")
    options = parser.parse_args()
    for name in options.names:
        if name not in NAMES:
            parser.error(f"{name} is no bench: choose of {', '.join(NAMES)}")
    return options


def _leave(_number: int, _frame: object) -> None:
    sys.exit(143)


def _too_long(_number: int, _frame: object) -> None:
    raise BenchError("it took too long, and was ended")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
