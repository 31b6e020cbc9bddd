"""Admission: how much may wait to be stored, in all and of one organization."""

from typing import Final

from winnerr_webhooks.budgets import Budget, Budgets
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.event import NewEvent

RETRY_AFTER: Final = 2


class Admission:
    """Counts events and their bytes from the call until they are stored or refused."""

    def __init__(self, budgets: Budgets) -> None:
        self._events = budgets.accept_events
        self._bytes = budgets.accept_bytes

    def admit(self, event: NewEvent) -> None:
        """Let an event wait; `Unavailable` says whose part is used up, and nothing is counted."""
        organization = event.organization
        if not self._events.take_for(organization):
            raise _used_up(self._events, organization, 1)
        if not self._bytes.take_for(organization, len(event.body)):
            self._events.release_for(organization)
            raise _used_up(self._bytes, organization, len(event.body))

    def release(self, event: NewEvent) -> None:
        """An event that was admitted waits no more."""
        self._events.release_for(event.organization)
        self._bytes.release_for(event.organization, len(event.body))


def _used_up(budget: Budget, organization: str, units: int) -> Unavailable:
    if budget.held_by(organization) + units > budget.bound.share:
        return Unavailable(
            f"Too many events of organization {organization} wait to be stored. "
            "Wait for the answers to earlier calls before you send more.",
            RETRY_AFTER,
        )
    return Unavailable(
        "Too many events wait to be stored in this service. Try again in a few seconds.",
        RETRY_AFTER,
    )
