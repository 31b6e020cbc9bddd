"""`backup`: makes a consistent copy of the database file, also while `serve` runs."""

from pathlib import Path
from typing import Annotated

import typer

from winnerr_webhooks.cli.setting_options import takes_settings
from winnerr_webhooks.config import Config, database_path
from winnerr_webhooks.domain.errors import Invalid


@takes_settings("DATABASE_URL")
def backup(
    config: Config,
    path: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")],
) -> None:
    """Copy the SQLite database into a new file, consistently, also while the server runs.

    The key file is not included: keep a copy of it in another place. For PostgreSQL use pg_dump.
    """
    if config.uses_postgres:
        raise Invalid(
            f"{config.database_name} is PostgreSQL: back it up with pg_dump --schema "
            "winnerr_webhooks, or with the tools of your provider."
        )
    from winnerr_webhooks.storage.sqlite.sqlite_backup import back_up  # noqa: PLC0415  --help must not load it

    source = database_path(config)
    back_up(str(source), path)
    typer.echo(f"{path} is a copy of {source}.")
    key_file = source.with_name(source.name + ".keys")
    if key_file.exists():
        typer.echo(f"The secrets in it can only be read with {key_file}: copy it, too.", err=True)
