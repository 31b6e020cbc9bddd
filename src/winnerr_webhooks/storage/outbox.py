"""The outbox: events that the product emits inside its own transactions, as a port of storage.

The product calls the SQL function `winnerr_webhooks.emit`, which only the database knows. The node
that has the turn reads what was committed, hands it to the intake, and settles it here. The outbox
promises no more than that: an event is accepted once because the intake knows its `client_id`, and
a row that was not settled, because its node died, is read again.

Only PostgreSQL has an outbox. Errors are those of `storage.port`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class EmittedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event in the outbox, as it was emitted; nothing of it has been checked."""

    position: int
    """Of two events of which one was emitted after the other was committed, it has the higher."""
    client_id: str
    organization: str
    event: str | None
    data: str | None
    """JSON text, as given; None if it is missing, or longer than was asked for."""
    size: int
    """The length of the data in bytes."""
    happened_at: str
    """RFC 3339 in UTC, or what PostgreSQL shows for a time that has no such form."""


class OutboxEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What `winnerr-webhooks outbox list` shows of an event. Instants are ms since 1970."""

    client_id: str
    organization: str
    event: str | None
    emitted_at: int
    reason: str | None
    """Why it was refused; None while it waits."""


class OutboxFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures that metrics show."""

    waiting: int
    oldest_age: float
    """Seconds since the oldest waiting event was emitted; 0 without one."""
    refused: int


class Outbox(Protocol):
    """The events that wait, and those that were refused."""

    async def next_events(
        self, after: str, without: Sequence[str], *, max_bytes: int
    ) -> list[EmittedEvent]:
        """Return events that wait, or [] if there are none, or if another node has the turn.

        They are of the next organizations whose names follow `after` (or of the first ones if none
        follow), and of none in `without`. Organizations take turns: each one's first event comes
        first, then each one's second. Those of one organization are its first ones by position.
        Together they have at most 8 MiB of data. Data of more than `max_bytes` are left out.
        """
        ...

    async def settle(self, moved: Sequence[int], refused: Mapping[int, str]) -> None:
        """Remove events that were accepted; keep refused ones, with the reason. By position."""
        ...

    async def entries(
        self, *, refused: bool, organization: str | None, limit: int
    ) -> list[OutboxEntry]:
        """Return the oldest events, of all or of one organization; if `refused`, only those."""
        ...

    async def retry(self, client_id: str | None, organization: str | None) -> int:
        """Let refused events wait again: all, or those of this id or organization; return how many.

        They have the positions they had before.
        """
        ...

    async def figures(self) -> OutboxFigures:
        """Return the figures that metrics show; the longer they take to count, the less often."""
        ...

    async def remove_refused(self, retention_days: int) -> int:
        """Remove events that were refused before that, 1,000 at most; return how many."""
        ...
