"""The part of the storage port for the activity log, and its values; see `storage.port`."""

from typing import Any, Protocol

import msgspec

from winnerr_webhooks.domain.activity import Activity


class ActivityFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries to read; a field that is None does not filter."""

    organization: str
    webhook: str | None = None
    actor: str | None = None
    """The id or the name of an actor, or a kind of actors."""
    action: str | None = None
    since: int | None = None
    """At or after this instant (ms)."""
    until: int | None = None
    """Before this instant (ms)."""
    limit: int = 50
    before: str | None = None
    """The `next` of the page before."""


class ActivityPage(msgspec.Struct, frozen=True, kw_only=True):
    """Entries, newest first; `next` is the cursor of the next page, or None."""

    items: list[Activity]
    next: str | None


class ActivityLog(Protocol):
    """Who did what. Changes write their own entries, in their own transactions.

    The actor of an entry is `acting.current_actor()`.
    """

    async def activity(self, query: ActivityFilter) -> ActivityPage:
        """Return entries by filter; stops after 50,000 rows with a `next`, as `log` does."""
        ...

    async def record_activity(
        self,
        organization: str,
        action: str,
        *,
        webhook: str | None = None,
        subject: str | None = None,
        **details: Any,
    ) -> None:
        """Add an entry for something that changes no row of its own; on disk when this returns."""
        ...
