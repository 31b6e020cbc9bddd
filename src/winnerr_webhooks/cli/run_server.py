"""Starts the server that `serve` runs: in this process, or in several.

It needs no more than what it starts: a service that is restarted should be back at once.
"""

import asyncio
import gc
import signal
import sys
from types import FrameType

from winnerr_webhooks.config import Config, check_service
from winnerr_webhooks.processes.worker_context import WorkerContext


def run_server(config: Config, worker: WorkerContext | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit code."""
    check_service(config)
    # Until the server has its own handlers a signal finds nothing to finish: leave at once.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    from winnerr_webhooks.telemetry import set_up_logs  # noqa: PLC0415  --help must not load it

    set_up_logs(config.log_level, config.log_format)
    if config.processes > 1 and worker is None:
        return _supervise(config)
    _serve(config, worker)
    return 0


def _serve(config: Config, worker: WorkerContext | None) -> None:
    # What is imported stays, so a collection meanwhile, or ever after, would only look at it.
    gc.disable()
    import uvloop  # noqa: PLC0415  a supervisor and --help do not load the server

    from winnerr_webhooks import wiring  # noqa: PLC0415  likewise

    gc.freeze()
    gc.enable()
    work = wiring.serve(config, on_started=_announce, worker=worker)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def _supervise(config: Config) -> int:
    """Run several processes of this very command; the exit code."""
    from winnerr_webhooks.clock import SystemClock  # noqa: PLC0415  --help loads none of them
    from winnerr_webhooks.ids import Jitter  # noqa: PLC0415
    from winnerr_webhooks.processes.supervisor import Supervisor  # noqa: PLC0415

    supervisor = Supervisor(
        config,
        (sys.executable, "-m", "winnerr_webhooks.cli.worker_process", *sys.argv[1:]),
        on_started=_announce,
        clock=SystemClock(),
        jitter=Jitter(),
    )
    return asyncio.run(supervisor.run())


def _announce(url: str) -> None:
    sys.stdout.write(f"Winnerr Webhooks listens on {url} (API reference: {url}/api/docs)\n")
    sys.stdout.flush()


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
