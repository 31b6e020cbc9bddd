"""The benches that run by themselves: the soak, and the plans of PostgreSQL."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.postgres import Postgres
from bench.soak import Sample, growth

ROOT = Path(__file__).parents[3]


def ran(*words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.thorough
def test_a_soak_writes_its_samples_and_its_picture(tmp_path):
    ran("bench.soak", "--minutes", "0.05", "--rate", "100", "--every", "0.2", "--out", tmp_path)
    found = json.loads((tmp_path / "soak.json").read_text())
    assert found["events"] >= 200
    assert all(one["memory_mib"] > 10 and one["files"] >= 3 for one in found["samples"])
    assert "open descriptors" in (tmp_path / "soak.svg").read_text()


def test_what_grows_after_the_warm_up_is_seen():
    def sample(minutes, descriptors):
        return Sample(minutes, 80.0, descriptors, 7, 5, 1.0, 10.0)

    flat = [sample(n, 50 if n > 3 else 20) for n in range(60)]
    assert growth(flat)["descriptors"] == 0
    leak = [sample(n, 20 + n) for n in range(60)]
    assert growth(leak)["descriptors"] > 20


@pytest.mark.skipif(bool(Postgres.missing()), reason="PostgreSQL is not installed here")
@pytest.mark.thorough
def test_plans_of_postgresql_are_written(tmp_path):
    out = tmp_path / "explain.md"
    ran("bench.explain", "--rows", "500", "--out", out)
    assert "Claim" in out.read_text()
