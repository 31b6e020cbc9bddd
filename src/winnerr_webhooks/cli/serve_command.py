"""`serve`: runs the API, the settings page and delivery until SIGTERM or Ctrl-C."""

import typer

from winnerr_webhooks.cli.run_server import run_server
from winnerr_webhooks.cli.setting_options import takes_settings
from winnerr_webhooks.config import Config


@takes_settings()
def serve(config: Config, context: typer.Context) -> None:
    """Run the API, the settings page and delivery, in one process unless --processes says more.

    SIGTERM or Ctrl-C ends it in order: it finishes what is in flight, and nothing is lost. A second
    signal ends it at once. Each option is also an environment variable: --port is
    WINNERR_WEBHOOKS_PORT. Options take precedence.
    """
    raise typer.Exit(run_server(config, context.obj))
