"""Admission: how much may wait to be stored, in all and of one organization.

Every event of the service passes here twice, so the limits of events and bytes are checked in one
step.
"""

from typing import Final

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.pipeline.event_costs import EventCost
from winnerr_webhooks.pipeline.group_commit import OnAnswer
from winnerr_webhooks.quotas import Budget

EXPRESS_EVENTS: Final = 64
"""Events that one organization, or one call, may have in the express group."""
RETRY_AFTER: Final = 2
"""Seconds after which a refused caller should try again."""


class WaitingEvents:
    """How much of one organization waits to be stored."""

    __slots__ = ("bytes", "events", "express")

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self.express = 0
        """Those of the events that are in the express group."""


class AdmittedEvent:
    """An event that waits to be stored. It is itself the callback that takes its answer.

    A separate callback would be one more object for every event.
    """

    __slots__ = (
        "_admission",
        "_on_answer",
        "_waiting",
        "cost",
        "event",
        "express",
        "organization",
        "since",
    )

    def __init__(  # noqa: PLR0917  by position, which is quicker: it is made for every event
        self,
        event: NewEvent,
        on_answer: OnAnswer[Accepted],
        admission: "Admission",
        waiting: WaitingEvents,
        cost: EventCost,
        since: float,
        express: bool,  # noqa: FBT001  likewise
    ) -> None:
        self.event = event
        self.organization = event.organization
        self.cost = cost
        """What it costs a transaction."""
        self.since = since
        """The loop's time of the call."""
        self.express = express
        """Whether it belongs into the express group."""
        self._on_answer = on_answer
        self._admission = admission
        self._waiting = waiting

    def __call__(self, accepted: Accepted | None, error: Exception | None) -> None:
        """Count the event as waiting no longer, and pass on its answer or its error."""
        size = len(self.event.body)
        waiting, admission = self._waiting, self._admission
        admission.events.used -= 1
        admission.bytes.used -= size
        waiting.express -= self.express
        waiting.bytes -= size
        waiting.events -= 1
        if not waiting.events:
            del admission.waiting[self.organization]
        self._on_answer(accepted, error)


class Admission:
    """Counts events and their bytes from the call until they are stored or refused."""

    def __init__(self, budgets: Budgets) -> None:
        self.waiting: dict[str, WaitingEvents] = {}
        """By organization."""
        self.events = budgets.accept_events
        self.bytes = budgets.accept_bytes

    def admit(
        self,
        event: NewEvent,
        on_answer: OnAnswer[Accepted],
        cost: EventCost,
        since: float,
        *,
        may_be_express: bool,
    ) -> AdmittedEvent:
        """Let an event wait. `Unavailable` says whose limit is reached; nothing is counted then.

        `since` is the loop's time of the call. An event that may be express is, unless its
        organization has too many of them.
        """
        organization = event.organization
        waiting = self.waiting.get(organization) or WaitingEvents()
        size = len(event.body)
        events, size_waiting = waiting.events + 1, waiting.bytes + size
        all_events, all_bytes = self.events.used + 1, self.bytes.used + size
        event_bound, byte_bound = self.events.bound, self.bytes.bound
        if (
            events > event_bound.quota
            or all_events > event_bound.limit
            or size_waiting > byte_bound.quota
            or all_bytes > byte_bound.limit
        ):
            _check(self.events, organization, events, all_events)
            _check(self.bytes, organization, size_waiting, all_bytes)
        express = may_be_express and waiting.express < EXPRESS_EVENTS
        if events == 1:
            self.waiting[organization] = waiting
        waiting.events, waiting.bytes = events, size_waiting
        waiting.express += express
        self.events.used, self.bytes.used = all_events, all_bytes
        return AdmittedEvent(event, on_answer, self, waiting, cost, since, express)


def _check(budget: Budget, organization: str, of_organization: int, of_all: int) -> None:
    bound = budget.bound
    if of_organization > bound.quota:
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
