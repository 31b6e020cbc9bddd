"""Intake: the first station. An event is accepted once it and its deliveries are on disk."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.errors import Unavailable, WebhooksError
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.pipeline.dispatch import Dispatcher
from winnerr_webhooks.pipeline.foreground import Foreground
from winnerr_webhooks.pipeline.group_commit import (
    Answered,
    GroupCommit,
    Latecomers,
    settle_future,
)
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import LeaseTerms

BATCH: Final = 512
"""Events a transaction: beyond that a commit's share of the cost is lost in the rest."""
WAITING: Final = 20_000
WAITING_BYTES: Final = 64 * 1024 * 1024

log = structlog.get_logger(__name__)


class Intake:
    """Takes checked events, many callers at a time, and stores them by the batch.

    Without a dispatcher (a node that only accepts) deliveries are born free, for other nodes.
    """

    def __init__(
        self,
        storage: Storage,
        dispatcher: Dispatcher | None,
        foreground: Foreground,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._foreground = foreground
        self._dispatcher = dispatcher
        self._clock = clock
        self._group: GroupCommit[NewEvent, Accepted] = GroupCommit(
            self._store, batch=BATCH, waiting=WAITING
        )
        self._loop = asyncio.get_running_loop()
        self._bytes = 0
        self._open = True

    def take(self, event: NewEvent, answered: Answered[Accepted]) -> None:
        """Store one event with its deliveries, and start on them: with the next commit.

        `Unavailable` at once, or as the answer: when it cannot be done now (nothing was accepted);
        as the answer also `Uncertain` when the database was lost in the middle, `Poisoned` when
        this event can never be stored.
        """
        self._check_open()
        self._foreground.note(event.organization)
        if self._bytes > WAITING_BYTES:
            raise Unavailable("Too much is waiting to be stored. Try again in a second.")
        self._group.put(event, answered)
        self._bytes += len(event.body)

    def accept(self, event: NewEvent) -> asyncio.Future[Accepted]:
        """The same, with a future for the answer."""
        future: asyncio.Future[Accepted] = self._loop.create_future()
        self.take(event, partial(settle_future, future))
        return future

    async def accept_many(self, events: Sequence[NewEvent]) -> list[Accepted | WebhooksError]:
        """Store several; each has its own answer, or its own error."""
        answers = _Answers(len(events), self._loop)
        for index, event in enumerate(events):
            answered = partial(answers.put, index)
            try:
                self.take(event, answered)
            except Unavailable as error:
                answered(None, error)
        return await answers.all

    async def send_test(self, event: NewEvent, webhook_id: str) -> Accepted:
        """Store a sample event for one webhook and start on its one attempt."""
        self._check_open()
        started = self._clock.monotonic()
        accepted = await self._storage.send_test(event, webhook_id, self._lease_terms())
        self._hand_on(accepted, started)
        return accepted

    async def close(self) -> None:
        """Accept nothing more; return when everything taken has its answer."""
        self._open = False
        await self._group.idle()

    def _check_open(self) -> None:
        if not self._open:
            raise Unavailable("The service is stopping. Try again in a few seconds.", 5)

    async def _store(self, events: list[NewEvent], late: Latecomers[NewEvent]) -> list[Accepted]:
        started = self._clock.monotonic()
        try:
            answers = await self._storage.accept(events, self._lease_terms(), late)
        except Unavailable:
            # Who waits for the next commit has waited as long as for this one, up to 2 s: a second
            # one that fails would be too late an answer.
            refused = self._group.refuse(
                Unavailable("The database is away: nothing was stored.", 2)
            )
            self._release([*events, *late.joined, *refused])
            raise
        except Exception:
            # Of more than one, the halves come again and are still waiting.
            if len(events) == 1 and not late.joined:
                self._release(events)
            raise
        self._release([*events, *late.joined])
        for accepted in answers:
            if accepted.leased:
                self._hand_on(accepted, started)
        return answers

    def _release(self, events: list[NewEvent]) -> None:
        self._bytes -= sum(len(event.body) for event in events)

    def _lease_terms(self) -> LeaseTerms | None:
        return None if self._dispatcher is None else self._dispatcher.lease_terms()

    def _hand_on(self, accepted: Accepted, started: float) -> None:
        if self._dispatcher is None:
            return
        expires = started + self._dispatcher.lease_seconds
        try:
            for delivery in accepted.leased:
                delivery.expires = expires
                self._dispatcher.offer(delivery)
        except Exception:
            # A fault of ours; the event is accepted all the same, and its leases run out.
            log.exception("deliveries were not handed on", event_id=accepted.id)


class _Answers:
    """Collects the answers to several events: one future for all of them."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.all: asyncio.Future[list[Accepted | WebhooksError]] = loop.create_future()
        self._answers: list[Accepted | Exception | None] = [None] * count
        self._left = count
        if not count:
            self.all.set_result([])

    def put(self, index: int, answer: Accepted | None, error: Exception | None) -> None:
        """Take the answer to one of them."""
        self._answers[index] = answer or error
        self._left -= 1
        if not self._left and not self.all.done():  # the caller may have gone away
            self._finish()

    def _finish(self) -> None:
        answers = []
        for answer in self._answers:
            if isinstance(answer, Accepted | WebhooksError):
                answers.append(answer)
            else:  # a fault of ours, whoever it met
                self.all.set_exception(answer or AssertionError("no answer"))
                return
        self.all.set_result(answers)
