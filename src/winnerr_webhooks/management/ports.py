"""The interfaces that management needs of the node; `wiring` passes the implementations."""

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
    """Accepts sample events."""

    async def send_test(self, event: NewEvent, webhook_id: str) -> Accepted:
        """Store the event with one `test` delivery. Raises `Unavailable`."""
        ...
