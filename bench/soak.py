"""soak: an hour of a modest stream of events, to see whether anything grows without end.

It samples the service every few seconds: memory, open descriptors, threads, the files of the
database and the size of its write-ahead log. The database itself grows with its log, so its size
is shown for each event. `python -m bench.soak` writes `soak.json` and `soak.svg` into
docs/performance.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.child import BenchError, end_all, until
from bench.machine import resident_mib
from bench.processes import Service
from bench.stage import NORMAL, Stage, put_load
from bench.svg import Line, lines

MIB = 2**20
SLICE = 60.0
"""Seconds of load in one run of the load generator."""
WARM = 0.1
"""The fraction of the time after which everything was used once; later growth counts."""
OUT = Path(__file__).parent.parent / "docs" / "performance"


@dataclass(frozen=True)
class Sample:
    """What the service uses at one moment."""

    minutes: float
    memory_mib: float
    descriptors: int
    threads: int
    files: int
    wal_mib: float
    database_mib: float


class Soak:
    """A service under a stream of events, and its samples."""

    def __init__(self, stage: Stage, minutes: float, rate: int, every: float) -> None:
        self._stage = stage
        self._seconds = 60 * minutes
        self._rate = rate
        self._every = every
        self.samples: list[Sample] = []
        self.events = 0
        self.refused: dict[str, int] = {}
        """How many posts got each status but 202; a disk that hangs for seconds causes a 503."""
        self.first_refusal: str | None = None
        self.attempts = 0
        """More than `events` where an attempt failed and was retried."""

    def run(self) -> Service:
        """Post and sample until the end; `BenchError` unless all that was accepted was sent."""
        receiver = self._stage.receiver()
        hook = f"http://127.0.0.1:{receiver.port}/hook"
        service = self._stage.service()
        service.seed(webhooks=[(0, hook), (1, hook)])
        self._stage.enter(service)
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            posting = pool.submit(self._post, service, began)
            while not posting.done():
                self.samples.append(_sample(service, began))
                time.sleep(self._every)
            try:
                posting.result()
            except BenchError as error:
                raise BenchError(f"{error}\nThe service wrote:\n{service.said()}") from error
        self.samples.append(_sample(service, began))
        until(lambda: service.settled() >= self.events, "the last attempts")
        self.attempts = service.settled()
        return service

    def _post(self, service: Service, began: float) -> None:
        number = 0
        while (left := self._seconds - (time.monotonic() - began)) > 1.0:
            answer = put_load(
                service, "open", min(SLICE, left), clients=8, rate=self._rate, first=number % 2
            )
            for status, count in answer["statuses"].items():
                if status == "202":
                    self.events += count
                else:
                    self.refused[status] = self.refused.get(status, 0) + count
            self.first_refusal = self.first_refusal or answer["refused"]
            number += 1


def _sample(service: Service, began: float) -> Sample:
    pid, file = service.pid, service.file
    family = [one for one in file.parent.glob(f"{file.name}*") if one.is_file()]
    sizes = {one.name: one.stat().st_size / MIB for one in family}
    return Sample(
        minutes=(time.monotonic() - began) / 60,
        memory_mib=resident_mib(pid),
        descriptors=_entries(f"/proc/{pid}/fd"),
        threads=_entries(f"/proc/{pid}/task"),
        files=len(family),
        wal_mib=sum(size for name, size in sizes.items() if name.endswith("-wal")),
        database_mib=sum(size for name, size in sizes.items() if not name.endswith("-wal")),
    )


def _entries(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


def growth(samples: list[Sample]) -> dict[str, float]:
    """From the end of the warm-up to the end: how much more of each is in use, in its unit."""
    warm = [one for one in samples if one.minutes >= WARM * samples[-1].minutes]
    third = max(len(warm) // 3, 1)
    first, last = warm[:third], warm[-third:]
    names = ("memory_mib", "descriptors", "threads", "files", "wal_mib")
    return {
        name: max(getattr(one, name) for one in last) - max(getattr(one, name) for one in first)
        for name in names
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=60.0)
    options.add_argument("--rate", type=int, default=50, help="events a second")
    options.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    options.add_argument("--data", type=Path, default=Path("/var/tmp"))
    options.add_argument("--out", type=Path, default=OUT)
    given = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="bench-", dir=given.data) as name:
        try:
            with Stage(NORMAL, Path(name), given.out) as stage:
                soak = Soak(stage, given.minutes, given.rate, given.every)
                try:
                    soak.run()
                finally:
                    if soak.samples and soak.events:  # an hour's samples survive a failed check
                        _write(soak, given.out)
        finally:
            end_all()


def _write(soak: Soak, out: Path) -> None:
    samples, grown = soak.samples, growth(soak.samples)
    found = {
        "events": soak.events,
        "attempts": soak.attempts,
        "refused": soak.refused,
        "first_refusal": soak.first_refusal,
        "grown": grown,
        "database_bytes_an_event": samples[-1].database_mib * MIB / soak.events,
        "samples": [vars(one) for one in samples],
    }
    out.joinpath("soak.json").write_text(json.dumps(found) + "\n")
    series = [
        Line("memory, MiB", [(one.minutes, one.memory_mib) for one in samples]),
        Line("open descriptors", [(one.minutes, one.descriptors) for one in samples]),
        Line("write-ahead log, MiB", [(one.minutes, one.wal_mib) for one in samples]),
        Line("files of the database", [(one.minutes, one.files) for one in samples]),
    ]
    title = f"{soak.events:,} events in {samples[-1].minutes:.0f} minutes"
    out.joinpath("soak.svg").write_text(lines(title, series, "minutes", ""))
    print(json.dumps(found | {"samples": len(samples)}))


if __name__ == "__main__":
    sys.exit(main())
