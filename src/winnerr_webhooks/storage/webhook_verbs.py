"""The verbs of webhooks and their secrets, of replays, and of what lanes send to."""

from collections.abc import Collection, Sequence

from winnerr_webhooks.domain import activity
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.domain.webhook import Target, Webhook
from winnerr_webhooks.storage import (
    accepting,
    jobs,
    recorded_changes,
    replays,
    skips,
    webhook_queries,
    webhook_states,
)
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.job_selection import count_matching, replay_progress
from winnerr_webhooks.storage.road_values import LeaseTerms
from winnerr_webhooks.storage.sealed_secrets import opened, sealed
from winnerr_webhooks.storage.values import (
    NewWebhook,
    ReplayFilter,
    ReplayProgress,
    WebhookChange,
    WebhookState,
)
from winnerr_webhooks.storage.verb_base import VerbBase
from winnerr_webhooks.storage.webhook_columns import new_columns, signing_column


class WebhookVerbs(VerbBase):
    """`storage.port.Webhooks`, `Log.replay`, `skip` and `replay_many`, and three verbs of `Road`.

    These three are `send_test`, `targets` and `changed_webhooks`. See `storage.port` for what each
    verb promises. Each reads the clock when it runs, so that instants follow the order of commits.
    """

    async def create_webhook(self, new: NewWebhook, limit: int) -> Webhook:
        """Store a webhook, live from then on."""
        columns = new_columns(new, self._keyring)
        recorder = self._recorder()
        return await self._write(
            lambda db: recorded_changes.create(
                db, new, columns, limit, now=self._clock.now_ms(), recorder=recorder
            )
        )

    async def webhooks(self, organization: str) -> list[Webhook]:
        """Return all webhooks of an organization."""
        return await self._read_for(
            organization,
            lambda db: webhook_queries.list_webhooks(db, organization, self._clock.now_ms()),
        )

    async def webhook(self, organization: str, webhook_id: str) -> Webhook | None:
        """Return one webhook."""
        return await self._read_for(
            organization,
            lambda db: webhook_queries.get(db, organization, webhook_id, self._clock.now_ms()),
        )

    async def change_webhook(
        self,
        organization: str,
        webhook_id: str,
        change: WebhookChange,
        *,
        versions: Collection[int] | None = None,
        recovery_id: str | None = None,
    ) -> Webhook | None:
        """Apply a change."""
        recorder = self._recorder()
        return await self._write(
            lambda db: recorded_changes.change(
                db,
                organization,
                webhook_id,
                change,
                self._clock.now_ms(),
                versions=versions,
                keyring=self._keyring,
                recovery_id=recovery_id,
                recorder=recorder,
            )
        )

    async def delete_webhook(
        self, organization: str, webhook_id: str, *, versions: Collection[int] | None = None
    ) -> bool:
        """Delete a webhook; its log stays."""
        recorder = self._recorder()
        return await self._write(
            lambda db: recorded_changes.delete(
                db,
                organization,
                webhook_id,
                self._clock.now_ms(),
                versions=versions,
                recorder=recorder,
            )
        )

    async def secrets(self, organization: str, webhook_id: str) -> tuple[str | None, str | None]:
        """Return the signing secret and the one that follows it."""
        held = await self._read_for(
            organization,
            lambda db: webhook_queries.secrets(db, organization, webhook_id, self._clock.now_ms()),
        )
        return (
            opened(self._keyring, held.signing, webhook_id),
            opened(self._keyring, held.following, webhook_id),
        )

    async def set_secret(
        self, organization: str, webhook_id: str, secret: str | None, overlap_seconds: int
    ) -> int | None:
        """Set, rotate or remove the secret."""
        stored = sealed(self._keyring, secret, webhook_id)
        recorder = self._recorder()
        return await self._write(
            lambda db: recorded_changes.set_secret(
                db,
                organization,
                webhook_id,
                stored,
                signing=signing_column(secret),
                overlap_seconds=overlap_seconds,
                now=self._clock.now_ms(),
                recorder=recorder,
            )
        )

    async def send_test(
        self, event: NewEvent, webhook_id: str, lease: LeaseTerms | None
    ) -> Accepted:
        """Store a sample event and its one delivery."""
        terms = self._terms(lease)
        recorder = self._recorder()

        async def send(db: Session) -> Accepted:
            accepted = await accepting.send_test(db, event, webhook_id, terms, self._clock.now_ms())
            await recorder.record(
                db,
                event.organization,
                activity.TEST_SENT,
                webhook=webhook_id,
                subject=event.id,
                event=event.name,
            )
            return accepted

        return await self._write(send)

    async def targets(self, webhook_ids: Sequence[str]) -> list[Target]:
        """Return what lanes need to send."""
        return await self._read_for_road(
            lambda db: webhook_queries.targets(db, webhook_ids, self._keyring, self._clock.now_ms())
        )

    async def changed_webhooks(self, since: int) -> tuple[int, list[str]]:
        """Return webhooks changed after a mark, and the new mark."""
        return await self._read_for_road(lambda db: webhook_queries.changed(db, since))

    async def webhook_states(self, organization: str) -> list[WebhookState]:
        """How each webhook stands."""
        return await self._read_for(
            organization,
            lambda db: webhook_states.webhook_states(db, organization, self._clock.now_ms()),
        )

    async def cancelled(self, organization: str, webhook_id: str) -> int:
        """Return how many of a webhook's deliveries are cancelled."""
        return await self._read_for(
            organization,
            lambda db: webhook_states.count_cancelled(db, organization, webhook_id),
        )

    async def replay(self, organization: str, delivery_id: str) -> str:
        """Ask for one more attempt."""
        recorder = self._recorder()

        async def replay(db: Session) -> str:
            webhook = await replays.replay(db, organization, delivery_id, self._clock.now_ms())
            await recorder.record(
                db, organization, activity.DELIVERY_REPLAYED, webhook=webhook, subject=delivery_id
            )
            return webhook

        return await self._write(replay)

    async def skip(self, organization: str, delivery_id: str) -> str:
        """Cancel a delivery that waits."""
        recorder = self._recorder()

        async def skip(db: Session) -> str:
            webhook = await skips.skip(db, organization, delivery_id, self._clock.now_ms())
            await recorder.record(
                db, organization, activity.DELIVERY_SKIPPED, webhook=webhook, subject=delivery_id
            )
            return webhook

        return await self._write(skip)

    async def replay_many(self, query: ReplayFilter, *, dry_run: bool) -> int:
        """Return how many deliveries match; unless `dry_run`, a job that replays them."""
        count = await self._scan(query.organization, lambda db: count_matching(db, query))
        if dry_run or not count:
            return count
        recorder = self._recorder()

        async def enqueue(db: Session) -> None:
            await jobs.enqueue(db, query, self._clock.now_ms())
            await recorder.record(
                db,
                query.organization,
                activity.DELIVERIES_REPLAYED,
                webhook=query.webhook,
                count=count,
                event=query.event,
            )

        await self._write(enqueue)
        return count

    async def replay_progress(self, query: ReplayFilter) -> ReplayProgress:
        """Return what became of a replay of many."""
        return await self._scan(query.organization, lambda db: replay_progress(db, query))
