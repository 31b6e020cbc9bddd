"""`migrate`: the database, created or upgraded."""

import typer

from winnerr_webhooks.cli.database import with_storage
from winnerr_webhooks.cli.settings import takes_settings
from winnerr_webhooks.config import Config, database_path
from winnerr_webhooks.storage.port import Storage


@takes_settings("DATABASE_URL", "ENCRYPTION_KEYS")
def migrate(config: Config) -> None:
    """Create or upgrade the database.

    `serve` does it too, when it starts.
    """

    async def check(storage: Storage) -> None:
        await storage.check()

    with_storage(config, check)
    typer.echo(f"{database_path(config)} is ready for this version.")
