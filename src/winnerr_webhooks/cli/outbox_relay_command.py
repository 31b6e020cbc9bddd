"""`outbox-relay`: moves events from an outbox in the product's own database to the API.

The program belongs to the Python SDK, which reads the table that it writes. The server neither
depends on the SDK nor repeats it, so this command only hands its words over.
"""

import importlib

import typer

from winnerr_webhooks.cli.configuration import PROGRAM
from winnerr_webhooks.domain.errors import ConfigurationError

_MODULE = "winnerr_webhooks_sdk.outbox.command"


def outbox_relay(context: typer.Context) -> None:
    """Move events from an outbox in your own database to the API.

    Needs the package winnerr-webhooks-sdk. `outbox-relay --help` lists the options.
    """
    try:
        command = importlib.import_module(_MODULE)
    except ModuleNotFoundError as error:
        if error.name is None or not _MODULE.startswith(error.name):
            raise
        raise ConfigurationError(
            "outbox-relay needs the Python SDK of this version, which is not installed beside this "
            "program. From the folder of the repository: pip install ./sdk/python"
        ) from None
    raise typer.Exit(command.main(context.args, f"{PROGRAM} {context.info_name}"))
