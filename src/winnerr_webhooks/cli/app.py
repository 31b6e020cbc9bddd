"""The commands in one place, and what their errors look like: one line and an exit code."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from winnerr_webhooks import __version__
from winnerr_webhooks.cli import demo, keys
from winnerr_webhooks.cli.backup import backup
from winnerr_webhooks.cli.emit import emit
from winnerr_webhooks.cli.login_link import login_link
from winnerr_webhooks.cli.migrate import migrate
from winnerr_webhooks.cli.serve import serve
from winnerr_webhooks.cli.show_config import show_config
from winnerr_webhooks.domain.errors import (
    CannotStart,
    ConfigurationError,
    Invalid,
    WebhooksError,
)
from winnerr_webhooks.processes.membership import Membership

PROGRAM = "winnerr-webhooks"
FAILED = 1
WRONG_USE = 2
CANNOT_START_NOW = os.EX_TEMPFAIL
WRONG_CONFIGURATION = os.EX_CONFIG

app = typer.Typer(
    name=PROGRAM,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    epilog=f"Example: {PROGRAM} demo",
)
app.command(
    epilog=f"Example: {PROGRAM} serve --port 8400 --database-url sqlite:////var/lib/webhooks.db"
)(serve)
app.command(epilog=f"Example: {PROGRAM} demo --rate 10")(demo.demo)
app.command(epilog=f"Example: {PROGRAM} migrate --database-url sqlite:///winnerr-webhooks.db")(
    migrate
)
app.command(epilog=f"Example: {PROGRAM} login-link --organization org_abc123 --user Jane")(
    login_link
)
app.command("config", epilog=f"Example: {PROGRAM} config --json")(show_config)
app.command(epilog=f"Example: {PROGRAM} backup /backup/winnerr-webhooks.db")(backup)
app.add_typer(keys.app, name="keys", epilog=f"Example: {PROGRAM} keys create --name crm")
app.command(
    epilog=f"Example: {PROGRAM} emit contact.created --organization org_abc123 "
    """--data '{"id": "contact_xyz", "name": "Jane Smith"}'"""
)(emit)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Push a CRM's events to any URL a customer names: signed, retried, logged, replayable.

    Settings are environment variables prefixed WINNERR_WEBHOOKS_, or options of `serve`.
    """
    if version:
        typer.echo(__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(membership: Membership | None = None) -> None:
    """Run the console script: exit code 0, 1 for a failure, 2 for wrong usage.

    78 is a wrong setting and 75 a start that cannot be now (sysexits.h): a service manager tries
    again after 75 and not after 78.

    `membership` is that of one of several processes of `serve` (`cli.process`).
    """
    try:
        code = app(prog_name=PROGRAM, standalone_mode=False, obj=membership)
    except typer.TyperException as error:
        context: typer.Context | None = getattr(error, "ctx", None)
        command = context.command_path if context else PROGRAM
        _fail(f"{error.format_message().rstrip('.')} (see {command} --help)", WRONG_USE)
    except Invalid as error:
        _fail(str(error), WRONG_USE)
    except ConfigurationError as error:
        _fail(str(error), WRONG_CONFIGURATION)
    except CannotStart as error:
        _fail(str(error), CANNOT_START_NOW)
    except WebhooksError as error:
        _fail(str(error), FAILED)
    except BrokenPipeError:  # `… | head`: not worth a word, and Python's own flush must not say it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as error:
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", FAILED)
    sys.exit(code)


def _fail(message: str, code: int) -> NoReturn:
    line = " ".join(message.split())
    typer.echo(f"{PROGRAM}: {line}", err=True)
    sys.exit(code)
