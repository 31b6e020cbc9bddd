"""What the figures were taken on, and what its processes use."""

import os
import platform
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import apsw

import winnerr_webhooks
from bench.arithmetic import spread

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def facts(folder: Path) -> dict[str, object]:
    """The machine, its software, and the disk a folder is on."""
    return {
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": winnerr_webhooks.__version__,
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * PAGE / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "file_system": file_system(folder),
        "fsync_ms": {name: round(ms, 3) for name, ms in fsync_ms(folder).items()},
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return platform.machine()


def file_system(folder: Path) -> str:
    """The type of the file system a folder is on, such as ext4."""
    here = folder.resolve()
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    places = [(point, kind) for _, point, kind, *_ in mounts if here.is_relative_to(point)]
    return max(reversed(places), key=lambda place: len(place[0]))[1]  # a later mount hides others


def fsync_ms(folder: Path, times: int = 200) -> dict[str, float]:
    """What it takes to append 4 KiB to a file and have them on the disk, in milliseconds."""
    path = folder / "fsync"
    page = os.urandom(4096)
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            started = time.perf_counter()
            file.write(page)
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - started) * 1000)
    path.unlink()
    return spread(taken)


def free_gib(folder: Path) -> float:
    return shutil.disk_usage(folder).free / 2**30


def family(pid: int) -> list[int]:
    """A process and all that come from it, itself first."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None:
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads and its family, living and reaped."""
    ticks = 0
    for one in family(pid):
        fields = _stat(one)
        if fields is not None:
            # utime, stime, cutime, cstime: proc_pid_stat(5), fields 14 to 17
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICK


@dataclass(frozen=True)
class Usage:
    """What processes have used up to now; the difference of two is what they used between."""

    cpu: float
    """Seconds, of the threads that are alive."""
    wakeups: int
    """Voluntary context switches of these threads: each ended with a wake-up."""
    database_cpu: float = 0.0
    """The part of `cpu` that a database server of its own used."""

    def __sub__(self, earlier: "Usage") -> "Usage":
        return Usage(
            self.cpu - earlier.cpu,
            self.wakeups - earlier.wakeups,
            self.database_cpu - earlier.database_cpu,
        )

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.cpu + other.cpu,
            self.wakeups + other.wakeups,
            self.database_cpu + other.database_cpu,
        )


def usage(pid: int) -> Usage:
    """Of a process and its family, in nanoseconds where `cpu_seconds` has hundredths of a second.

    Threads and processes that have ended are not in it.
    """
    cpu, wakeups = 0, 0
    for one in family(pid):
        for task in Path(f"/proc/{one}/task").glob("*"):
            try:
                cpu += int((task / "schedstat").read_text().split()[0])
                status = (task / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            wakeups += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return Usage(cpu / 1e9, wakeups)


def _stat(pid: int) -> list[str] | None:
    """Its fields from the third on (state); None when it has gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def resident_mib(pid: int) -> float:
    """Memory of a process that is in RAM, without its family."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * PAGE / 2**20


class Disturbance:
    """How much of the machine others had since this was made; asked when all children ended."""

    def __init__(self) -> None:
        self._before = self._now()

    def shares(self) -> dict[str, float]:
        """Shares of all CPU time, 0 to 1: of other processes here, and of other guests of the host.

        The kernel's own work that it bills to nobody counts as others' (proc_stat(5)).
        """
        own, busy, stolen, total = (
            after - before for after, before in zip(self._now(), self._before, strict=True)
        )
        if not total:
            return {"others": 0.0, "steal": 0.0}
        return {"others": round(max(busy - own, 0.0) / total, 4),
                "steal": round(stolen / total, 4)}  # fmt: skip

    @staticmethod
    def _now() -> tuple[float, float, float, float]:
        """Seconds: ours with all we have waited for, everybody's, stolen, all there were."""
        text = Path("/proc/stat").read_text().split("\n", 1)[0]
        ticks = [int(field) for field in text.split()[1:9]]
        _, _, _, idle, waiting, _, _, stolen = ticks
        busy = sum(ticks) - idle - waiting - stolen
        return sum(os.times()[:4]), busy / TICK, stolen / TICK, sum(ticks) / TICK
