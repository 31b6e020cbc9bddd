"""Run the tests of every SDK whose toolchain is installed, and print one table.

    python sdk/run_tests.py            # all of them
    python sdk/run_tests.py go php     # these

A language without its toolchain is skipped, and the table says so. Exit code 1 if any failed.
The tests of Python and JavaScript also start the server, with the interpreter that runs this
script: install the server's requirements first, as `make sdk` does.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).parent
VENV: Final = HERE / "python" / ".venv"


class Suite(NamedTuple):
    """The tests of one SDK: the commands run in its folder, in order, until one fails."""

    tools: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]


SUITES: Final = {
    "python": Suite(
        (),
        (
            (sys.executable, "-m", "venv", str(VENV)),
            (f"{VENV}/bin/pip", "-q", "install", "--require-hashes", "-r", "requirements-dev.lock"),
            (f"{VENV}/bin/python", "-m", "pytest", "-q"),
        ),
    ),
    "js": Suite(("node", "npm"), (("npm", "ci", "--silent"), ("npm", "test", "--silent"))),
    "go": Suite(("go",), (("go", "vet", "./..."), ("go", "test", "./..."))),
    "java": Suite(("javac", "mvn"), (("mvn", "-q", "-B", "test"),)),
    "php": Suite(("php", "phpunit"), (("phpunit",),)),
    "ruby": Suite(("ruby", "rake"), (("rake", "test"),)),
}


def run(name: str, suite: Suite) -> str:
    """Return what came of one SDK's tests: "passed", "FAILED …" or "skipped: …"."""
    missing = [tool for tool in suite.tools if shutil.which(tool) is None]
    if missing:
        return f"skipped: {' and '.join(missing)} not installed"
    environment = {**os.environ, "SERVER_PYTHON": sys.executable}
    for command in suite.commands:
        done = subprocess.run(command, cwd=HERE / name, env=environment, check=False)
        if done.returncode:
            return f"FAILED: {' '.join(command)}"
    return "passed"


def main(names: list[str]) -> int:
    """Run the suites of these names, or all; return the exit code."""
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f"There is no SDK named {unknown[0]}; there are {', '.join(SUITES)}.")
        return 2
    results = {}
    for name in names or SUITES:
        print(f"== {name}", flush=True)
        began = time.monotonic()
        results[name] = f"{run(name, SUITES[name])} ({time.monotonic() - began:.0f} s)"
    print("\nSDK      result")
    for name, result in results.items():
        print(f"{name:<8} {result}")
    return int(any(result.startswith("FAILED") for result in results.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
