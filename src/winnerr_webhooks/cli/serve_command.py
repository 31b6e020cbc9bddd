"""`serve`: API and delivery in one process, or in several, until SIGTERM or Ctrl-C."""

import typer

from winnerr_webhooks.cli.run_server import run_server
from winnerr_webhooks.cli.setting_options import takes_settings
from winnerr_webhooks.config import Config


@takes_settings()
def serve(config: Config, context: typer.Context) -> None:
    """Run API and delivery: all of it in one process, or split by --role and --processes.

    Ends in order on SIGTERM and Ctrl-C: what is in flight is finished, nothing is lost; a second
    one ends it at once. Each option is also a variable: --port is WINNERR_WEBHOOKS_PORT. Options
    win.
    """
    raise typer.Exit(run_server(config, context.obj))
