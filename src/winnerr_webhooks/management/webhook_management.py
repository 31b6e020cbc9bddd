"""Webhooks: made, changed, tested and removed, with every rule that a customer's input meets."""

from typing import Final

import msgspec

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.catalog import ALL_EVENTS, Catalog
from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.domain.event import NewEvent, rfc3339
from winnerr_webhooks.domain.signing import check_secret
from winnerr_webhooks.domain.webhook import ACTIVE, PAUSED, Webhook
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.resolver import Resolver
from winnerr_webhooks.ids import Ids, is_id, new_secret
from winnerr_webhooks.management.destination_check import DestinationCheck
from winnerr_webhooks.management.field_checks import FieldChecks, check_description, check_event
from winnerr_webhooks.management.ports import NodeSignals, TestIntake
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import NewWebhook, WebhookChange

DEFAULT_OVERLAP: Final = 86_400
MAX_OVERLAP: Final = 30 * 86_400

UNSET = msgspec.UNSET
UnsetType = msgspec.UnsetType


class WebhookDraft(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A webhook as a customer describes it, not checked yet."""

    url: str
    events: list[str]
    secret: str | None = None
    generate_secret: bool = False
    description: str | None = None

    def __repr__(self) -> str:
        """Without the secret."""
        return f"WebhookDraft({self.url!r})"


class WebhookPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What a customer wants changed, not checked yet; what is left out stays."""

    url: str | UnsetType = UNSET
    events: list[str] | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    status: str | UnsetType = UNSET
    """`active` or `paused`."""
    replay_cancelled: bool = False
    """With `active` only: also send what was cancelled meanwhile."""


class SecretDraft(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A secret to set, or (left out) to be generated."""

    secret: str | UnsetType = UNSET
    overlap_seconds: int = DEFAULT_OVERLAP

    def __repr__(self) -> str:
        """Without the secret."""
        return f"SecretDraft(overlap_seconds={self.overlap_seconds})"


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook after a change."""

    webhook: Webhook
    warnings: tuple[str, ...] = ()
    """What did not stop the change but deserves a look, in sentences."""
    secret: str | None = None
    """Only when it was generated just now."""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Saved({self.webhook.id})"


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """A secret after it was set."""

    secret: str | None
    """Only when it was generated just now."""
    overlap_ends_at: int | None
    """ms; None: the new secret signs from now on."""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Rotated(overlap_ends_at={self.overlap_ends_at})"


class WebhookManagement:
    """Every change of a webhook, for the API and for the settings page alike."""

    def __init__(
        self,
        *,
        config: Config,
        storage: Storage,
        intake: TestIntake,
        catalog: Catalog,
        policy: AddressPolicy,
        resolver: Resolver,
        clock: Clock,
        ids: Ids,
        signals: NodeSignals,
    ) -> None:
        self._storage = storage
        self._intake = intake
        self._catalog = catalog
        self._destinations = DestinationCheck(policy, resolver, allow_http=config.allow_http)
        self._clock = clock
        self._ids = ids
        self._signals = signals
        self._limit = config.max_webhooks

    async def list(self, organization: str) -> list[Webhook]:
        """Every webhook of an organization, oldest first."""
        return await self._storage.webhooks(organization)

    async def get(self, organization: str, webhook_id: str) -> Webhook:
        """One webhook; `NotFound` when the organization has none of that id."""
        webhook = None
        if is_id("wh", webhook_id):
            webhook = await self._storage.webhook(organization, webhook_id)
        if webhook is None:
            raise _no_webhook(webhook_id)
        return webhook

    async def check_url(self, url: str) -> tuple[str, ...]:
        """What `create` would say of a URL: warnings, or `Invalid` at /url."""
        return await self._destinations.check(url)

    async def create(self, organization: str, draft: WebhookDraft) -> Saved:
        """Check and store a webhook; it is live when this returns.

        `Invalid` with every field that is wrong; `Conflict` when there are too many already.
        """
        checks = FieldChecks()
        warnings = await checks.wait(self._destinations.check(draft.url), ())
        events = checks.run(self._catalog.normalise_events, draft.events, ())
        description = checks.run(check_description, draft.description, None)
        secret = draft.secret
        if secret is not None:
            checks.run(check_secret, secret, None)
            if draft.generate_secret:
                checks.refuse("/generateSecret", "Give a secret or have one generated, not both.")
        elif draft.generate_secret:
            secret = new_secret()
        checks.done()
        webhook = await self._storage.create_webhook(
            NewWebhook(
                id=self._ids.new("wh"),
                organization=organization,
                url=draft.url,
                description=description,
                events=events,
                secret=secret,
            ),
            self._limit,
        )
        return Saved(
            webhook=webhook,
            warnings=warnings,
            secret=secret if draft.generate_secret else None,
        )

    async def change(self, organization: str, webhook_id: str, patch: WebhookPatch) -> Saved:
        """Check and apply a change; it counts at once on this node, within 2 s on others.

        A change of nothing is none: the webhook is returned as it is.
        """
        checks = FieldChecks()
        warnings: tuple[str, ...] = ()
        events: tuple[str, ...] | UnsetType = UNSET
        description: str | UnsetType | None = UNSET
        if patch.url is not UNSET:
            warnings = await checks.wait(self._destinations.check(patch.url), ())
        if patch.events is not UNSET:
            events = checks.run(self._catalog.normalise_events, patch.events, ())
        if patch.description is not UNSET:
            description = checks.run(check_description, patch.description, None)
        if patch.status not in (UNSET, ACTIVE, PAUSED):
            checks.refuse("/status", "`status` can be set to `active` or `paused`.")
        if patch.replay_cancelled and patch.status != ACTIVE:
            checks.refuse(
                "/replayCancelled", 'Only `"status": "active"` can replay what was cancelled.'
            )
        checks.done()
        change = WebhookChange(
            url=patch.url, events=events, description=description, status=patch.status
        )
        if change == WebhookChange():
            return Saved(webhook=await self.get(organization, webhook_id))
        webhook = await self._storage.change_webhook(
            organization, webhook_id, change, replay_cancelled=patch.replay_cancelled
        )
        if webhook is None:
            raise _no_webhook(webhook_id)
        self._signals.webhook_changed(webhook_id)
        return Saved(webhook=webhook, warnings=warnings)

    async def delete(self, organization: str, webhook_id: str) -> None:
        """Delete a webhook and its secrets; its log stays. `NotFound` when there is none."""
        if not await self._storage.delete_webhook(organization, webhook_id):
            raise _no_webhook(webhook_id)
        self._signals.webhook_changed(webhook_id)

    async def secret(self, organization: str, webhook_id: str) -> str:
        """The secret to verify with; during an overlap the new one. `NotFound` when unsigned."""
        signing, following = await self._storage.secrets(organization, webhook_id)
        secret = following or signing
        if secret is None:
            raise NotFound("This webhook has no secret: its requests are not signed.")
        return secret

    async def set_secret(self, organization: str, webhook_id: str, draft: SecretDraft) -> Rotated:
        """Set or rotate the secret. `Invalid` at /secret or /overlapSeconds."""
        checks = FieldChecks()
        if draft.secret is UNSET:
            generated = secret = new_secret()
        else:
            generated, secret = None, draft.secret
            checks.run(check_secret, secret, None)
        if not 0 <= draft.overlap_seconds <= MAX_OVERLAP:
            checks.refuse(
                "/overlapSeconds",
                f"`overlapSeconds` is 0 (no overlap) to {MAX_OVERLAP} (30 days).",
            )
        checks.done()
        ends_at = await self._storage.set_secret(
            organization, webhook_id, secret, draft.overlap_seconds
        )
        self._signals.webhook_changed(webhook_id)
        return Rotated(secret=generated, overlap_ends_at=ends_at)

    async def remove_secret(self, organization: str, webhook_id: str) -> None:
        """Send unsigned requests from now on. `NotFound` without such a webhook."""
        await self._storage.set_secret(organization, webhook_id, None, 0)
        self._signals.webhook_changed(webhook_id)

    async def send_test(self, webhook: Webhook, event: str | None) -> str:
        """Send a sample event, once, whatever the webhook's status; the delivery's id.

        Without an event, the first one the webhook subscribes to. `Invalid` at /event.
        """
        if event is None:
            first = webhook.events[0]
            name = self._catalog.names[0] if first == ALL_EVENTS else first
        else:
            name = check_event(self._catalog, event)
        organization = webhook.organization
        test = NewEvent(
            id=self._ids.new("evt"),
            organization=organization,
            name=name,
            body=self._catalog.example_body(name, organization, rfc3339(self._clock.now_ms())),
        )
        accepted = await self._intake.send_test(test, webhook.id)
        self._signals.work_requested(webhook.id)
        if accepted.leased:
            return accepted.leased[0].id
        stored = await self._storage.event(organization, test.id)
        if stored is None or not stored.deliveries:
            raise _no_webhook(webhook.id)
        return stored.deliveries[0].id


def _no_webhook(webhook_id: str) -> NotFound:
    return NotFound(f"There is no webhook {webhook_id} here; perhaps it was deleted.")
