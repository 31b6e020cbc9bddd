"""Where a command reads a webhook's secret from: a file, the environment, an option or a prompt."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from winnerr_webhooks.config import Config, environment
from winnerr_webhooks.domain.errors import Invalid

SecretFile = Annotated[
    str | None,
    typer.Option(help="A file with the webhook's secret and nothing else; - reads stdin."),
]
SecretOption = Annotated[
    str | None,
    typer.Option(
        help="The secret itself, which other users of the machine can see; default: the variable "
        "that the page's code examples read, WINNERR_WEBHOOK_SECRET unless BRAND is set."
    ),
]


def read_secret(config: Config, secret: str | None, secret_file: str | None) -> str:
    """Return the secret exactly as it is there, a line break at its end included.

    Asks for it on a terminal if it is nowhere else. Raises `Invalid` if there is none.
    """
    if secret is not None and secret_file is not None:
        raise Invalid("Give either --secret or --secret-file, not both.")
    variable = config.branding.secret_variable
    found = secret
    if secret_file is not None:
        found = read_bytes(secret_file).decode(errors="surrogateescape")
    if found is None:
        found = environment().get(variable)
    if found is None and sys.stdin.isatty():
        found = typer.prompt("The webhook's secret", hide_input=True, err=True)
    if not found:
        raise Invalid(f"No secret: set {variable}, or give --secret-file.")
    return found


def read_bytes(path: str) -> bytes:
    """Return the content of a file; `-` is stdin. An `OSError` names the file."""
    return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
