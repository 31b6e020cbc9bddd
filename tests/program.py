"""Starts programs for tests: Python programs are forked with the product's modules loaded.

`start` is for `asyncio.create_subprocess_exec` what the `forkserver` is for Python: the program
runs in a process of its own all the same. Tests about the start of a process itself, such as
what it loads and how long that takes, use `asyncio.create_subprocess_exec`.
"""

import asyncio
import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Mapping
from pathlib import Path

from tests import forkserver

__all__ = ["DEVNULL", "PIPE", "STDOUT", "ForkedProcess", "Process", "start"]


class ForkedProcess:
    """A child of the fork server. It has the methods of `asyncio.subprocess.Process`."""

    def __init__(self, pid: int, pidfd: int, answers: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._pidfd = pidfd
        self._answers = answers
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        answers.setblocking(False)
        self._loop.add_reader(answers, self._on_end)

    def _on_end(self) -> None:
        self._loop.remove_reader(self._answers)
        self.returncode = int(self._answers.recv(64))
        self._answers.close()
        os.close(self._pidfd)
        self._ended.set()

    async def wait(self) -> int:
        """Wait for its end; return its exit code, or -N if signal N has ended it."""
        await self._ended.wait()
        for _ in range(5):  # turns in which the loop reads to the end of pipes, and closes them
            await asyncio.sleep(0)
        assert self.returncode is not None
        return self.returncode

    async def communicate(self, given: bytes | None = None) -> tuple[bytes, bytes]:
        """Send `given` to its stdin, and read the rest of its stdout and stderr until it ends."""
        if self.stdin is not None:
            self.stdin.write(given or b"")
            self.stdin.close()
        outputs = await asyncio.gather(_rest(self.stdout), _rest(self.stderr))
        await self.wait()
        return outputs[0], outputs[1]

    def send_signal(self, number: int) -> None:
        """Send it a signal. `ProcessLookupError`: it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Process = ForkedProcess | asyncio.subprocess.Process


async def start(
    *words: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
) -> Process:
    """Start a program; arguments and answer are those of `asyncio.create_subprocess_exec`.

    It is forked if it is run by this Python without other options than `-m` or `-c`.
    """
    program, *rest = map(str, words)
    if program != sys.executable or (rest[0].startswith("-") and rest[0] not in ("-m", "-c")):
        return await asyncio.create_subprocess_exec(
            *words, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr
        )
    in_child, in_test = _stream(stdin, 0)
    out_test, out_child = _stream(stdout, 1)
    err_test, err_child = (None, out_child) if stderr == STDOUT else _stream(stderr, 2)
    answers, to_us = socket.socketpair()
    request = {
        "words": rest,
        "env": dict(os.environ if env is None else env),
        "cwd": str(cwd or Path.cwd()),
    }
    try:
        streams = [in_child, out_child, err_child, to_us.fileno()]
        socket.send_fds(_fork_server(), [json.dumps(request).encode()], streams)
    finally:
        to_us.close()
        for stream in {in_child, out_child, err_child}:
            os.close(stream)
    raw, (pidfd,), _, _ = socket.recv_fds(answers, 64, 1)
    process = ForkedProcess(int(raw), pidfd, answers)
    process.stdin = in_test and await _writer(in_test)
    process.stdout = out_test and await _reader(out_test)
    process.stderr = err_test and await _reader(err_test)
    return process


def _stream(wanted: int | None, number: int) -> tuple[int | None, int | None]:
    """Both ends of a standard stream, as `os.pipe` orders them; one of them None unless a PIPE."""
    if wanted == PIPE:
        return os.pipe()
    if wanted == DEVNULL:
        one = os.open(os.devnull, os.O_RDWR)
    else:
        one = os.dup(number if wanted is None else wanted)
    return (one, None) if number == 0 else (None, one)


async def _reader(number: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(number, "rb", 0)
    )
    return reader


async def _writer(number: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(number, "wb", 0)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


async def _rest(reader: asyncio.StreamReader | None) -> bytes:
    return b"" if reader is None else await reader.read()


@functools.cache
def _fork_server() -> socket.socket:
    """The connection to this process's fork server, which starts now and ends with this process."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        server = subprocess.Popen([sys.executable, forkserver.__file__], stdin=its)

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours
