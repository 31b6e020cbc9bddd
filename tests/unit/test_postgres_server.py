"""The tests' own PostgreSQL: it must not outlive them, however they end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests import watcher

ROOT = Path(__file__).parents[2]
USER = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
from tests import postgres, postgres_binaries
from pathlib import Path
try:
    server = postgres.PostgresServer.shared(Path(sys.argv[1]))
except postgres_binaries.Missing as error:
    print(json.dumps(str(error)), flush=True)
    sys.exit()
pid = int((server.data / "postmaster.pid").read_text().split()[0]) if server.data.exists() else 0
print(json.dumps([str(server.folder), server.port, pid]), flush=True)
sys.stdin.read()
server.close()
"""


class User:
    """A process that uses the shared server until it is told to end, or killed."""

    def __init__(self, state: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, state],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self) -> tuple[Path, int, int]:
        told = json.loads(self.process.stdout.readline())
        if isinstance(told, str):
            pytest.skip(told)
        folder, port, pid = told
        return Path(folder), port, pid

    def end(self) -> None:
        self.process.communicate(timeout=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


def wait_until_gone(folder: Path, pid: int) -> None:
    end = time.monotonic() + 30
    while folder.exists() or is_alive(pid):
        assert time.monotonic() < end, "the server outlived its users"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # a zombie waits only for its name to be read


@pytest.mark.thorough
def test_processes_that_start_together_share_one_server_which_ends_with_the_last(tmp_path):
    users = [User(tmp_path / "state.json") for _ in range(3)]
    answers = [user.answer() for user in users]
    assert len(set(answers)) == 1
    folder, _, pid = answers[0]
    users[0].end()
    users[1].kill()
    assert is_alive(pid)
    assert folder.exists()
    users[2].kill()
    wait_until_gone(folder, pid)


@pytest.mark.thorough
def test_who_comes_after_the_last_user_gets_a_new_server(tmp_path):
    first = User(tmp_path / "state.json")
    folder, _, pid = first.answer()
    first.kill()
    second = User(tmp_path / "state.json")
    another, _, other_pid = second.answer()
    assert another != folder
    assert is_alive(other_pid)
    second.end()
    wait_until_gone(another, other_pid)
    wait_until_gone(folder, pid)


@pytest.mark.thorough
def test_a_server_ends_with_its_watcher(make_postgres):
    server = make_postgres()
    pid = int((server.data / "postmaster.pid").read_text().split()[0])
    os.kill(server._watcher.pid, signal.SIGKILL)
    end = time.monotonic() + 30
    while is_alive(pid):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_server_of_tests_that_a_shell_runs_in_the_background_ends_with_its_last_user(tmp_path):
    """Such a shell has SIGQUIT ignored, and so have the processes of the tests."""
    users = tmp_path / "users"
    users.touch()
    process = subprocess.Popen(
        [
            *("/bin/sh", "-c", 'trap "" QUIT; exec "$@"', "sh"),
            *(sys.executable, "-I", "-S", watcher.__file__, tmp_path),
            *("--", sys.executable, "-c", "import signal; signal.pause()"),
        ]
    )
    try:
        process.wait(30)
    finally:
        process.kill()
    assert not tmp_path.exists()


@pytest.mark.thorough
async def test_a_server_stopped_as_by_a_crash_has_its_data_when_it_is_started_again(make_postgres):
    server = await asyncio.to_thread(make_postgres, durable=True)
    name = await server.create_database()
    async with server.admin(name) as connection:
        await connection.execute("CREATE TABLE t AS SELECT 7 AS n")
        await asyncio.to_thread(server.stop, "immediate")
    await asyncio.to_thread(server.start)
    async with server.admin(name) as connection:
        assert await connection.fetchval("SELECT n FROM t") == 7
        assert await connection.fetchval("SHOW fsync") == "on"


async def test_the_databases_belong_to_a_role_without_special_rights(postgres_server):
    name = await postgres_server.create_database()
    async with postgres_server.admin(name) as connection:
        assert await connection.fetchrow(
            "SELECT rolsuper, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = 'webhooks'"
        ) == (False, False, False)
    await postgres_server.drop_database(name)
