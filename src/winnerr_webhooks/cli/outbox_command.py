"""`outbox`: shows events of the outbox that wait or were refused, and lets refused ones try again.

Only PostgreSQL has an outbox.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from winnerr_webhooks.cli.database_access import with_storage
from winnerr_webhooks.cli.setting_options import takes_settings
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import ConfigurationError, Invalid, NotFound
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.storage.port import Storage

if TYPE_CHECKING:
    from winnerr_webhooks.storage.outbox import Outbox, OutboxEntry

Result = TypeVar("Result")

Organization = Annotated[
    str | None, typer.Option(help="Only events of this organization; default: all.")
]

app = typer.Typer(help="Show events of the outbox, and let refused ones try again.")


@app.command("list", epilog="Example: winnerr-webhooks outbox list --refused")
@takes_settings("DATABASE_URL", "ENCRYPTION_KEYS")
def list_events(
    config: Config,
    *,
    refused: Annotated[bool, typer.Option("--refused", help="Only refused events.")] = False,
    organization: Organization = None,
    limit: Annotated[int, typer.Option(min=1, help="How many events to show, at most.")] = 100,
) -> None:
    """List events that wait to be moved on and events that were refused, oldest first.

    A line has the id, event, organization, the time of the call of emit(), and why the event was
    refused ("-" while it waits).
    """
    entries = _with_outbox(
        config,
        lambda outbox: outbox.entries(refused=refused, organization=organization, limit=limit + 1),
    )
    rows = [("ID", "EVENT", "ORGANIZATION", "EMITTED", "REFUSED BECAUSE")]
    rows += map(_row, entries[:limit])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
    if len(entries) > limit:
        typer.echo(f"There are more: these are the oldest {limit} (see --limit).", err=True)


@app.command(epilog="Example: winnerr-webhooks outbox retry --all --organization org_abc123")
@takes_settings("DATABASE_URL", "ENCRYPTION_KEYS")
def retry(
    config: Config,
    event_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="The id that `outbox list` shows.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All refused events.")] = False,
    organization: Organization = None,
) -> None:
    """Let refused events try again, after what was wrong has been put right."""
    if (event_id is None) != every:
        raise Invalid("Name the ID of a refused event, or use --all.")
    count = _with_outbox(config, lambda outbox: outbox.retry(event_id, organization))
    if event_id is not None and not count:
        raise NotFound(
            f"No refused event has the id {event_id}. `outbox list --refused` lists them."
        )
    typer.echo(f"{count} refused {'event waits' if count == 1 else 'events wait'} again.", err=True)


def _with_outbox(config: Config, work: "Callable[[Outbox], Awaitable[Result]]") -> Result:
    if not config.uses_postgres:
        raise ConfigurationError(
            f"The outbox needs PostgreSQL, and the database is {config.database_name}. Set "
            "WINNERR_WEBHOOKS_DATABASE_URL=postgresql://…, or emit events through the API."
        )

    def on(storage: Storage) -> Awaitable[Result]:
        assert storage.outbox is not None  # noqa: S101  it is PostgreSQL
        return work(storage.outbox)

    return with_storage(config, on)


def _row(entry: "OutboxEntry") -> tuple[str, str, str, str, str]:
    return (
        _printable(entry.client_id),
        _printable(entry.event or "(none)"),
        _printable(entry.organization),
        rfc3339(entry.emitted_at),
        _printable(entry.reason or "-"),
    )


def _printable(text: str) -> str:
    """Replace what could control the terminal: these texts were not checked."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
