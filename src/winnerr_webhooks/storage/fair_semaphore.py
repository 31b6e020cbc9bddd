"""A semaphore whose few slots go to organizations in turn.

In a single queue, all callers wait for the organization that has the most calls in it. Here each
organization has its own queue. A free slot goes to the organization that holds the fewest slots,
and among several to the one whose last turn is the longest ago.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Self

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.quotas import Budget

WAIT_SECONDS: Final = 4.0
"""How long a call waits for its turn."""
RETRY_AFTER: Final = 2


class FairSemaphore:
    """Gives out up to `slots` at a time, and at most `quota` of them to one organization."""

    def __init__(
        self, slots: int, quota: int = 1, *, on_refusal: Callable[[str | None], None] | None = None
    ) -> None:
        self._slots = slots
        self._quota = quota
        self._on_refusal = on_refusal
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Waiting calls by organization; the organization whose turn is next comes first."""

    @classmethod
    def of(cls, budget: Budget) -> Self:
        """Return the semaphore that spends a budget."""
        semaphore = cls(budget.bound.limit, budget.bound.quota, on_refusal=budget.refuse)
        budget.measure(lambda: semaphore.in_use)
        return semaphore

    @property
    def in_use(self) -> int:
        """Slots that are held now."""
        return self._held.total()

    @asynccontextmanager
    async def slot(self, organization: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it; `Unavailable` when none comes in time."""
        if self._may_have(organization):
            self._held[organization] += 1
        else:
            await self._wait(organization)
        try:
            yield
        finally:
            self._release(organization)

    def _may_have(self, organization: str) -> bool:
        return self.in_use < self._slots and self._held[organization] < self._quota

    async def _wait(self, organization: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(organization, deque()).append(turn)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn
        except BaseException as error:
            self._leave(organization, turn)
            if not isinstance(error, TimeoutError):
                raise
            if self._on_refusal is not None:
                at_fault = self._held[organization] >= self._quota
                self._on_refusal(organization if at_fault else None)
            raise Unavailable(
                Text("Too much is being read at the moment. Try again in a few seconds."),
                RETRY_AFTER,
            ) from None

    def _leave(self, organization: str, turn: "asyncio.Future[None]") -> None:
        """Stop waiting; a slot that came at this moment goes to the next call."""
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
        """Give a slot to the next organization. Return False if none waits or no slot is free."""
        ready = filter(self._may_have, self._waiting)
        organization = min(ready, key=self._held.__getitem__, default=None)
        if organization is None:
            return False
        queue = self._waiting.pop(organization)
        turn = queue.popleft()
        if queue:
            self._waiting[organization] = queue
        if not turn.done():  # done: its caller has just left
            self._held[organization] += 1
            turn.set_result(None)
        return True
