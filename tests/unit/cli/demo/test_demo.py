"""The demo as a user runs it, in its own process and folder."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests import program

PATIENCE = 60.0


class Demo:
    """A running demo and its output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.process: program.Process | None = None

    async def start(self, *options: str) -> None:
        self.process = await program.start(
            sys.executable, "-m", "winnerr_webhooks", "demo",
            "--folder", str(self.folder), "--rate", "20", *options,
            stdin=program.DEVNULL,
            stdout=program.PIPE,
            stderr=program.STDOUT,
            env=os.environ | {"WINNERR_WEBHOOKS_PORT": "not for the demo"},
        )  # fmt: skip

    async def until(self, pattern: str) -> re.Match[str]:
        """Read until a line matches."""
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            async for raw in self.process.stdout:
                self.lines.append(raw.decode().rstrip())
                if match := re.search(pattern, self.lines[-1]):
                    return match
        raise AssertionError("\n".join(self.lines))

    async def end(self) -> int:
        """Read to the end and return the exit code."""
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            async for raw in self.process.stdout:
                self.lines.append(raw.decode().rstrip())
            return await self.process.wait()

    def figure(self, pattern: str) -> int:
        """Return the number before these words in the summary."""
        (found,) = (m for line in self.lines if (m := re.search(rf"(\d+) {pattern}", line)))
        return int(found[1])


@pytest.fixture
async def demo(tmp_path) -> AsyncIterator[Demo]:
    one = Demo(tmp_path / "a folder")
    yield one
    if one.process and one.process.returncode is None:
        one.process.kill()
        await one.process.wait()


async def test_without_a_terminal_it_delivers_verifies_and_prints_plain_lines(demo):
    await demo.start("--seconds", "3")
    assert await demo.end() == 0, "\n".join(demo.lines)
    assert demo.figure("events accepted") > 10
    assert demo.figure("delivered") > 10
    assert demo.figure("signed requests verified") >= demo.figure("delivered")
    assert demo.figure("not$") == 0
    assert demo.figure("duplicates") == 0
    text = "\n".join(demo.lines)
    assert "\x1b" not in text
    assert "curl http://127.0.0.1:" in text
    assert "wwk_" in text


@pytest.mark.thorough
async def test_its_server_can_be_killed_and_nothing_is_lost(demo):
    await demo.start()
    pid = int((await demo.until(r"process (\d+)"))[1])
    await demo.until(", verified$")
    os.kill(pid, signal.SIGKILL)
    await demo.until("killed by SIGKILL. Nothing is lost")
    await demo.until(", verified$")
    assert demo.process is not None
    demo.process.send_signal(signal.SIGINT)
    assert await demo.end() == 0, "\n".join(demo.lines)
    assert demo.figure("restarts of the server") == 1


@pytest.mark.thorough
async def test_the_next_run_goes_on_in_the_same_folder_with_the_same_key(demo):
    keys = []
    for _ in range(2):
        await demo.start()
        keys.append((await demo.until(r"(wwk_\S+)"))[1])
        await demo.until(", verified$")
        assert demo.process is not None
        demo.process.send_signal(signal.SIGTERM)
        assert await demo.end() == 0, "\n".join(demo.lines)
    assert keys[0] == keys[1]
    assert (demo.folder / "api-key").stat().st_mode & 0o777 == 0o600


@pytest.mark.thorough
async def test_its_server_ends_with_it_even_when_it_is_killed(demo):
    await demo.start()
    pid = int((await demo.until(r"process (\d+)"))[1])
    ended = os.pidfd_open(pid)
    assert demo.process is not None
    demo.process.kill()
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(ended, gone.set)
    await asyncio.wait_for(gone.wait(), PATIENCE)
    asyncio.get_running_loop().remove_reader(ended)
    os.close(ended)
