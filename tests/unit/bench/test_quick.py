"""Every bench runs through, its totals add up, and it leaves nothing running."""

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from bench.run import NAMES

ROOT = Path(__file__).parents[3]


def command(name: str, folder: Path) -> list[str | Path]:
    data = folder / "data"
    data.mkdir()
    return [sys.executable, "-m", "bench.run", name, "--quick", "--out", folder, "--data", data]


def still_running(folder: Path) -> list[bytes]:
    """Command lines of processes that know of a folder, by them or by their environment."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                command_line = (process / "cmdline").read_bytes()
                known = (process / "environ").read_bytes() + command_line
            except (OSError, ProcessLookupError):
                continue
            if str(folder).encode() in known:
                found.append(command_line)
    return found


@pytest.mark.parametrize(
    "name",
    [
        # this one holds the rest's machinery; all nine take longer than a commit should
        pytest.param(name, marks=[] if name == "limit" else pytest.mark.chaos)
        for name in NAMES
    ],
)
def test_a_bench_runs_through_and_leaves_its_results_and_nothing_else(name, tmp_path):
    done = subprocess.run(
        command(name, tmp_path),
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "results" / f"{name}.json").read_text())
    assert result["tables"] or any("not measured" in note for note in result["notes"])
    for plot in result["plots"]:
        ET.fromstring((tmp_path / plot).read_text())
    assert f"## {name}" in (tmp_path / "results.md").read_text()
    assert list((tmp_path / "data").iterdir()) == []
    assert still_running(tmp_path) == []


@pytest.mark.thorough
def test_a_bench_that_is_ended_in_the_middle_leaves_nothing_running(tmp_path):
    with subprocess.Popen(
        command("throughput", tmp_path), cwd=ROOT, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        end = time.monotonic() + 60
        while not any(b"serve" in line for line in still_running(tmp_path / "data")):
            assert process.poll() is None
            assert time.monotonic() < end
        process.terminate()
        process.wait(60)
    assert still_running(tmp_path) == []
    assert list((tmp_path / "data").iterdir()) == []
