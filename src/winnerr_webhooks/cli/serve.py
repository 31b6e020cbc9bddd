"""`serve`: API and delivery in one process, or in several, until SIGTERM or Ctrl-C."""

import asyncio
import signal
import sys
from types import FrameType

import typer

from winnerr_webhooks.cli.settings import takes_settings
from winnerr_webhooks.config import Config, check_service
from winnerr_webhooks.processes.membership import Membership


@takes_settings()
def serve(config: Config, context: typer.Context) -> None:
    """Run API and delivery: all of it in one process, or split by --role and --processes.

    Ends in order on SIGTERM and Ctrl-C: what is in flight is finished, nothing is lost; a second
    one ends it at once. Each option is also a variable: --port is WINNERR_WEBHOOKS_PORT. Options
    win.
    """
    check_service(config)
    # Until the server has its own handlers a signal finds nothing to finish: leave at once.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    from winnerr_webhooks.telemetry import set_up_logs  # noqa: PLC0415  --help must not load it

    set_up_logs(config.log_level, config.log_format)
    membership: Membership | None = context.obj
    if config.processes > 1 and membership is None:
        raise typer.Exit(_supervise(config))
    _serve(config, membership)


def _serve(config: Config, membership: Membership | None) -> None:
    import uvloop  # noqa: PLC0415  --help must not load the server

    from winnerr_webhooks import wiring  # noqa: PLC0415  likewise

    work = wiring.serve(config, on_started=_announce, membership=membership)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def _supervise(config: Config) -> int:
    """Run several processes of this very command; the exit code."""
    from winnerr_webhooks.clock import SystemClock  # noqa: PLC0415  --help loads none of them
    from winnerr_webhooks.ids import Jitter  # noqa: PLC0415
    from winnerr_webhooks.processes.supervisor import Supervisor  # noqa: PLC0415

    supervisor = Supervisor(
        config,
        (sys.executable, "-m", "winnerr_webhooks.cli.process", *sys.argv[1:]),
        on_started=_announce,
        clock=SystemClock(),
        jitter=Jitter(),
    )
    return asyncio.run(supervisor.run())


def _announce(url: str) -> None:
    typer.echo(f"Winnerr Webhooks listens on {url} (API reference: {url}/api/docs)")
    sys.stdout.flush()


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
