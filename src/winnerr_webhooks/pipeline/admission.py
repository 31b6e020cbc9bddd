"""Admission: how much may wait to be stored, in all and of one organization.

Every event of the service passes here twice, so the limits of events and bytes are checked in one
step.
"""

from collections.abc import Sequence
from typing import Final

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.event import NewEvent
from winnerr_webhooks.pipeline.event_costs import EventCost
from winnerr_webhooks.pipeline.group_commit import Entry
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
    """An event that waits to be stored."""

    __slots__ = ("cost", "event", "express", "organization", "since", "waiting")

    def __init__(  # noqa: PLR0917  by position, which is quicker: it is made for every event
        self,
        event: NewEvent,
        organization: str,
        waiting: WaitingEvents,
        cost: EventCost,
        since: float,
        express: bool,  # noqa: FBT001  likewise
    ) -> None:
        self.event = event
        self.organization = organization
        self.waiting = waiting
        """Where it is counted until it is answered."""
        self.cost = cost
        """What it costs a transaction."""
        self.since = since
        """The loop's time of the call."""
        self.express = express
        """Whether it belongs into the express group."""


class Admission:
    """Counts events and their bytes from the call until they are stored or refused."""

    def __init__(self, budgets: Budgets) -> None:
        self.waiting: dict[str, WaitingEvents] = {}
        """By organization."""
        self.events = budgets.accept_events
        self.bytes = budgets.accept_bytes

    def admit(
        self, event: NewEvent, cost: EventCost, since: float, *, may_be_express: bool
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
        return AdmittedEvent(event, organization, waiting, cost, since, express)

    def release(self, entries: Sequence[Entry[AdmittedEvent]]) -> None:
        """Count these events as waiting no longer, because they are answered."""
        released = 0
        for admitted, _ in entries:
            size = len(admitted.event.body)
            released += size
            waiting = admitted.waiting
            waiting.bytes -= size
            waiting.events = left = waiting.events - 1
            if admitted.express:
                waiting.express -= 1
            if not left:
                del self.waiting[admitted.organization]
        self.events.used -= len(entries)
        self.bytes.used -= released


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
