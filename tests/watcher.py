"""The process beside a server of the tests: it ends the server when nobody uses it any more.

    python -I -S watcher.py FOLDER [UID GID] -- COMMAND...

Each process that uses the server holds a shared lock on the file `users` in the folder. It runs
without any package, so that it starts quickly.
"""

import ctypes
import fcntl
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path


def _prepare_child() -> None:
    """Let the server end with its watcher, and by SIGQUIT.

    A shell has its background jobs ignore SIGQUIT, which programs inherit. PostgreSQL handles the
    signal all the same; pgbouncer below 1.23 does not.
    """
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    pr_set_pdeathsig = 1  # prctl(2)
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGQUIT)


def _watch(folder: Path, identity: list[int], command: list[str]) -> int:
    """Run a server until it ends by itself or no process uses it any more."""
    as_user = {"user": identity[0], "group": identity[1], "extra_groups": []} if identity else {}
    server = subprocess.Popen(
        command,
        preexec_fn=_prepare_child,  # noqa: PLW1509  there is no other thread yet
        **as_user,
    )
    abandoned = threading.Event()

    def wait_for_users() -> None:
        with (folder / "users").open("r+") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            abandoned.set()
            server.send_signal(signal.SIGQUIT)
            server.wait()

    threading.Thread(target=wait_for_users, daemon=True).start()
    code = server.wait()
    if abandoned.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    split = sys.argv.index("--")
    sys.exit(
        _watch(Path(sys.argv[1]), [int(one) for one in sys.argv[2:split]], sys.argv[split + 1 :])
    )
