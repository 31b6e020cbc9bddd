"""Work on the database beside a running `serve`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from winnerr_webhooks.config import Config
from winnerr_webhooks.storage.port import Storage

Result = TypeVar("Result")


def with_storage(config: Config, work: Callable[[Storage], Awaitable[Result]]) -> Result:
    """Open the database (made or upgraded first, if need be), do `work`, let go of it."""
    from winnerr_webhooks import wiring  # noqa: PLC0415  loads the server; --help must not
    from winnerr_webhooks.telemetry import set_up_logs  # noqa: PLC0415  likewise

    # To stderr: stdout is for results, such as a key alone on its line.
    set_up_logs(config.log_level, config.log_format)

    async def run() -> Result:
        storage = await wiring.open_storage(config, exclusive=False)
        try:
            return await work(storage)
        finally:
            await storage.close()

    return asyncio.run(run())
