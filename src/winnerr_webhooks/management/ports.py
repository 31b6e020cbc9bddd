"""What management needs of the node it runs in; wiring passes the real ones."""

from typing import Protocol

from winnerr_webhooks.domain.event import Accepted, NewEvent


class Wakes(Protocol):
    """The node's ears: it would find out by itself, but later."""

    def webhook_changed(self, webhook_id: str) -> None:
        """Its next attempt uses what the webhook is now."""
        ...

    def work_is_due(self, webhook_id: str | None = None) -> None:
        """A replay or a job waits; one of this webhook, even if its receiver asked for a pause."""
        ...


class TestIntake(Protocol):
    """Where a sample event goes in."""

    async def send_test(self, event: NewEvent, webhook_id: str) -> Accepted:
        """Store the event with its one `test` delivery; `Unavailable` when it cannot be now."""
        ...
