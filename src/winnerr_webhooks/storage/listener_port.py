"""The part of the storage port for listeners; see `storage.port`."""

from collections.abc import Sequence
from typing import Protocol

from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.storage.values import NewWebhook


class Listeners(Protocol):
    """Listeners: webhooks whose attempts are made by a program that is connected.

    Only the verbs here, `targets` and those that name a webhook's id know them: they are in no
    list of webhooks, and a replay of many deliveries leaves theirs out.
    """

    async def open_listener(self, new: NewWebhook, identity: str, limit: int) -> Webhook:
        """Return the listener of this identity, active, with the URL and events of `new`.

        It is made from `new` if the organization has none of this identity. One that exists keeps
        its id and its secret. If there are `limit` already, the one that was not connected for
        longest goes for it; `Conflict` when all of them are active.
        """
        ...

    async def see_listeners(self, webhook_ids: Sequence[str]) -> None:
        """Note that the programs of these listeners are connected now."""
        ...

    async def due_listeners(self, webhook_ids: Sequence[str]) -> list[str]:
        """Return which of these have deliveries that are due; as in `due_lanes`, it only reads."""
        ...

    async def end_stale_listeners(self, unseen_seconds: float) -> list[str]:
        """End listeners that were not seen for so long, or for which over 10,000 deliveries wait.

        Return their ids, at most 100. Such a listener is paused: what waits is cancelled, and
        events make no deliveries for it until it is opened again.
        """
        ...
