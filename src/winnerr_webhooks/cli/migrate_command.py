"""`migrate`: creates or upgrades the database, or copies an SQLite database to PostgreSQL."""

from typing import Annotated

import typer

from winnerr_webhooks import database_url
from winnerr_webhooks.cli.database_access import with_storage
from winnerr_webhooks.cli.setting_options import takes_settings
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.storage.port import Storage


@takes_settings("DATABASE_URL", "ENCRYPTION_KEYS")
def migrate(
    config: Config,
    *,
    source: Annotated[
        str | None, typer.Option("--from", help="The SQLite database to copy, sqlite:///….")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--to", help="The PostgreSQL database, postgresql://…; default: DATABASE_URL."
        ),
    ] = None,
) -> None:
    """Create or upgrade the database. `serve` also does this when it starts.

    With --from, copy an SQLite database to an empty PostgreSQL database, table by table, and check
    the result by counts and checksums. No server may run on either database during the copy.
    """
    if source is not None:
        _copy(config, _checked("--from", source), _checked("--to", target or config.database_url))
        return
    if target is not None:
        raise Invalid("--to needs --from sqlite:///…, too.")

    async def check(storage: Storage) -> None:
        await storage.check()

    with_storage(config, check)
    typer.echo(f"{config.database_name} is ready for this version.")


def _copy(config: Config, source: str, target: str) -> None:
    if database_url.sqlite_path(source) is None:
        raise Invalid("--from: expected an SQLite database, sqlite:///…")
    if not database_url.is_postgres(target):
        raise Invalid(
            "--to: expected a PostgreSQL database, postgresql://… (or set "
            "WINNERR_WEBHOOKS_DATABASE_URL, where other users cannot see its password)"
        )
    from winnerr_webhooks.log_setup import set_up_logs  # noqa: PLC0415  likewise
    from winnerr_webhooks.storage.copy_to_postgres import copy  # noqa: PLC0415  loads both; --help must not

    set_up_logs(config.log_level, config.log_format)

    def report(table: str, rows: int, copied: int) -> None:
        typer.echo(f"{table}: {copied:,} of {rows:,} rows copied and checked")

    typer.echo(copy(source, target, report=report))


def _checked(option: str, url: str) -> str:
    try:
        return database_url.parse(url.strip())
    except ValueError as error:  # it does not repeat the URL, which may hold a password
        raise Invalid(f"{option}: {error}.") from None
