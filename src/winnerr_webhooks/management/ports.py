"""What management needs of the node it runs in; wiring passes the real ones."""

from typing import Protocol

from winnerr_webhooks.domain.event import Accepted, NewEvent


class NodeSignals(Protocol):
    """Tells the node what was changed here; without it, the node would find out later."""

    def webhook_changed(self, webhook_id: str) -> None:
        """A webhook was changed: its next attempt uses what it is now."""
        ...

    def work_requested(self, webhook_id: str | None = None) -> None:
        """A job waits, or a replay of this webhook, to be sent even if its receiver paused it."""
        ...


class TestIntake(Protocol):
    """Where a sample event goes in."""

    async def send_test(self, event: NewEvent, webhook_id: str) -> Accepted:
        """Store the event with its one `test` delivery; `Unavailable` when it cannot be now."""
        ...
