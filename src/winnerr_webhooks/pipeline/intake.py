"""Intake: the first station. An event is accepted once it and its deliveries are on disk.

There are two groups of commits. `express` stores events for few webhooks, a few of each
organization at a time, because their callers wait. `bulk` stores the rest: large batches, events
for many webhooks, and what an organization sends beyond its part of `express`. In both,
organizations take turns by what their events cost, and no commit costs more than the budget
`accept_rows`. Bulk pauses between its commits, longer while other organizations' calls come in
(docs/adr/0018).
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import TimedOut, Unavailable, WebhooksError
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.admission import EXPRESS_EVENTS, Admission, AdmittedEvent
from winnerr_webhooks.pipeline.batch_answers import BatchAnswers
from winnerr_webhooks.pipeline.dispatch import Dispatcher
from winnerr_webhooks.pipeline.event_costs import EventCost, EventCosts
from winnerr_webhooks.pipeline.fair_queue import FairQueue
from winnerr_webhooks.pipeline.foreground import Foreground
from winnerr_webhooks.pipeline.group_commit import (
    Entry,
    GroupCommit,
    JoinableBatch,
    OnAnswer,
    pause_between,
    resolve_future,
)
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.pipeline.ordered_commit import commit_in_order
from winnerr_webhooks.storage.road_port import Road
from winnerr_webhooks.storage.road_values import LeaseTerms

GIVE_WAY: Final = 4.0
"""While others call, bulk pauses for this many times as long as its last commit took. Otherwise it
pauses until there is room in the queues of quick receivers, or for as long as the commit took if it
knows of none: events that are stored faster than they are delivered have to be claimed from the
database again."""
LONGEST_PAUSE: Final = 0.25
"""The longest such pause in seconds."""
MOST_PARTS: Final = 4
"""While others call, the budget of rows is divided by at most this for slow commits of bulk."""
BULK_PATIENCE: Final = 60.0
"""Seconds for which bulk tries again, in parts, to store what was not stored in time."""
BULK_CLOSING_SECONDS: Final = 1.0
"""Seconds for which bulk goes on when the node stops accepting; the rest is refused."""

log = structlog.get_logger(__name__)


class Intake:
    """Stores checked events of many callers in batches, and starts their deliveries.

    On a node that only accepts, there is no dispatcher: deliveries are stored unleased, and other
    nodes claim them.
    `most_webhooks` is how many one organization may have.
    """

    def __init__(
        self,
        storage: Road,
        dispatcher: Dispatcher | None,
        clock: Clock,
        *,
        metrics: Metrics,
        budgets: Budgets,
        foreground: Foreground,
        most_webhooks: int,
        signals: NodeSignals,
    ) -> None:
        self._storage = storage
        self._dispatcher = dispatcher
        self._clock = clock
        self._metrics = metrics
        self._foreground = foreground
        self._signals = signals
        self._loop = asyncio.get_running_loop()
        self._admission = Admission(budgets)
        self._limit = budgets.accept_rows.bound.limit
        self._costs = EventCosts(storage, self._loop.time, most_webhooks=most_webhooks)
        express, bulk = self._queue(budgets), self._queue(budgets)
        self._express: GroupCommit[AdmittedEvent, Accepted] = GroupCommit(
            self._store_express,
            express,
            next_joiner=express.next_joiner,
            on_answered=self._admission.release,
        )
        self._bulk: GroupCommit[AdmittedEvent, Accepted] = GroupCommit(
            self._store_bulk,
            bulk,
            pause=partial(self._pause_of_bulk, bulk),
            patience=BULK_PATIENCE,
            next_joiner=bulk.next_joiner,
            on_answered=self._admission.release,
        )
        budgets.accept_rows.measure(lambda: max(express.taken, bulk.taken))
        self._open = True

    def _queue(self, budgets: Budgets) -> FairQueue[AdmittedEvent]:
        return FairQueue(self._limit, on_full=budgets.accept_rows.refuse)

    # --- what comes in ------------------------------------------------------------------------

    def take(
        self, event: NewEvent, on_answer: OnAnswer[Accepted], *, is_bulk: bool = False
    ) -> None:
        """Store an event and its deliveries with the next commit, and start on the deliveries.

        Raises `Unavailable`, or answers with it, when it cannot be done now; nothing was accepted
        then. Also answers with `Uncertain` when the database was lost during the commit, and with
        `Poisoned` when this event can never be stored. `is_bulk`: it is part of a call so large
        that others should not wait for it.
        """
        if not self._open:
            raise _stopping()
        cost = self._costs.of(event.organization, event.name)
        admitted = self._admission.admit(
            event, cost, self._loop.time(), may_be_express=not (is_bulk or cost.is_wide)
        )
        group = self._express if admitted.express else self._bulk
        group.put((admitted, on_answer))

    def accept(self, event: NewEvent) -> asyncio.Future[Accepted]:
        """Store an event like `take`; returns a future for the answer."""
        future: asyncio.Future[Accepted] = self._loop.create_future()
        self.take(event, partial(resolve_future, future))
        return future

    async def accept_many(self, events: Sequence[NewEvent]) -> list[Accepted | WebhooksError]:
        """Store several events, in as many commits as needed; each has an answer or an error."""
        self._check_open()
        is_bulk = await self._is_bulk(events)
        answers = BatchAnswers(len(events), self._loop)
        for index, event in enumerate(events):
            on_answer = partial(answers.put, index)
            try:
                self.take(event, on_answer, is_bulk=is_bulk)
            except Unavailable as error:
                on_answer(None, error)
        return await answers.all

    async def accept_in_order(self, events: Sequence[NewEvent]) -> list[Accepted | WebhooksError]:
        """Store several events, none before an earlier one of its organization.

        Each has an answer or an error. After one that is not accepted now (`Unavailable`), its
        organization's later events are not accepted either; other errors hold up nothing.
        """
        self._check_open()
        answers = BatchAnswers(len(events), self._loop)
        queue: FairQueue[AdmittedEvent] = FairQueue(self._limit, on_full=lambda: None)
        refused: dict[str, Unavailable] = {}
        for index, event in enumerate(events):
            on_answer = partial(answers.put, index)
            cost = self._costs.of(event.organization, event.name)
            try:
                if event.organization in refused:
                    raise refused[event.organization]
                admitted = self._admission.admit(
                    event, cost, self._loop.time(), may_be_express=False
                )
            except Unavailable as error:
                refused[event.organization] = error
                on_answer(None, error)
            else:
                queue.put((admitted, on_answer))
        pause = partial(self._pause_of_bulk, queue, for_receivers=False)
        await commit_in_order(queue, self._store_in_order, pause, self._admission.release)
        return await answers.all

    async def _is_bulk(self, events: Sequence[NewEvent]) -> bool:
        """Whether a call is so large that others should not wait for it."""
        if len(events) * self._costs.highest_cost <= self._limit:
            return len(events) > EXPRESS_EVENTS
        costs = [self._costs.of(event.organization, event.name) for event in events]
        await self._learn(costs)
        return len(events) > EXPRESS_EVENTS or sum(cost.expected for cost in costs) > self._limit

    async def send_test(self, event: NewEvent, webhook_id: str) -> Accepted:
        """Store a sample event for one webhook, and start its one attempt."""
        self._check_open()
        started = self._clock.monotonic()
        accepted = await self._storage.send_test(event, webhook_id, self._lease_terms())
        self._hand_on(accepted.leased, started)
        if accepted.to_claim:
            self._signals.work_due(0.0)
        return accepted

    async def close(self) -> None:
        """Accept nothing more; return when every event that was taken is answered."""
        self._open = False
        refusal = self._loop.call_later(BULK_CLOSING_SECONDS, self._bulk.refuse, _stopping())
        await self._express.idle()
        await self._bulk.idle()
        refusal.cancel()

    def _check_open(self) -> None:
        if not self._open:
            raise _stopping()

    # --- what is stored -----------------------------------------------------------------------

    async def _store_express(
        self, batch: list[AdmittedEvent], joiners: JoinableBatch[AdmittedEvent]
    ) -> list[Accepted]:
        for organization in {admitted.event.organization for admitted in batch}:
            self._foreground.note(organization)
        return await self._store(batch, joiners, self._express.refuse, urgent=True)

    async def _store_bulk(
        self, batch: list[AdmittedEvent], joiners: JoinableBatch[AdmittedEvent]
    ) -> list[Accepted]:
        return await self._store(batch, joiners, self._bulk.refuse, urgent=False)

    async def _store_in_order(self, batch: list[AdmittedEvent]) -> list[Accepted]:
        return await self._store(batch, JoinableBatch(None), lambda _error: None, urgent=False)

    async def _store(
        self,
        batch: list[AdmittedEvent],
        joiners: JoinableBatch[AdmittedEvent],
        refuse_next: Callable[[Unavailable], None],
        *,
        urgent: bool,
    ) -> list[Accepted]:
        if len(batch) * self._costs.highest_cost > self._limit:
            await self._check_cost(batch)
        started = self._clock.monotonic()
        is_wide = any(admitted.cost.is_wide for admitted in batch)
        lease = None if is_wide else self._lease_terms()
        events = [admitted.event for admitted in batch]
        joined = partial(_joined_events, joiners)
        try:
            answers = await self._storage.accept(events, lease, joined, urgent=urgent)
        except TimedOut:
            raise
        except Unavailable:
            # Events for the next commit have waited as long as this one took, up to 2 s. Waiting
            # for another commit that fails would answer their callers too late.
            refuse_next(Unavailable("The database is away: nothing was stored.", 2))
            raise
        self._follow([*batch, *joiners.joined], answers, started)
        if lease is None:
            self._signals.work_due(0.0)
        return answers

    def _follow(self, batch: list[AdmittedEvent], answers: list[Accepted], started: float) -> None:
        """Note what each event cost, and hand its leased deliveries to the dispatcher."""
        now = self._loop.time()
        self._metrics.batch_committed(self._clock.monotonic() - started)
        self._metrics.events_answered([now - admitted.since for admitted in batch])
        noted = None
        leased: list[LeasedDelivery] = []
        to_claim = False
        for admitted, accepted in zip(batch, answers, strict=True):
            # Events of one cost make equally many rows in one commit: note them once.
            if accepted.rows and admitted.cost is not noted:
                noted = admitted.cost
                noted.note(accepted.rows, now)
            leased += accepted.leased
            to_claim = to_claim or accepted.to_claim
        self._hand_on(leased, started)
        if to_claim:
            self._signals.work_due(0.0)

    async def _check_cost(self, batch: list[AdmittedEvent]) -> None:
        """Raise `TimedOut` to have a batch cut that costs more than expected."""
        await self._learn([admitted.cost for admitted in batch])
        if len(batch) > 1 and sum(admitted.cost.expected for admitted in batch) > self._limit:
            raise TimedOut("This is too much for one transaction.")

    async def _learn(self, costs: list[EventCost]) -> None:
        try:
            await self._costs.learn(costs)
        except Unavailable as error:  # the commit itself is tried anyway
            log.warning("it is not known how many webhooks want events", reason=error.detail)

    def _pause_of_bulk(
        self,
        queue: FairQueue[AdmittedEvent],
        batch: Sequence[Entry[AdmittedEvent]],
        seconds: float,
        *,
        for_receivers: bool = True,
    ) -> float:
        """Return the seconds to leave to other organizations' calls, or else to deliveries.

        `queue` is where the batch came from; this sets what its next batch may cost. `seconds` is
        what the commit took.
        `for_receivers`: whether to wait until quick receivers have room.
        """
        organizations = {admitted.organization for admitted, _ in batch}
        longest = min(GIVE_WAY * seconds, LONGEST_PAUSE)
        if self._open and all(map(self._foreground.others_than, organizations)):
            queue.limit = self._rows_beside_calls(batch, seconds)
            return longest
        queue.limit = self._limit
        pause = pause_between(queue, batch)
        if not pause or not self._open or self._dispatcher is None:
            return pause
        if any(admitted.cost.is_wide for admitted, _ in batch):  # claimed in any case
            return pause
        if for_receivers:
            to_room = self._dispatcher.queues.lanes.seconds_to_room(organizations)
            if to_room is not None:
                return max(min(to_room, longest), pause)
        return min(max(seconds, pause), LONGEST_PAUSE)

    def _rows_beside_calls(self, batch: Sequence[Entry[AdmittedEvent]], seconds: float) -> int:
        """Return how many rows the next commit may have so that a pause can make up for it.

        At least a quarter of the budget: a part of what a commit takes does not depend on its rows.
        """
        rows = sum(admitted.cost.expected for admitted, _ in batch)
        fitting = rows * LONGEST_PAUSE / (GIVE_WAY * max(seconds, 0.001))
        return min(max(int(fitting), self._limit // MOST_PARTS), self._limit)

    # --- what follows -------------------------------------------------------------------------

    def _lease_terms(self) -> LeaseTerms | None:
        return None if self._dispatcher is None else self._dispatcher.lease_terms()

    def _hand_on(self, leased: Sequence[LeasedDelivery], started: float) -> None:
        if self._dispatcher is None or not leased:
            return
        expires = started + self._dispatcher.lease_seconds
        try:
            for delivery in leased:
                delivery.expires = expires
            self._dispatcher.add_accepted(leased)
        except Exception:
            # A fault of ours: the events are accepted, and the leases expire.
            log.exception("deliveries were not handed on", first=leased[0].id, count=len(leased))


def _joined_events(joiners: JoinableBatch[AdmittedEvent]) -> list[NewEvent]:
    return [admitted.event for admitted in joiners.take()]


def _stopping() -> Unavailable:
    return Unavailable("The service is stopping. Try again in a few seconds.", 5)
