"""Use every package, recipe and tutorial as a stranger does, and print one table.

    python sdk/smoke.py               # all of them
    python sdk/smoke.py go nginx      # these

Each row is a page of `docs` or a section of it, played in an empty folder: the package is built and
installed from its artifact, and the section's program is started. Then events go from a backend
through the server to it. Exit code 1 if any failed; what lacks its toolchain is skipped.

    emit      an event is accepted; where the package has an emitter, by the page's program for it
    verify    the program receives the event and finds it genuine
    replay    the delivery is replayed, and is genuine again
    refuse    the same request with one byte changed is refused
    outbox    an event of an outbox arrives once, and none of a transaction that was rolled back
    blocks    how many blocks of a reference page were run
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

os.environ["SERVER_PYTHON"] = sys.executable  # where the harness finds the server
sys.path.insert(0, str(Path(__file__).parent / "python/src"))
sys.path.insert(0, str(Path(__file__).parent / "python/tests"))

from harness import Service
from naming_trial import NamingTrial
from package_trial import PackageTrial
from postgres_trial import PostgresTrial
from proxy_trial import ProxyTrial
from reader import PATH
from reference_trials import CommandsTrial
from smoke_rows import PACKAGES, REFERENCES, TUTORIALS
from terminal import Failed
from tutorial_trials import TutorialTrial

COLUMNS: Final = ("installed", "emit", "verify", "replay", "refuse", "outbox", "blocks")
ROWS: Final = {**TUTORIALS, **PACKAGES, **REFERENCES}
NJS: Final = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")


def missing(name: str) -> list[str]:
    """Return what this machine lacks for a row."""
    lacking = [tool for tool in ROWS[name].tools if not shutil.which(tool, path=PATH)]
    return [*lacking, "njs"] if name == "nginx" and not NJS.exists() else lacking


def play(name: str, service: Service, done: dict[str, str]) -> None:
    """Play a row; `done` gets what came of each column."""
    if name in TUTORIALS:
        TutorialTrial(name, done).run()
    elif name == "commands":
        CommandsTrial(service, done).run()
    elif name == "postgresql":
        PostgresTrial(done).run()
    elif name == "names":
        NamingTrial(done).run()
    elif name in REFERENCES:
        ProxyTrial(name, service, done).run()
    else:
        PackageTrial(PACKAGES[name], service, done).run()


def main(names: list[str]) -> int:
    """Play the rows of these names, or all, and print the table; return the exit code."""
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        print(f"There is no row named {unknown[0]}; there are {', '.join(ROWS)}.")
        return 2
    lines, failed = [], False
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder))
        service.start()
        try:
            for name in names or ROWS:
                print(f"== {name}", flush=True)
                if lacking := missing(name):
                    lines.append(f"{name:<10}  skipped: {' and '.join(lacking)} not installed")
                    continue
                done: dict[str, str] = {}
                note = ""
                try:
                    play(name, service, done)
                except (Failed, OSError) as error:
                    failed, note = True, "  FAILED"
                    print(error)
                cells = [done.get(column, "").ljust(9) for column in COLUMNS]
                lines.append(f"{name:<10}  {' '.join(cells).rstrip()}{note}")
        finally:
            service.stop()
    print(f"\n{'':<10}  " + " ".join(column.ljust(9) for column in COLUMNS).rstrip())
    print("\n".join(lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
