"""Which of the webhooks that want an event get it, by their filters."""

from typing import Any

from winnerr_webhooks.domain.event import NewEvent
from winnerr_webhooks.domain.event_filter import judge_of, parse_payload


class FilteredEvent:
    """An event whose payload is parsed once, when the first filter asks for it."""

    __slots__ = ("_event", "_payload")

    def __init__(self, event: NewEvent) -> None:
        self._event = event
        self._payload: Any = None

    def passes(self, text: str | None) -> bool:
        """Return whether the event matches a filter; without one it does."""
        if text is None:
            return True
        if self._payload is None:
            self._payload = parse_payload(self._event.body)
        return judge_of(text)(self._payload)
