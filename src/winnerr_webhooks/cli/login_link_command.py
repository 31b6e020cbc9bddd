"""`login-link`: prints a one-time link to the settings page, also while `serve` runs."""

from typing import TYPE_CHECKING, Annotated

import typer

from winnerr_webhooks.cli.database_access import with_storage
from winnerr_webhooks.cli.setting_options import takes_settings
from winnerr_webhooks.config import Config
from winnerr_webhooks.storage.port import Storage

if TYPE_CHECKING:
    from winnerr_webhooks.management.page_sign_in import NewLink


@takes_settings("DATABASE_URL", "ENCRYPTION_KEYS", "PUBLIC_URL", "HOST", "PORT")
def login_link(
    config: Config,
    *,
    organization: Annotated[str, typer.Option(help="The organization whose page it opens.")],
    role: Annotated[
        str, typer.Option(help="admin: everything; viewer: webhooks and logs, no changes.")
    ] = "admin",
    user: Annotated[str | None, typer.Option(help="The user's name, as the page shows it.")] = None,
) -> None:
    """Print a one-time link to the settings page, valid for 10 minutes."""
    link = create_link(config, organization, role, user)
    typer.echo("The link works once, within 10 minutes, for anyone who has it:", err=True)
    typer.echo(link.url)


def create_link(config: Config, organization: str, role: str, user: str | None) -> "NewLink":
    """Create a link. Raises `Invalid` for a wrong organization, role or user."""
    from winnerr_webhooks.clock import SystemClock  # noqa: PLC0415  --help loads none of them
    from winnerr_webhooks.management.page_sign_in import PageSignIn  # noqa: PLC0415

    async def make(storage: Storage) -> "NewLink":
        sign_in = PageSignIn(storage=storage, clock=SystemClock(), public_url=config.public_url)
        return await sign_in.create_link(organization, role, user)

    return with_storage(config, make)
