"""Ordered commit: commits all items of a queue, in the order in which organizations sent them.

It is for callers that can wait. `group_commit` is quicker for the others, but commits the parts of
a batch that timed out beside the batches that follow, so it keeps no order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import structlog

from winnerr_webhooks.domain.errors import Poisoned, TimedOut, Unavailable, WebhooksError
from winnerr_webhooks.pipeline.fair_queue import Costly, FairQueue
from winnerr_webhooks.pipeline.group_commit import Entry

PATIENCE: Final = 60.0
"""Seconds for which batches that time out are tried in parts; then all items that are left fail."""

Item = TypeVar("Item", bound=Costly)

log = structlog.get_logger(__name__)


async def commit_in_order(
    queue: FairQueue[Item],
    commit: Callable[[list[Item]], Awaitable[Sequence[Any]]],
    pause: Callable[[Sequence[Entry[Item]], float], float],
    on_answered: Callable[[Sequence[Entry[Item]]], None],
) -> None:
    """Commit batch after batch until the queue is empty, and answer every item.

    A batch that times out, or that fails because of an item, is committed again in halves, one
    after the other. An item that times out alone fails, and so do all later items of its
    organization. When the database is away, all items that are left fail. `pause` and
    `on_answered` are as in `GroupCommit`.
    """
    loop = asyncio.get_running_loop()
    ordered = _OrderedCommit(commit, lambda: loop.time() > ends, on_answered)
    ends = loop.time() + PATIENCE
    while batch := queue.next_batch():
        began = loop.time()
        await ordered.commit_batch(batch)
        await asyncio.sleep(pause(batch, loop.time() - began))


class _OrderedCommit:
    def __init__(
        self,
        commit: Callable[[list[Any]], Awaitable[Sequence[Any]]],
        is_over: Callable[[], bool],
        on_answered: Callable[[Sequence[Entry[Any]]], None],
    ) -> None:
        self._commit = commit
        self._is_over = is_over
        self._on_answered = on_answered
        self._late: dict[str, TimedOut] = {}
        """Organizations with an item that timed out alone."""
        self._away: Unavailable | None = None
        """Why nothing more can be committed."""

    async def commit_batch(self, batch: Sequence[Entry[Any]]) -> None:
        entries = [entry for entry in batch if not self._fails_for_earlier(entry)]
        if not entries:
            return
        try:
            answers = await self._commit([item for item, _ in entries])
        except Exception as error:  # noqa: BLE001  every item is answered
            if isinstance(error, Unavailable) and (
                not isinstance(error, TimedOut) or self._is_over()
            ):
                self._away = error
                self._fail(entries, error)
            elif len(entries) > 1:
                middle = len(entries) // 2
                await self.commit_batch(entries[:middle])
                await self.commit_batch(entries[middle:])
            else:
                self._fail_alone(entries[0], error)
        else:
            self._on_answered(entries)
            for (_, on_answer), answer in zip(entries, answers, strict=True):
                on_answer(answer, None)

    def _fails_for_earlier(self, entry: Entry[Any]) -> bool:
        """Fail an item if it must not be committed because an earlier one was not."""
        error = self._away or self._late.get(entry[0].organization)
        if error is not None:
            self._fail([entry], error)
        return error is not None

    def _fail_alone(self, entry: Entry[Any], error: Exception) -> None:
        if isinstance(error, TimedOut):
            self._late[entry[0].organization] = error
        elif not isinstance(error, WebhooksError):
            log.error("an event cannot be stored because of a fault of ours", exc_info=error)
            error = Poisoned("It cannot be stored because of a fault of this service: see its log.")
        self._fail([entry], error)

    def _fail(self, entries: Sequence[Entry[Any]], error: Exception) -> None:
        self._on_answered(entries)
        for _, on_answer in entries:
            on_answer(None, error)
