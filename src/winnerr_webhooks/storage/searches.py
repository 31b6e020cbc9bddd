"""Searches: few at once, and of an organization one, so that they hold up nobody else.

A search with sparse filters reads for two seconds, and whoever asks for many would keep every
connection at it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from winnerr_webhooks.domain.errors import Unavailable

PATIENCE: Final = 4.0
"""Seconds that a search waits for its turn: for two of others."""
RETRY_AFTER: Final = 2


class Searches:
    """Gives out `most` places to search, first come, first served, one an organization."""

    def __init__(self, most: int) -> None:
        self._places = asyncio.Semaphore(most)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, organization: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it; `Unavailable` when none comes soon."""
        own = self._turns.setdefault(organization, asyncio.Lock())
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(PATIENCE):
                    await held.enter_async_context(own)
                    await held.enter_async_context(self._places)
            except TimeoutError:
                raise Unavailable(
                    "Too many searches are under way. Try again in a few seconds.", RETRY_AFTER
                ) from None
            yield
