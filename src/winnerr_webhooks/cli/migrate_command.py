"""`migrate`: the database, created or upgraded; or an SQLite file moved to PostgreSQL."""

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
        str | None, typer.Option("--from", help="sqlite:///…, to copy everything out of it.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--to", help="postgresql://…, where to; left out: the database's URL."),
    ] = None,
) -> None:
    """Create or upgrade the database; `serve` does it too, when it starts.

    With --from, copy all of an SQLite database into an empty one of PostgreSQL, table by table,
    and prove by counts and sums that it is all there. No server may run on either meanwhile.
    """
    if source is not None:
        _copy(config, _checked("--from", source), _checked("--to", target or config.database_url))
        return
    if target is not None:
        raise Invalid("--to goes with --from sqlite:///…, which was not given.")

    async def check(storage: Storage) -> None:
        await storage.check()

    with_storage(config, check)
    typer.echo(f"{config.database_name} is ready for this version.")


def _copy(config: Config, source: str, target: str) -> None:
    if database_url.sqlite_path(source) is None:
        raise Invalid("--from: expected an SQLite database, sqlite:///…")
    if not database_url.is_postgres(target):
        raise Invalid(
            "--to: expected a PostgreSQL database, postgresql://… (or in "
            "WINNERR_WEBHOOKS_DATABASE_URL, where others on the machine do not see its password)"
        )
    from winnerr_webhooks.storage.copy_to_postgres import copy  # noqa: PLC0415  loads both; --help must not
    from winnerr_webhooks.telemetry import set_up_logs  # noqa: PLC0415  likewise

    set_up_logs(config.log_level, config.log_format)

    def report(table: str, there: int, here: int) -> None:
        typer.echo(f"{table}: {here:,} of {there:,} rows copied and proven")

    typer.echo(copy(source, target, report=report))


def _checked(option: str, url: str) -> str:
    try:
        return database_url.parse(url.strip())
    except ValueError as error:  # it does not repeat the URL, which may hold a password
        raise Invalid(f"{option}: {error}.") from None
