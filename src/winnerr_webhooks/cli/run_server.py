"""Starts the server of `serve`, in this process or in several workers.

It imports only what it needs, so that a restarted service is available quickly.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final

from winnerr_webhooks.config import Config, check_service
from winnerr_webhooks.processes.worker_context import WorkerContext

GARBAGE_THRESHOLDS: Final = (5_000, 50, 10)
"""How many more objects there are before the garbage collector searches the newest, the newer and
all of them, as in `gc.set_threshold`. By default it searches more than the newest for every 7,000
more: with thousands of connections that pauses all events for 70 ms."""


def run_server(config: Config, worker: WorkerContext | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit code."""
    check_service(config)
    # structlog loads rich if it is installed, for tracebacks that no log of a server shows. An
    # entry of None counts as not installed (import system, 5.3.1).
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    # Before the server has its own handlers there is nothing to finish, so exit at once.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    if config.event_catalog:  # likewise: SIGHUP asks to read a file that the start reads
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from winnerr_webhooks.log_setup import set_up_logs  # noqa: PLC0415  --help must not load it

    set_up_logs(config.log_level, config.log_format)
    if config.processes > 1 and worker is None:
        return _supervise(config)
    _serve(config, worker)
    return 0


def _serve(config: Config, worker: WorkerContext | None) -> None:
    # Imported modules are never freed, so the garbage collector need not look at them.
    gc.disable()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    # Litestar loads support for pydantic if it is installed, which takes a sixth of the start.
    # Nothing here uses it.
    sys.modules.setdefault("pydantic", None)  # type: ignore[arg-type]
    import uvloop  # noqa: PLC0415  a supervisor and --help do not load the server

    from winnerr_webhooks import wiring  # noqa: PLC0415  likewise

    gc.freeze()
    gc.enable()
    work = wiring.serve(config, on_started=_announcer(config), worker=worker)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def _supervise(config: Config) -> int:
    """Run several worker processes of this command; return the exit code."""
    from winnerr_webhooks.clock import SystemClock  # noqa: PLC0415  --help loads none of them
    from winnerr_webhooks.ids import Jitter  # noqa: PLC0415
    from winnerr_webhooks.processes.supervisor import Supervisor  # noqa: PLC0415

    supervisor = Supervisor(
        config,
        (sys.executable, "-m", "winnerr_webhooks.cli.worker_process", *sys.argv[1:]),
        on_started=_announcer(config),
        clock=SystemClock(),
        jitter=Jitter(),
    )
    return asyncio.run(supervisor.run())


def _announcer(config: Config) -> Callable[[str], None]:
    def announce(url: str) -> None:
        sys.stdout.write(
            f"{config.brand} Webhooks listens on {url} (API reference: {url}/api/docs)\n"
        )
        sys.stdout.flush()

    return announce


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
