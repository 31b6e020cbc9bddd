"""`keys`: creates, lists and revokes API keys, also while `serve` runs."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from winnerr_webhooks.cli.database_access import with_storage
from winnerr_webhooks.cli.setting_options import takes_settings
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import ApiKey

if TYPE_CHECKING:
    from winnerr_webhooks.management.api_keys import ApiKeys

Result = TypeVar("Result")

app = typer.Typer(help="Create, list and revoke API keys.")


@app.command(
    epilog="Example: winnerr-webhooks keys create --name crm-backend --organization org_abc123"
)
@takes_settings("DATABASE_URL", "ENCRYPTION_KEYS")
def create(
    config: Config,
    *,
    name: Annotated[str, typer.Option(help="Who uses it; shown by `keys list`.")],
    organization: Annotated[
        str | None,
        typer.Option(help="The only organization it is valid for; default: all (a service key)."),
    ] = None,
) -> None:
    """Create an API key and print it on stdout, once: only its hash is stored. It works at once."""
    key = create_key(config, name, organization)
    scope = f"organization {organization}" if organization else "every organization"
    typer.echo(f"A key for {scope}. It is shown only now, so keep it safe:", err=True)
    typer.echo(key)


@app.command("list", epilog="Example: winnerr-webhooks keys list")
@takes_settings("DATABASE_URL", "ENCRYPTION_KEYS")
def list_keys(config: Config) -> None:
    """List all API keys, oldest first, including revoked ones. Keys themselves are not stored."""
    keys = _with_keys(config, lambda keys: keys.list())
    rows = [("ID", "NAME", "ORGANIZATION", "CREATED", "REVOKED"), *map(_row, keys)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


@app.command(epilog="Example: winnerr-webhooks keys revoke key_01kan5…")
@takes_settings("DATABASE_URL", "ENCRYPTION_KEYS")
def revoke(
    config: Config,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id that `keys list` shows.")],
) -> None:
    """Revoke an API key; it stops working within 5 seconds."""
    _with_keys(config, lambda keys: keys.revoke(key_id))
    typer.echo(f"Revoked {key_id}; it stops working within 5 seconds.", err=True)


def create_key(config: Config, name: str, organization: str | None) -> str:
    """Create an API key and return it. Raises `Invalid` for a wrong name or organization."""
    return _with_keys(config, lambda keys: keys.create(name, organization)).secret


def _with_keys(config: Config, work: "Callable[[ApiKeys], Awaitable[Result]]") -> Result:
    from winnerr_webhooks.clock import SystemClock  # noqa: PLC0415  --help loads none of them
    from winnerr_webhooks.ids import Ids  # noqa: PLC0415
    from winnerr_webhooks.management.api_keys import ApiKeys  # noqa: PLC0415

    clock = SystemClock()

    def on(storage: Storage) -> Awaitable[Result]:
        return work(ApiKeys(storage, clock, Ids(clock)))

    return with_storage(config, on)


def _row(key: ApiKey) -> tuple[str, str, str, str, str]:
    return (
        key.id,
        key.name,
        key.organization or "(all)",
        rfc3339(key.created_at),
        rfc3339(key.revoked_at) if key.revoked_at is not None else "-",
    )
