"""What is built is what is meant: the wheel's contents, its version, and that it imports alone."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import winnerr_webhooks

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "winnerr_webhooks"


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build with the build backend of this environment, without a network."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel):
    expected = {
        str(file.relative_to(SOURCE.parent))
        for file in SOURCE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert names == expected
    assert "winnerr_webhooks/py.typed" in names
    assert any(name.endswith(".sql") for name in names)


def test_the_wheel_is_of_the_packages_own_version_and_brings_the_console_script(wheel):
    archive = zipfile.ZipFile(wheel)
    (info,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
    assert metadata["Version"] == winnerr_webhooks.__version__
    assert metadata["License-Expression"] == "Apache-2.0 AND OFL-1.1"  # the page's fonts
    script = archive.read(f"{info}/entry_points.txt").decode()
    assert "winnerr-webhooks = winnerr_webhooks.cli:main" in script
    fonts = "src/winnerr_webhooks/settings_page/static/OFL.txt"
    assert {f"{info}/licenses/{name}" for name in ("LICENSE", fonts)} <= set(archive.namelist())


@pytest.mark.thorough
def test_an_installed_wheel_works_without_the_source(wheel, tmp_path):
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "install", "--no-deps", "--no-index", "--target", target, wheel, cwd=tmp_path)
    where = run(
        sys.executable,
        "-c",
        "import winnerr_webhooks; print(winnerr_webhooks.__file__)",
        cwd=tmp_path,
        PYTHONPATH=str(target),
    )
    assert Path(where.strip()).is_relative_to(target)
    version = run(
        sys.executable, target / "bin" / "winnerr-webhooks", "--version",
        cwd=tmp_path, PYTHONPATH=str(target),
    )  # fmt: skip
    assert version.strip() == winnerr_webhooks.__version__


def pins(lock: str) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return dict(found)


def test_the_development_lock_installs_the_very_versions_that_run():
    runtime = pins("requirements.lock")
    assert runtime
    assert runtime.items() <= pins("requirements-dev.lock").items()


@pytest.mark.parametrize(
    "lock",
    [
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-bench.lock",
        "requirements-uv.lock",
    ],
)
def test_a_lock_file_has_a_hash_for_everything_and_names_no_host(lock):
    text = (ROOT / lock).read_text()
    entries = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    assert all("--hash=sha256:" in entry for entry in entries if entry.strip())
    assert "://" not in text


def test_make_lists_its_targets_when_it_is_asked_for_nothing():
    listed = run("make", "--no-print-directory", cwd=ROOT)
    for target in ("demo", "test", "check", "bench", "help"):
        assert re.search(rf"^{target} +\S", listed, re.MULTILINE)


def test_the_continuous_integration_script_can_be_run():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_lowest_versions_are_those_of_the_lock_that_ci_tests():
    """`make lock` writes the lower bounds of pyproject.toml into requirements-lowest.lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = dict(
        re.findall(r"(?m)^([\w-]+)==([\w.]+)", (ROOT / "requirements-lowest.lock").read_text())
    )
    for requirement in map(Requirement, project["dependencies"]):
        (lowest,) = [one.version for one in requirement.specifier if one.operator == ">="]
        assert Version(locked[requirement.name]) == Version(lowest), requirement.name


def test_no_two_modules_have_the_same_name():
    """A stranger looks for a module by its name."""
    names = Counter(path.name for path in (ROOT / "src").rglob("*.py"))
    del names["__init__.py"]
    assert [name for name, count in names.items() if count > 1] == []
