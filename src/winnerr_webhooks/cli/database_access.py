"""Opens the database for a command, also while `serve` runs on it."""

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from typing import TypeVar

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.activity import COMMAND, Actor
from winnerr_webhooks.storage.port import Storage

Result = TypeVar("Result")


def with_storage(config: Config, work: Callable[[Storage], Awaitable[Result]]) -> Result:
    """Open the database, run `work` with it, and close it. Creates or upgrades it if needed.

    The activity log names the operating system's user as who ran the command.
    """
    from winnerr_webhooks.log_setup import set_up_logs  # noqa: PLC0415  --help must not load it
    from winnerr_webhooks.storage.acting import act_as  # noqa: PLC0415  likewise
    from winnerr_webhooks.storage_opener import open_storage  # noqa: PLC0415  likewise

    act_as(Actor(kind=COMMAND, name=system_user()))
    set_up_logs(config.log_level, config.log_format)

    async def run() -> Result:
        storage = await open_storage(config, exclusive=False)
        try:
            return await work(storage)
        finally:
            await storage.close()

    return asyncio.run(run())


def system_user() -> str | None:
    """Return the name of the user who runs this process; None if it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container often runs as a number
        return None
