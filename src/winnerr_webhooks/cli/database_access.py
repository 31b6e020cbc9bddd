"""Opens the database for a command, also while `serve` runs on it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from winnerr_webhooks.config import Config
from winnerr_webhooks.storage.port import Storage

Result = TypeVar("Result")


def with_storage(config: Config, work: Callable[[Storage], Awaitable[Result]]) -> Result:
    """Open the database, run `work` with it, and close it. Creates or upgrades it if needed."""
    from winnerr_webhooks.log_setup import set_up_logs  # noqa: PLC0415  --help must not load it
    from winnerr_webhooks.storage_opener import open_storage  # noqa: PLC0415  likewise

    set_up_logs(config.log_level, config.log_format)

    async def run() -> Result:
        storage = await open_storage(config, exclusive=False)
        try:
            return await work(storage)
        finally:
            await storage.close()

    return asyncio.run(run())
