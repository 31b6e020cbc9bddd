"""Admission: how much may wait to be stored, in all and of one organization.

Every event passes here twice, so the counters are its own; the budgets read them.
"""

from typing import Final

from winnerr_webhooks.budgets import Budget, Budgets
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.pipeline.fan_outs import FanOut
from winnerr_webhooks.pipeline.group_commit import Answered

RETRY_AFTER: Final = 2


class Share:
    """What waits of one organization."""

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
        "_share",
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
        share: Share,
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
        self._share = share
        self._express = express

    def __call__(self, accepted: Accepted | None, error: Exception | None) -> None:
        """Take the answer, or why there is none."""
        if self._express:
            self._share.express -= 1
        self._admission.release(self.event, self._share)
        self._answered(accepted, error)


class Admission:
    """Counts events and their bytes from the call until they are stored or refused."""

    def __init__(self, budgets: Budgets) -> None:
        self._events = 0
        self._bytes = 0
        self._shares: dict[str, Share] = {}
        self._events_budget = budgets.accept_events
        self._bytes_budget = budgets.accept_bytes
        self._events_budget.measure(lambda: self._events)
        self._bytes_budget.measure(lambda: self._bytes)

    def express_of(self, organization: str) -> int:
        """Events of an organization in the express group."""
        share = self._shares.get(organization)
        return 0 if share is None else share.express

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
        share = self._shares.get(organization) or Share()
        size = len(event.body)
        all_events, all_bytes = self._events + 1, self._bytes + size
        events, held = share.events + 1, share.bytes + size
        of_events, of_bytes = self._events_budget.bound, self._bytes_budget.bound
        if (
            events > of_events.share
            or all_events > of_events.limit
            or held > of_bytes.share
            or all_bytes > of_bytes.limit
        ):
            _check(self._events_budget, organization, events, all_events)
            _check(self._bytes_budget, organization, held, all_bytes)
        if events == 1:
            self._shares[organization] = share
        share.events, share.bytes = events, held
        share.express += express
        self._events, self._bytes = all_events, all_bytes
        return AdmittedEvent(
            event, answered, self, share=share, cost=cost, express=express, since=since
        )

    def release(self, event: NewEvent, share: Share) -> None:
        """An event that was admitted waits no more."""
        self._events -= 1
        self._bytes -= len(event.body)
        share.bytes -= len(event.body)
        share.events -= 1
        if not share.events:
            del self._shares[event.organization]


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
