"""`serve`: everything in one process, until SIGTERM or Ctrl-C."""

import asyncio
import signal
import sys
from types import FrameType

import typer

from winnerr_webhooks.cli.settings import takes_settings
from winnerr_webhooks.config import Config, database_path


@takes_settings()
def serve(config: Config) -> None:
    """Run API and delivery in one process.

    Ends in order on SIGTERM and Ctrl-C: what is in flight is finished, nothing is lost. Each
    option is also a variable: --port is WINNERR_WEBHOOKS_PORT. Options win.
    """
    database_path(config)
    # Until the server has its own handlers a signal finds nothing to finish: leave at once.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)

    import uvloop  # noqa: PLC0415  --help must not load the server

    from winnerr_webhooks import wiring  # noqa: PLC0415  likewise
    from winnerr_webhooks.telemetry import set_up_logs  # noqa: PLC0415  likewise

    set_up_logs()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(wiring.serve(config, on_started=_announce))


def _announce(url: str) -> None:
    typer.echo(f"Winnerr Webhooks listens on {url} (API reference: {url}/api/docs)")
    sys.stdout.flush()


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
