"""All commands of the console script, with their examples."""

from typing import Annotated

import typer

from winnerr_webhooks import __version__
from winnerr_webhooks.cli import catalog_command, demo, keys_command, outbox_command
from winnerr_webhooks.cli.backup_command import backup
from winnerr_webhooks.cli.check_receiver_command import check_receiver
from winnerr_webhooks.cli.config_command import show_config
from winnerr_webhooks.cli.configuration import PROGRAM
from winnerr_webhooks.cli.emit_command import emit
from winnerr_webhooks.cli.listen import listen
from winnerr_webhooks.cli.login_link_command import login_link
from winnerr_webhooks.cli.migrate_command import migrate
from winnerr_webhooks.cli.outbox_relay_command import outbox_relay
from winnerr_webhooks.cli.serve_command import serve
from winnerr_webhooks.cli.verify_command import verify
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.processes.worker_context import WorkerContext

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
app.add_typer(
    catalog_command.app, name="catalog", epilog=f"Example: {PROGRAM} catalog check events.yaml"
)
app.add_typer(keys_command.app, name="keys", epilog=f"Example: {PROGRAM} keys create --name crm")
app.add_typer(outbox_command.app, name="outbox", epilog=f"Example: {PROGRAM} outbox list --refused")
app.command(
    epilog=f"Example: {PROGRAM} emit contact.created --organization org_abc123 "
    """--data '{"id": "contact_xyz", "name": "Jane Smith"}'"""
)(emit)
app.command(
    epilog=f"Example: {PROGRAM} listen --forward-to http://localhost:3000/hook "
    "--events contact.created,deal.created"
)(listen)
app.command(
    epilog=f"Example: {PROGRAM} verify --body body.json --headers headers.txt --secret-file secret"
)(verify)
app.command(
    epilog=f"Example: {PROGRAM} check-receiver http://localhost:3000/hook --secret-file secret"
)(check_receiver)

app.command(
    "outbox-relay",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
)(outbox_relay)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Send a CRM's events to the URLs of its customers: signed, retried, logged, replayable.

    Settings are environment variables prefixed WINNERR_WEBHOOKS_, or options of `serve`.
    """
    if version:
        typer.echo(__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(worker: WorkerContext | None) -> int | None:
    """Parse the command line, run the command, and return its exit code.

    Raises `Invalid` for wrong usage.
    """
    try:
        code: int | None = app(prog_name=PROGRAM, standalone_mode=False, obj=worker)
    except typer.TyperException as error:
        context: typer.Context | None = getattr(error, "ctx", None)
        command = context.command_path if context else PROGRAM
        raise Invalid(f"{error.format_message().rstrip('.')} (see {command} --help)") from None
    return code
