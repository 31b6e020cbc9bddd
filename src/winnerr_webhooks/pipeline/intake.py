"""Intake: the first station. An event is accepted once it and its deliveries are on disk.

There are two groups of commits. `express` stores what people wait for: events for few webhooks, a
few of each organization at a time. `bulk` stores the rest: large batches, events for many
webhooks, and what an organization sends beyond its part of `express`. In both, organizations take
turns by what their events cost, and no commit costs more than the budget `accept_rows`. Bulk gives
way: while other organizations' calls come in, it pauses after each commit (docs/adr/0018).
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.errors import TimedOut, Unavailable, WebhooksError
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.pipeline.admission import Admission
from winnerr_webhooks.pipeline.batch_answers import BatchAnswers
from winnerr_webhooks.pipeline.dispatch import Dispatcher
from winnerr_webhooks.pipeline.fair_queue import FairQueue
from winnerr_webhooks.pipeline.fan_outs import FanOuts
from winnerr_webhooks.pipeline.foreground import Foreground
from winnerr_webhooks.pipeline.group_commit import (
    Answered,
    Entry,
    GroupCommit,
    JoinableBatch,
    settle_future,
)
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import LeaseTerms

EXPRESS_EVENTS: Final = 64
"""Events that one organization may have in `express`, and of one call."""
GIVE_WAY: Final = 2.0
"""Bulk pauses so many times as long as a commit of it took, …"""
LONGEST_PAUSE: Final = 0.25
"""… but not longer than this, in seconds."""
BULK_PATIENCE: Final = 60.0
"""Seconds for which bulk tries again, in parts, what the database did not store in time."""
CLOSING_SECONDS: Final = 1.0
"""How long bulk goes on when the node stops accepting; the rest is refused."""

log = structlog.get_logger(__name__)


class Intake:
    """Takes checked events, many callers at a time, and stores them by the batch.

    Without a dispatcher (a node that only accepts) deliveries are born free, for other nodes.
    `most_webhooks` is how many one organization may have.
    """

    def __init__(
        self,
        storage: Storage,
        dispatcher: Dispatcher | None,
        clock: Clock,
        *,
        budgets: Budgets,
        foreground: Foreground,
        most_webhooks: int,
    ) -> None:
        self.on_born_free: Callable[[], None] = _nothing
        """Called when deliveries were stored that a claim may take at once."""
        self._storage = storage
        self._dispatcher = dispatcher
        self._clock = clock
        self._foreground = foreground
        self._loop = asyncio.get_running_loop()
        self._admission = Admission(budgets)
        self._limit = budgets.accept_rows.bound.limit
        self._fan_outs = FanOuts(storage, self._loop.time, most_webhooks=most_webhooks)
        self._express_held: dict[str, int] = {}
        """Events in `express` of each organization, those of the commit under way too."""
        express, bulk = self._queue(budgets), self._queue(budgets)
        self._express: GroupCommit[NewEvent, Accepted] = GroupCommit(self._store_express, express)
        self._bulk: GroupCommit[NewEvent, Accepted] = GroupCommit(
            self._store_bulk, bulk, pause=self._pause_of_bulk, patience=BULK_PATIENCE
        )
        budgets.accept_rows.measure(lambda: max(express.taken, bulk.taken))
        self._open = True

    def _queue(self, budgets: Budgets) -> FairQueue[NewEvent]:
        return FairQueue(
            self._limit,
            organization=_organization,
            cost=self._fan_outs.cost,
            on_full=budgets.accept_rows.refuse,
        )

    # --- what comes in ------------------------------------------------------------------------

    def take(self, event: NewEvent, answered: Answered[Accepted]) -> None:
        """Store one event with its deliveries, and start on them: with the next commit.

        `Unavailable` at once, or as the answer: when it cannot be done now (nothing was accepted);
        as the answer also `Uncertain` when the database was lost in the middle, `Poisoned` when
        this event can never be stored.
        """
        self._check_open()
        held = self._express_held.get(event.organization, 0)
        if held >= EXPRESS_EVENTS or self._fan_outs.is_wide(event):
            self._put_in_bulk(event, answered)
            return
        self._admission.admit(event)
        self._express_held[event.organization] = held + 1
        self._foreground.note(event.organization)
        self._express.put(event, partial(self._express_answered, event, answered))

    def accept(self, event: NewEvent) -> asyncio.Future[Accepted]:
        """The same, with a future for the answer."""
        future: asyncio.Future[Accepted] = self._loop.create_future()
        self.take(event, partial(settle_future, future))
        return future

    async def accept_many(self, events: Sequence[NewEvent]) -> list[Accepted | WebhooksError]:
        """Store several, with as many commits as it takes; each has its own answer, or error."""
        self._check_open()
        take = self._put_in_bulk if await self._is_bulk(events) else self.take
        answers = BatchAnswers(len(events), self._loop)
        for index, event in enumerate(events):
            answered = partial(answers.put, index)
            try:
                take(event, answered)
            except Unavailable as error:
                answered(None, error)
        return await answers.all

    async def _is_bulk(self, events: Sequence[NewEvent]) -> bool:
        """Whether a call is so large that others should not wait for it."""
        if len(events) * self._fan_outs.highest_cost > self._limit:
            await self._learn(events)
        return len(events) > EXPRESS_EVENTS or self._fan_outs.likely_cost(events) > self._limit

    def _put_in_bulk(self, event: NewEvent, answered: Answered[Accepted]) -> None:
        self._check_open()
        self._admission.admit(event)
        self._bulk.put(event, partial(self._answered, event, answered))

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
        refusal = self._loop.call_later(CLOSING_SECONDS, self._bulk.refuse, _stopping())
        await self._express.idle()
        await self._bulk.idle()
        refusal.cancel()

    def _check_open(self) -> None:
        if not self._open:
            raise _stopping()

    # --- what is answered ---------------------------------------------------------------------

    def _express_answered(
        self,
        event: NewEvent,
        answered: Answered[Accepted],
        accepted: Accepted | None,
        error: Exception | None,
    ) -> None:
        left = self._express_held[event.organization] - 1
        if left:
            self._express_held[event.organization] = left
        else:
            del self._express_held[event.organization]
        self._answered(event, answered, accepted, error)

    def _answered(
        self,
        event: NewEvent,
        answered: Answered[Accepted],
        accepted: Accepted | None,
        error: Exception | None,
    ) -> None:
        self._admission.release(event)
        if accepted is not None:
            self._fan_outs.note(event, accepted)
        answered(accepted, error)

    # --- what is stored -----------------------------------------------------------------------

    async def _store_express(
        self, events: list[NewEvent], late: JoinableBatch[NewEvent]
    ) -> list[Accepted]:
        return await self._store(events, late, self._express)

    async def _store_bulk(
        self, events: list[NewEvent], _late: JoinableBatch[NewEvent]
    ) -> list[Accepted]:
        return await self._store(events, None, self._bulk)

    async def _store(
        self,
        events: list[NewEvent],
        late: JoinableBatch[NewEvent] | None,
        group: GroupCommit[NewEvent, Accepted],
    ) -> list[Accepted]:
        if len(events) * self._fan_outs.highest_cost > self._limit:
            await self._check_cost(events)
        started = self._clock.monotonic()
        lease = None if any(map(self._fan_outs.is_wide, events)) else self._lease_terms()
        try:
            answers = await self._storage.accept(events, lease, late, urgent=late is not None)
        except TimedOut:
            raise
        except Unavailable:
            # What waits for the next commit has waited as long as for this one, up to 2 s: a
            # second one that fails would be too late an answer.
            group.refuse(Unavailable("The database is away: nothing was stored.", 2))
            raise
        if lease is None:
            self.on_born_free()
            return answers
        for accepted in answers:
            if accepted.leased:
                self._hand_on(accepted, started)
        return answers

    async def _check_cost(self, events: Sequence[NewEvent]) -> None:
        """Let a batch be cut in two that costs more than was known when it was put together."""
        await self._learn(events)
        if len(events) > 1 and self._fan_outs.likely_cost(events) > self._limit:
            raise TimedOut("This is too much for one transaction.")

    async def _learn(self, events: Sequence[NewEvent]) -> None:
        try:
            await self._fan_outs.learn(events)
        except Unavailable as error:  # the commit will find out for itself
            log.warning("it is not known how many webhooks want events", reason=error.detail)

    def _pause_of_bulk(self, batch: Sequence[Entry[NewEvent]], seconds: float) -> float:
        """Leave the database to other organizations' calls, while there are any."""
        organizations = {event.organization for event, _ in batch}
        if self._open and all(map(self._foreground.others_than, organizations)):
            return min(GIVE_WAY * seconds, LONGEST_PAUSE)
        return self._bulk.between_commits(batch, seconds)

    # --- what follows -------------------------------------------------------------------------

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


def _organization(event: NewEvent) -> str:
    return event.organization


def _stopping() -> Unavailable:
    return Unavailable("The service is stopping. Try again in a few seconds.", 5)


def _nothing() -> None:
    return
