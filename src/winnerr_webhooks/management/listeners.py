"""Opens listeners: who may receive an organization's events on their own machine, and which."""

from functools import partial
from typing import Final

import msgspec

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import Invalid, NotFound
from winnerr_webhooks.domain.event_pattern import ALL_EVENTS
from winnerr_webhooks.domain.url import parse_url
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.ids import Ids, is_id, new_secret
from winnerr_webhooks.management.field_checks import FieldChecks
from winnerr_webhooks.management.ports import NodeSignals
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import NewWebhook

MAX_LISTENERS: Final = 50
"""Listeners of an organization; one that is not in use makes room for a new one."""
MAX_NAME: Final = 200


class ListenerDraft(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A listener as its program asks for it, unchecked."""

    forward_to: str
    """The local URL that requests go to; it is shown in the log."""
    organization_id: str | None = None
    """Left out: the key's organization."""
    name: str = ""
    """Programs with the same key and name share one listener."""
    events: list[str] | None = None
    """Left out: all, or those of `webhook`."""
    webhook: str | None = None
    """Take events and secret of this webhook."""


class OpenedListener(msgspec.Struct, frozen=True, kw_only=True):
    """A listener with the secret that signs its requests; None: they are not signed."""

    webhook: Webhook
    secret: str | None

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"OpenedListener({self.webhook.id})"


class Listeners:
    """Finds or makes the listener of a program."""

    def __init__(
        self, *, storage: Storage, catalog: Catalog, ids: Ids, signals: NodeSignals
    ) -> None:
        self._storage = storage
        self._catalog = catalog
        self._ids = ids
        self._signals = signals

    async def open(self, organization: str, key_id: str, draft: ListenerDraft) -> OpenedListener:
        """Open the listener of a key and a name; it gets events from the moment this returns.

        Its secret stays the same, except that a listener of a webhook has the webhook's. Raises
        `Invalid` with all wrong fields, `NotFound` if there is no such webhook, and `Conflict` if
        too many listeners are in use.
        """
        source = await self._source(organization, draft.webhook)
        wanted = draft.events
        if wanted is None:
            wanted = list(source.events) if source else [ALL_EVENTS]
        checks = FieldChecks()
        checks.run(check_forward_to, draft.forward_to, None)
        kept = source.events if source else ()
        events = checks.run(partial(self._catalog.normalise_events, kept=kept), wanted, ())
        if len(draft.name) > MAX_NAME or not draft.name.isprintable():
            checks.refuse("/name", f"A name has up to {MAX_NAME} printable characters.")
        checks.done()
        webhook = await self._storage.open_listener(
            NewWebhook(
                id=self._ids.new("wh"),
                organization=organization,
                url=draft.forward_to,
                description=None,
                events=events,
                secret=new_secret(),
            ),
            f"{key_id} {draft.webhook or ''} {draft.name}",
            MAX_LISTENERS,
        )
        secret, _ = await self._storage.secrets(organization, webhook.id)
        if source is not None:
            own = secret
            secret, _ = await self._storage.secrets(organization, source.id)
            if secret != own:
                await self._storage.set_secret(organization, webhook.id, secret, 0)
        self._signals.webhook_changed(webhook.id)
        return OpenedListener(webhook=webhook, secret=secret)

    async def _source(self, organization: str, webhook_id: str | None) -> Webhook | None:
        if webhook_id is None:
            return None
        found = None
        if is_id("wh", webhook_id):
            found = await self._storage.webhook(organization, webhook_id)
        if found is None:
            raise NotFound(f"There is no webhook {webhook_id}; it may have been deleted.")
        return found


def check_forward_to(url: str) -> str:
    """Return a local URL. Raises `Invalid` at /forwardTo if it is not one."""
    try:
        parse_url(url, allow_http=True)
    except Invalid as refusal:
        raise Invalid.field("/forwardTo", refusal.detail) from None
    return url
