"""Run the tests of every SDK whose toolchain is installed, and print which vectors each one passed.

    python sdk/run_tests.py            # all of them
    python sdk/run_tests.py go php     # these
    python sdk/run_tests.py --chaos    # the long failure runs of the Python SDK

A language without its toolchain is skipped, and the table says so. `server` is the server's own
signing, `page` the code examples of the settings page in six languages, `readmes` the code blocks
of the READMEs of Go, Java, PHP and Ruby, with their frameworks. The output of each suite is in
`sdk/.test-output`. Exit code 1 if any failed, or did not pass a vector that it must.

The tests of Python and JavaScript also start the server, with the interpreter that runs this
script: install the server's requirements first, as `make sdk` does. It also installs the runtimes
of `sdk/js/runtimes` (Deno, Bun, Workers, two versions of Node.js), which have rows of their own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

HERE: Final = Path(__file__).parent
VENV: Final = HERE / "python" / ".venv"
OUTPUT: Final = HERE / ".test-output"
PYTEST: Final = (sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider")
RUNTIMES: Final = ("Node 18", "Node 26", "Deno", "Bun", "Workers")
KINDS: Final = (
    "ok",
    "missing_header",
    "malformed_header",
    "no_match",
    "too_old",
    "too_new",
    "invalid_secret",
    "invalid_payload",
)
"""What verifying a vector answers."""


class Suite(NamedTuple):
    """The tests of one SDK: the commands run in its folder, in order, until one fails.

    `rows` has the pattern of a line that says that a vector passed, for each row of the table.
    """

    tools: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    rows: dict[str, str]
    runs_all_vectors: bool = True
    folder: str | None = None


SUITES: Final = {
    "python": Suite(
        (),
        (
            (sys.executable, "-m", "venv", str(VENV)),
            (f"{VENV}/bin/pip", "-q", "install", "--require-hashes", "-r", "requirements-dev.lock"),
            (f"{VENV}/bin/python", "-m", "pytest", "-v"),
        ),
        {"python": r"test_vectors\.py::\w+\[(\w+)\] PASSED"},
    ),
    "js": Suite(
        ("node", "npm"),
        (("npm", "ci", "--silent"), ("npm", "test", "--silent")),
        {
            "js": r"(?:ok \d+ -|✔) vector (\w+): ",
            **{f"js, {name}": rf"{name}: vector (\w+) passed" for name in RUNTIMES},
        },
    ),
    "go": Suite(
        ("go",),
        (("go", "vet", "./..."), ("go", "test", "-v", "-count=1", "./...")),
        {"go": r"--- PASS: TestVectors/(\w+)"},
    ),
    "java": Suite(
        ("javac", "mvn"), (("mvn", "-q", "-B", "test"),), {"java": r"vector (\w+) passed"}
    ),
    "php": Suite(
        ("php", "phpunit", "composer"),
        (("composer", "-q", "dump-autoload"), ("phpunit", "--testdox")),
        {"php": r'✔ Vector with (?:data set )?"?(\w+)'},
    ),
    "ruby": Suite(
        ("ruby", "rake"),
        (("rake", "test", "TESTOPTS=-v"),),
        {"ruby": r"VectorsTest#test_vector_(\w+) = [^=]*?[\d.]+ s = \."},
    ),
    "server": Suite(
        ("openssl",),
        ((*PYTEST, "sdk/tests"),),
        {"server": r"test_the_server_signs\w+\[(\w+)\] PASSED"},
        runs_all_vectors=False,
        folder="..",
    ),
    "readmes": Suite(
        (),
        ((*PYTEST, "-ra", "sdk/readme_tests"),),
        {},
        runs_all_vectors=False,
        folder="..",
    ),
    "page": Suite(
        (),
        ((*PYTEST, "-s", "tests/unit/settings_page/test_snippets.py", "-k", "vectors"),),
        {
            f"page, {slug}": rf"page, {slug}: vector (\w+) passed"
            for slug in ("node", "python", "go", "php", "ruby", "java")
        },
        runs_all_vectors=False,
        folder="..",
    ),
}
CHAOS: Final = {
    "python": SUITES["python"]._replace(
        commands=(
            *SUITES["python"].commands[:2],
            (f"{VENV}/bin/python", "-m", "pytest", "-v", "-rP", "-m", "chaos"),
        ),
        rows={},
    )
}


def run(name: str, suite: Suite) -> str:
    """Return what came of one SDK's tests: "passed", "FAILED …" or "skipped: …"."""
    missing = [tool for tool in suite.tools if shutil.which(tool) is None]
    if missing:
        return f"skipped: {' and '.join(missing)} not installed"
    environment = {
        **os.environ,
        "SERVER_PYTHON": sys.executable,
        "PYTHONPATH": str(HERE.parent / "src"),
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
    }
    if name == "python":
        del environment["PYTHONPATH"]
    OUTPUT.mkdir(exist_ok=True)
    with (OUTPUT / name).open("w") as log:
        for command in suite.commands:
            done = subprocess.run(
                command,
                cwd=HERE / (suite.folder or name),
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
            if done.returncode:
                return f"FAILED: {' '.join(command)}"
    return "passed"


def passed_vectors(name: str, pattern: str) -> set[str]:
    """Return the names of the vectors that the suite's output says have passed."""
    file = OUTPUT / name
    return set(re.findall(pattern, file.read_text("utf-8", "replace"))) if file.exists() else set()


def table(
    results: dict[str, str], suites: dict[str, Suite], vectors: dict[str, str]
) -> tuple[list[str], bool]:
    """Return the table's lines, and whether all vectors that must pass did.

    `vectors` has what verifying each vector answers.
    """
    there = Counter(vectors.values())
    widths = [max(len(kind), 7) for kind in KINDS]
    lines = ["", f"{'vectors passed':<14}  " + "  ".join(map(str.rjust, KINDS, widths))]
    lines.append(
        f"{'(there are)':<14}  "
        + "  ".join(
            str(there[kind]).rjust(width) for kind, width in zip(KINDS, widths, strict=True)
        )
    )
    notes, complete = [], True
    for name, result in results.items():
        if result.startswith("skipped"):
            notes.append(f"{name} was {result}")
            continue
        for row, pattern in suites[name].rows.items():
            passed = passed_vectors(name, pattern) & vectors.keys()
            if not passed and row != name:
                notes.append(f"{row} was skipped: it is not installed")
                continue
            counts = Counter(vectors[one] for one in passed)
            cells = [
                str(counts[kind]).rjust(width) for kind, width in zip(KINDS, widths, strict=True)
            ]
            lines.append(f"{row:<14}  {'  '.join(cells)}")
            lacking = sorted(vectors.keys() - passed)
            if suites[name].runs_all_vectors and lacking:
                complete = False
                notes.append(f"{row} did not pass {', '.join(lacking)}")
    return lines + notes, complete


def main(words: list[str]) -> int:
    """Run the suites of these names, or all; return the exit code."""
    suites = CHAOS if "--chaos" in words else SUITES
    names = [word for word in words if word != "--chaos"]
    unknown = [name for name in names if name not in suites]
    if unknown:
        print(f"There is no suite named {unknown[0]}; there are {', '.join(suites)}.")
        return 2
    results, lines = {}, []
    for name in names or suites:
        print(f"== {name}: ", end="", flush=True)
        began = time.monotonic()
        results[name] = run(name, suites[name])
        print(f"{results[name]} ({time.monotonic() - began:.0f} s)", flush=True)
        output = (OUTPUT / name).read_text("utf-8", "replace") if (OUTPUT / name).exists() else ""
        if results[name].startswith("FAILED"):
            print(output)
        elif suites is CHAOS:
            print("\n".join(re.findall(r"^.*(?:killed|SKIPPED|passed).*$", output, re.MULTILINE)))
    complete = True
    if suites is SUITES:
        lines, complete = table(results, suites, expected())
        print("\n".join(lines))
    return int(not complete or any(one.startswith("FAILED") for one in results.values()))


def expected() -> dict[str, str]:
    """What verifying each vector answers, by the vector's name."""
    file: Any = json.loads((HERE / "vectors.json").read_text("utf-8"))
    return {
        one["name"]: one["expect"].get("reason") or one["expect"].get("error") or "ok"
        for one in file["vectors"]
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
