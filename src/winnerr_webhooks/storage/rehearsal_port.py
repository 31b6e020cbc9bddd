"""The part of the storage port for rehearsals, and its values; see `storage.port`."""

from typing import Protocol

import msgspec


class NewRehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """A new rehearsal, all of whose fields were checked."""

    id: str
    organization: str
    webhook_id: str
    url: str
    last: int
    """How many of the webhook's last events to send."""


class AnswerStart(msgspec.Struct, frozen=True, gc=False):
    """How a receiver answered, in short."""

    outcome: str
    """`succeeded` or `failed`."""
    status: int | None
    """None: there was no response."""
    duration_ms: float
    error_message: str
    """Empty on success."""
    body: bytes
    """The beginning of the response's body."""


class RehearsalStep(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The next request of a rehearsal, which the caller has on a lease."""

    rehearsal_id: str
    organization: str
    webhook_id: str
    url: str
    position: int
    delivery_id: str
    event: str
    attempt: int
    """The number of the recorded attempt."""
    body: bytes | None
    """None: the event is no longer stored."""


class RehearsalResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer to one request of a rehearsal."""

    rehearsal_id: str
    position: int
    answer: AnswerStart


class RehearsalAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event of a rehearsal: the answer of the other URL beside the recorded one."""

    delivery_id: str
    attempt_id: str
    """The recorded attempt."""
    event: str
    rehearsed: AnswerStart | None
    """None: it is to come."""
    recorded: AnswerStart | None
    """None: it is no longer in the log."""


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """A rehearsal as it is read; its answers are in the order of the requests, oldest first."""

    id: str
    organization: str
    webhook_id: str
    url: str
    requested_at: int
    status: str
    """`running`, `done` or `cancelled`."""
    answers: list[RehearsalAnswer]


class Rehearsals(Protocol):
    """Rehearsals: the last events of a webhook, sent once to another URL."""

    async def add_rehearsal(self, new: NewRehearsal) -> int:
        """Add a rehearsal of the webhook's last events; return how many, 0 if there are none.

        Tests are no part of it. `NotFound` without such a webhook; `Conflict` if a rehearsal of the
        organization is running.
        """
        ...

    async def rehearsal_step(
        self, done: RehearsalResult | None, lease_seconds: float
    ) -> RehearsalStep | None:
        """Record the answer to the last request, and return the next one, on a lease.

        Without `done`, take a rehearsal whose lease has run out, or that nobody has begun. None: it
        has ended, or none is free.
        """
        ...

    async def rehearsal(self, organization: str, rehearsal_id: str) -> Rehearsal | None:
        """Return one rehearsal with its answers so far; rehearsals stay for 7 days."""
        ...

    async def cancel_rehearsal(self, organization: str, rehearsal_id: str) -> None:
        """End a rehearsal, if it is running; a request in flight is still recorded."""
        ...
