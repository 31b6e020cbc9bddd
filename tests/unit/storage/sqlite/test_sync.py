"""A disk that fails while a commit is synced: whether it was done is not known."""

import asyncio
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.unit.storage.sqlite.test_crash import COMMON

SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int file) {
    char link[64], name[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    return length > 4 && !strcmp(name + length - 4, "-wal") && !access(getenv("SICK"), F_OK);
}

#define WRAP(call)                                                        \\
    int call(int file) {                                                  \\
        if (fails(file)) { errno = EIO; return -1; }                      \\
        return ((int (*)(int))dlsym(RTLD_NEXT, #call))(file);             \\
    }
WRAP(fsync)
WRAP(fdatasync)
"""
"""While the file that `SICK` names is there, no write-ahead log is synced."""


@pytest.fixture(scope="module")
def shim(tmp_path_factory) -> Path:
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("needs a C compiler, to make a disk that fails")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    words = [compiler, "-shared", "-fPIC", "-o", "shim.so", "shim.c", "-ldl"]
    subprocess.run(words, cwd=folder, check=True, timeout=60)
    return folder / "shim.so"


async def test_a_commit_that_is_not_synced_is_uncertain_and_the_next_one_works(
    shim, path, tmp_path
) -> None:
    script = """
        import os
        from pathlib import Path
        from winnerr_webhooks.domain.errors import Uncertain

        sick = Path(os.environ["SICK"])

        async def main():
            storage = await opened()
            sick.touch()
            for one in (event(), event()):
                try:
                    await storage.accept([one], None)
                except Unavailable as error:
                    print(type(error).__name__, error, flush=True)
            sick.unlink()
            one = event()
            await storage.accept([one], None)
            assert await storage.event("org_1", one.id) is not None
            await storage.close()

        asyncio.run(main())
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(COMMON) + textwrap.dedent(script),
        str(path),
        env={"LD_PRELOAD": str(shim), "SICK": str(tmp_path / "sick"), "PYTHONPATH": "src"},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    said = [line for line in out.decode().splitlines() if line.startswith("U")]
    assert said == ["Uncertain The disk failed while the database committed."] * 2
