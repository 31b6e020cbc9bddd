"""FairSemaphore: gives a few places for work to organizations, one after the other.

In a single queue, everybody waits for the organization that has the most calls in it.
Here each organization has a queue of its own. A free place goes to the one that
holds the fewest, and of several to the one whose last turn is longest ago.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Self

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.quotas import Budget

PATIENCE: Final = 4.0
"""Seconds that a call waits for its turn."""
RETRY_AFTER: Final = 2


class FairSemaphore:
    """Gives out `places` at a time, of one organization at most `share`."""

    def __init__(
        self, places: int, share: int = 1, *, on_refusal: Callable[[str | None], None] | None = None
    ) -> None:
        self._places = places
        self._share = share
        self._on_refusal = on_refusal
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Waiting calls by organization; the organization whose turn is next comes first."""

    @classmethod
    def of(cls, budget: Budget) -> Self:
        """The turns that spend a budget."""
        turns = cls(budget.bound.limit, budget.bound.share, on_refusal=budget.refuse)
        budget.measure(lambda: turns.in_use)
        return turns

    @property
    def in_use(self) -> int:
        """Places that are held now."""
        return self._held.total()

    @asynccontextmanager
    async def place(self, organization: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it; `Unavailable` when none comes in time."""
        if self._may_have(organization):
            self._held[organization] += 1
        else:
            await self._wait(organization)
        try:
            yield
        finally:
            self._release(organization)

    def _may_have(self, organization: str) -> bool:
        return self.in_use < self._places and self._held[organization] < self._share

    async def _wait(self, organization: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(organization, deque()).append(turn)
        try:
            async with asyncio.timeout(PATIENCE):
                await turn
        except BaseException as error:
            self._leave(organization, turn)
            if not isinstance(error, TimeoutError):
                raise
            if self._on_refusal is not None:
                at_fault = self._held[organization] >= self._share
                self._on_refusal(organization if at_fault else None)
            raise Unavailable(
                "Too much is being read at the moment. Try again in a few seconds.", RETRY_AFTER
            ) from None

    def _leave(self, organization: str, turn: "asyncio.Future[None]") -> None:
        """Stop waiting; a place that came at this very moment goes to the next one."""
        if turn.done() and not turn.cancelled():
            self._release(organization)
            return
        queue = self._waiting.get(organization, deque())
        if turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[organization]

    def _release(self, organization: str) -> None:
        self._held[organization] -= 1
        if not self._held[organization]:
            del self._held[organization]
        if organization in self._waiting:
            self._waiting[organization] = self._waiting.pop(organization)  # the others come first
        while self._give():
            pass

    def _give(self) -> bool:
        """Give a place to the organization that is next; False: there is none, or no place."""
        ready = filter(self._may_have, self._waiting)
        organization = min(ready, key=self._held.__getitem__, default=None)
        if organization is None:
            return False
        queue = self._waiting.pop(organization)
        turn = queue.popleft()
        if queue:
            self._waiting[organization] = queue
        if not turn.done():  # else whose it was has just gone away
            self._held[organization] += 1
            turn.set_result(None)
        return True
