"""Node signals: what the parts of a node tell each other without knowing each other.

Every part gets the one `NodeSignals` of its node when it is made. It calls a signal to say what
happened, and connects to the signals that it acts on. None of this is needed for an event that goes
straight through.
"""

from collections.abc import Callable, Iterable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Signal(Generic[P]):
    """Something that can happen; calling it calls each receiver, in the order they connected."""

    __slots__ = ("_receivers",)

    def __init__(self) -> None:
        self._receivers: list[Callable[P, object]] = []

    def connect(self, receiver: Callable[P, object]) -> None:
        """Call `receiver` from now on."""
        self._receivers.append(receiver)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call each receiver."""
        for receiver in self._receivers:
            receiver(*args, **kwargs)


class NodeSignals:
    """The signals of one node. Without receivers (a node that only accepts), they do nothing."""

    def __init__(self) -> None:
        self.work_due: Signal[[float]] = Signal()
        """In this many seconds, a delivery in the database becomes due."""
        self.webhooks_changed: Signal[[Iterable[str]]] = Signal()
        """These webhooks were edited, paused, resumed, disabled or deleted."""
        self.attempt_requested: Signal[[str]] = Signal()
        """A user asked for an attempt of this webhook, even if its receiver asked for a pause."""
        self.job_created: Signal[[]] = Signal()
        """A job waits in the database."""
        self.changes_found: Signal[[]] = Signal()
        """Webhooks were changed, perhaps through another node."""
        self.outbox_filled: Signal[[]] = Signal()
        """Events wait in the outbox."""
        self.recording_resumed: Signal[[]] = Signal()
        """Every attempt made so far is recorded after a stall, so attempts may start again."""

    def webhook_changed(self, webhook_id: str) -> None:
        """Announce a change of a webhook through this node: its next attempt uses the change."""
        self.webhooks_changed((webhook_id,))
        self.job_created()

    def work_requested(self, webhook_id: str | None = None) -> None:
        """Announce a replay (of this webhook) or a job that was requested here: begin at once."""
        if webhook_id is not None:
            self.attempt_requested(webhook_id)
        self.work_due(0.0)
        self.job_created()
