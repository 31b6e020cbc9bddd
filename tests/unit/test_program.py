"""A forked program is, to a test, what a program started by Python is."""

import asyncio
import os
import signal
import sys

import pytest
from tests import program

SURROUNDINGS = """
import os, signal, sys, threading
print(sys.argv[1:], os.getcwd(), sorted(os.environ.items()), __name__)
print([signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)])
print(threading.active_count(), sorted(os.listdir("/proc/self/fd")), sys.stdout.isatty())
print(sys.stdin.read(), os.getpgid(0) == os.getpgid(os.getppid()))
print("a warning", file=sys.stderr)
"""


async def started(how, *words, **options):
    start = {"forked": program.start, "executed": asyncio.create_subprocess_exec}[how]
    return await start(sys.executable, *words, **options)


async def ended(how, *words, **options):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), program.PIPE)
    process = await started(how, *words, **pipes | options)
    out, err = await asyncio.wait_for(process.communicate(b"some input"), 60)
    return out, err, process.returncode


async def test_it_has_the_surroundings_of_a_new_process(tmp_path) -> None:
    words = ("-c", SURROUNDINGS, "an argument", "--an-option")
    options = {"cwd": tmp_path, "env": {"LC_CTYPE": "C.UTF-8", "ONLY": "this"}}
    forked = await ended("forked", *words, **options)
    assert forked == await ended("executed", *words, **options)
    assert forked[1:] == (b"a warning\n", 0)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "import sys; sys.exit(7)",
        "import sys; sys.exit('a sentence')",
        "import os; os._exit(9)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "raise KeyboardInterrupt",
        """import atexit, threading
atexit.register(print, "last")
threading.Thread(target=print, args=("a thread",)).start()""",
    ],
)
async def test_it_ends_with_the_same_code_and_output(code) -> None:
    forked, executed = [await ended(how, "-c", code) for how in ("forked", "executed")]
    assert (forked[0], forked[2]) == (executed[0], executed[2])
    assert forked[1].splitlines()[-1:] == executed[1].splitlines()[-1:]


async def test_a_script_and_a_module_run_as_the_main_program(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys, beside\nprint(__name__, sys.argv, beside.WORD)")
    (tmp_path / "beside.py").write_text("WORD = 'beside'")
    for words in ([script, "a word"], ["-m", "winnerr_webhooks", "--version"]):
        assert await ended("forked", *words) == await ended("executed", *words)


async def test_signals_reach_it_and_its_end_is_known_without_a_wait() -> None:
    process = await started("forked", "-c", "import signal; signal.pause()")
    assert process.returncode is None
    process.send_signal(signal.SIGSTOP)
    process.kill()
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        process.terminate()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
