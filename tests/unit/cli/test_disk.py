"""A full disk: the server reports it, and continues when there is room again."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="session")

SMALL_DISK = 'mkdir -p disk && mount -t tmpfs -o size=8m tmpfs disk && exec "$@"'
UNSHARE = ["unshare", "--mount", "sh", "-c", SMALL_DISK, "sh"]
SERVE = [sys.executable, "-m", "winnerr_webhooks"]
FULL = "The disk is full: free some space."


@pytest.fixture(scope="module", autouse=True)
def _can_mount(tmp_path_factory) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare, to make a small disk")
    folder = tmp_path_factory.mktemp("mount")
    if subprocess.run([*UNSHARE, "true"], cwd=folder, check=False, timeout=60).returncode:
        pytest.skip("needs the right to mount a small disk of its own")


@pytest_asyncio.fixture(loop_scope="session")
async def small(make_server):
    """A server whose database is on a disk of 8 MiB of its own."""
    server = await make_server()
    await server.terminate()
    server.settings["DATABASE_URL"] = "sqlite:///disk/test.db"
    server.program = [*UNSHARE, *SERVE]
    server.key = "unused"
    server.log.clear()
    return await server.start()


def _disk(server) -> Path:
    return Path(f"/proc/{server.process.pid}/root{server.folder}/disk")


def _fill(disk: Path) -> None:
    with (disk / "rest").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


async def _ready(server, *, status: int) -> dict:
    """Return what /readyz answers, once the database's log has used up the room it has left."""
    async with asyncio.timeout(60):
        while True:
            async with server.session.get("/readyz") as response:
                if response.status == status:
                    return await response.json()


def _said(server, words: str) -> list[str]:
    return [line for line in server.log if words in line]


@pytest.mark.thorough
async def test_a_disk_that_fills_up_is_named_by_readyz_and_by_one_line(small):
    await _ready(small, status=200)
    disk = _disk(small)
    await asyncio.to_thread(_fill, disk)
    for _ in range(2):
        assert (await _ready(small, status=503))["detail"] == FULL
    (disk / "rest").unlink()
    await _ready(small, status=200)
    assert await small.terminate() == 0
    (line,) = _said(small, "the database is away")
    assert FULL in line
    assert len(_said(small, "the database is back")) == 1


@pytest.mark.parametrize("kept", [("test.db", "test.db.keys"), ("test.db.keys",), ()])
async def test_a_start_on_a_full_disk_ends_with_the_exit_code_for_a_retry(make_server, kept):
    """The exit code means "not now", so that a service manager tries again."""
    server = await make_server()
    await server.terminate()
    for name in kept:
        shutil.copy(server.folder / name, server.folder / f"kept-{name}")
    copies = "".join(f"cp -p kept-{name} disk/{name} && " for name in kept)
    fill = copies + "{ cat /dev/zero > disk/rest 2>/dev/null; } ; "
    script = SMALL_DISK.replace("exec", fill + "exec")
    server.program = ["unshare", "--mount", "sh", "-c", script, "sh", *SERVE]
    server.settings["DATABASE_URL"] = "sqlite:///disk/test.db"
    code, _, err = await server.command("serve")
    assert code == os.EX_TEMPFAIL
    (line,) = err.splitlines()
    assert "The disk is full" in line or "No space left" in line
