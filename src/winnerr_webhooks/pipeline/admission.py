"""Admission: how much may wait to be stored, in all and of one organization.

Every event passes here twice, so the counters are its own; the budgets read them.
"""

from typing import Final

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.pipeline.fan_outs import FanOut
from winnerr_webhooks.pipeline.group_commit import Answered
from winnerr_webhooks.quotas import Budget

RETRY_AFTER: Final = 2


class Waiting:
    """What waits to be stored of one organization."""

    __slots__ = ("bytes", "events", "express")

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self.express = 0
        """Those of the events that are in the express group."""


class AdmittedEvent:
    """An event that waits to be stored; called with its answer, it makes room and passes it on."""

    __slots__ = (
        "_admission",
        "_answered",
        "_express",
        "_waiting",
        "cost",
        "event",
        "organization",
        "since",
    )

    def __init__(
        self,
        event: NewEvent,
        answered: Answered[Accepted],
        admission: "Admission",
        *,
        waiting: Waiting,
        cost: FanOut,
        express: bool,
        since: float,
    ) -> None:
        self.since = since
        """The loop's instant of the call."""
        self.event = event
        self.organization = event.organization
        self.cost = cost
        """What it costs a transaction."""
        self._answered = answered
        self._admission = admission
        self._waiting = waiting
        self._express = express

    def __call__(self, accepted: Accepted | None, error: Exception | None) -> None:
        """Take the answer, or why there is none."""
        if self._express:
            self._waiting.express -= 1
        self._admission.release(self.event, self._waiting)
        self._answered(accepted, error)


class Admission:
    """Counts events and their bytes from the call until they are stored or refused."""

    def __init__(self, budgets: Budgets) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._events = budgets.accept_events
        self._bytes = budgets.accept_bytes

    def express_of(self, organization: str) -> int:
        """Events of an organization in the express group."""
        waiting = self._waiting.get(organization)
        return 0 if waiting is None else waiting.express

    def admit(
        self,
        event: NewEvent,
        answered: Answered[Accepted],
        cost: FanOut,
        *,
        express: bool,
        since: float,
    ) -> AdmittedEvent:
        """Let an event wait; `Unavailable` says whose part is used up, and nothing is counted.

        `since` is the loop's instant of its call.
        """
        organization = event.organization
        waiting = self._waiting.get(organization) or Waiting()
        size = len(event.body)
        all_events, all_bytes = self._events.used + 1, self._bytes.used + size
        events, held = waiting.events + 1, waiting.bytes + size
        of_events, of_bytes = self._events.bound, self._bytes.bound
        if (
            events > of_events.share
            or all_events > of_events.limit
            or held > of_bytes.share
            or all_bytes > of_bytes.limit
        ):
            _check(self._events, organization, events, all_events)
            _check(self._bytes, organization, held, all_bytes)
        if events == 1:
            self._waiting[organization] = waiting
        waiting.events, waiting.bytes = events, held
        waiting.express += express
        self._events.used, self._bytes.used = all_events, all_bytes
        return AdmittedEvent(
            event, answered, self, waiting=waiting, cost=cost, express=express, since=since
        )

    def release(self, event: NewEvent, waiting: Waiting) -> None:
        """An event that was admitted waits no more."""
        self._events.used -= 1
        self._bytes.used -= len(event.body)
        waiting.bytes -= len(event.body)
        waiting.events -= 1
        if not waiting.events:
            del self._waiting[event.organization]


def _check(budget: Budget, organization: str, of_organization: int, of_all: int) -> None:
    bound = budget.bound
    if of_organization > bound.share:
        budget.refuse(organization)
        raise Unavailable(
            f"Too many events of organization {organization} wait to be stored. "
            "Wait for the answers to earlier calls before you send more.",
            RETRY_AFTER,
        )
    if of_all > bound.limit:
        budget.refuse()
        raise Unavailable(
            "Too many events wait to be stored in this service. Try again in a few seconds.",
            RETRY_AFTER,
        )
