"""`keys`: API keys, made, listed and revoked beside a running `serve`."""

import hashlib
from typing import Annotated

import typer

from winnerr_webhooks.cli.database import with_storage
from winnerr_webhooks.cli.settings import takes_settings
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import Invalid, NotFound
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.ids import Ids, new_api_key
from winnerr_webhooks.storage.port import ApiKey, Storage

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")

_LONGEST_NAME = 100


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
        typer.Option(help="Valid for this organization only; left out: a service key, for all."),
    ] = None,
) -> None:
    """Print a new API key on stdout, once: only its hash is kept. It works at once."""
    key = create_key(config, name, organization)
    scope = f"for organization {organization}" if organization else "for every organization"
    typer.echo(f"API key {name!r} {scope}. It is shown this once; keep it safe:", err=True)
    typer.echo(key)


@app.command("list", epilog="Example: winnerr-webhooks keys list")
@takes_settings("DATABASE_URL", "ENCRYPTION_KEYS")
def list_keys(config: Config) -> None:
    """List all API keys, oldest first, revoked ones included. The keys themselves are not kept."""

    async def read(storage: Storage) -> list[ApiKey]:
        return await storage.keys()

    rows = [("ID", "NAME", "ORGANIZATION", "CREATED", "REVOKED"), *map(_row, with_storage(config, read))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


@app.command(epilog="Example: winnerr-webhooks keys revoke key_01kan5…")
@takes_settings("DATABASE_URL", "ENCRYPTION_KEYS")
def revoke(
    config: Config,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
) -> None:
    """Revoke an API key; it stops working within 5 seconds."""

    async def work(storage: Storage) -> bool:
        return await storage.revoke_key(key_id)

    if not with_storage(config, work):
        raise NotFound(f"No key {key_id!r} that still works: see winnerr-webhooks keys list.")
    typer.echo(f"Revoked {key_id}; it stops working within 5 seconds.", err=True)


def create_key(config: Config, name: str, organization: str | None) -> str:
    """Make a key and store its hash; the key. `Invalid` when its name is no name."""
    if not (name.isprintable() and 0 < len(name.strip()) <= _LONGEST_NAME):
        raise Invalid.field("/name", f"--name takes 1 to {_LONGEST_NAME} printable characters.")
    clock = SystemClock()
    key = new_api_key()
    entry = ApiKey(
        id=Ids(clock).new("key"),
        name=name,
        organization=organization,
        created_at=clock.now_ms(),
        revoked_at=None,
    )

    async def store(storage: Storage) -> None:
        await storage.create_key(entry, hashlib.sha256(key.encode()).digest())

    with_storage(config, store)
    return key


def _row(key: ApiKey) -> tuple[str, str, str, str, str]:
    return (
        key.id,
        key.name,
        key.organization or "(all)",
        rfc3339(key.created_at),
        rfc3339(key.revoked_at) if key.revoked_at is not None else "-",
    )
