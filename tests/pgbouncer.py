"""A real pgbouncer for tests, in transaction mode: each transaction may use another connection.

It is Debian's package `pgbouncer`, which `make pgbouncer` installs. Like PostgreSQL it refuses to
run as root. The same kind of watcher process runs it, so it cannot outlive the tests.
"""

import fcntl
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import postgres, watcher
from tests.postgres_binaries import START_SECONDS, Missing

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = md5
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 3
server_login_retry = 1
max_client_conn = 300
logfile = {folder}/log
"""


class Pgbouncer:
    """A pooler in front of a `PostgresServer`, for its role `postgres.OWNER`."""

    def __init__(self, server: postgres.PostgresServer) -> None:
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
        if program is None:
            raise Missing("no pgbouncer here: `make pgbouncer` installs it, on Debian")
        self.server = server
        self.port = postgres.free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="winnerr-pgbouncer-"))
        identity = server.identity
        self.folder.chmod(0o755)
        (self.folder / "users.txt").write_text(f'"{postgres.OWNER}" "{server.password}"\n')
        (self.folder / "pgbouncer.ini").write_text(
            _CONFIGURATION.format(server=server.port, port=self.port, folder=self.folder)
        )
        if identity:
            for file in (self.folder / "users.txt", self.folder):
                shutil.chown(file, *identity)
        (self.folder / "users.txt").chmod(0o600)
        (self.folder / "users").touch()
        self._use = (self.folder / "users").open()
        fcntl.flock(self._use, fcntl.LOCK_SH)
        self._watcher = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", watcher.__file__, self.folder),
                *map(str, identity),
                *("--", program, "--quiet", self.folder / "pgbouncer.ini"),
            ],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            except OSError:
                if self._watcher.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"pgbouncer did not start:\n{self.log}") from None
                time.sleep(0.01)
            else:
                return

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "log").read_text()

    def url(self, database: str) -> str:
        """The URL of one of the server's databases, through the pooler."""
        direct = self.server.url(database)
        return direct.replace(f":{self.server.port}/", f":{self.port}/")

    def close(self) -> None:
        """End it, and remove its folder."""
        self._use.close()
        self._watcher.wait(postgres.STOP_SECONDS)
