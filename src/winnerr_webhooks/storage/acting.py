"""The actor of a change: set where a request arrives, read where the change is stored.

The guards of the API and of the settings page, and the commands, set it for their task. So the
calls between them and the storage need not pass it on. See docs/adr/0032.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

import msgspec

from winnerr_webhooks.domain.activity import THE_SERVICE, Actor, FieldChange
from winnerr_webhooks.storage.database_session import Session

_actor: Final[ContextVar[Actor]] = ContextVar("actor", default=THE_SERVICE)


def act_as(actor: Actor) -> None:
    """Set who acts in this task from now on."""
    _actor.set(actor)


def current_actor() -> Actor:
    """Return who acts in this task; the service itself if nobody else was named."""
    return _actor.get()


class ActivityRecorder(NamedTuple):
    """Writes entries of the activity log for one actor, in the transaction of the change."""

    actor: Actor
    new_id: Callable[[str], str]

    async def record(
        self,
        db: Session,
        organization: str,
        action: str,
        *,
        webhook: str | None = None,
        subject: str | None = None,
        changes: Iterable[FieldChange] = (),
        **details: Any,
    ) -> None:
        """Add an entry; `webhook` is an id. Details that are None are left out. Never a secret.

        Nothing is added for the webhook of a listener: it is not seen as one.
        """
        await db.execute(
            "add_activity",
            id=self.new_id("act"),
            organization=organization,
            action=action,
            webhook=webhook,
            subject=subject,
            actor_kind=self.actor.kind,
            actor_id=self.actor.id,
            actor_name=self.actor.name,
            address=self.actor.address,
            changes=_json(list(changes)),
            details=_json({key: value for key, value in details.items() if value is not None}),
        )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
