"""The verbs of webhooks, their secrets, replays and jobs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from winnerr_webhooks.domain.webhook import Target, Webhook
from winnerr_webhooks.storage.postgres import jobs, webhooks
from winnerr_webhooks.storage.postgres.verbs import Verbs
from winnerr_webhooks.storage.secrets import opened, sealed
from winnerr_webhooks.storage.values import NewWebhook, ReplayFilter, WebhookChange

JOB_SECONDS: Final = 5.0
_JOBS: Final = (
    "SET LOCAL statement_timeout = '4500ms';"
    # A slice that a crash takes back is run again, from the same place: nobody waits for the disk.
    "SET LOCAL synchronous_commit = off;"
    # A slice is the next rows of an index: to gather all rows there are and sort them takes longer
    # the more there are, whatever their number was when the plan was made.
    "SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;"
)
START_SECONDS: Final = 60.0
_START: Final = "SET LOCAL statement_timeout = '55s';"


class WebhookVerbs(Verbs):
    """A part of `PostgresStorage`; see the port for what each verb promises."""

    _lower_lanes: Callable[[Mapping[str, int]], Awaitable[None]]
    """Of the part that is the road."""

    # --- webhooks -----------------------------------------------------------------------------

    async def create_webhook(self, new: NewWebhook, limit: int) -> Webhook:
        """Store a webhook, live from then on."""
        secret = sealed(self._keyring, new.secret, new.id)
        now = self._clock.now_ms()
        return await self._write(lambda db: webhooks.create(db, new, secret, limit, now))

    async def webhooks(self, organization: str) -> list[Webhook]:
        """All webhooks of an organization."""
        now = self._clock.now_ms()
        return await self._read_for(organization, lambda db: webhooks.all_of(db, organization, now))

    async def webhook(self, organization: str, webhook_id: str) -> Webhook | None:
        """One webhook."""
        now = self._clock.now_ms()
        return await self._read_for(
            organization, lambda db: webhooks.get(db, organization, webhook_id, now)
        )

    async def change_webhook(
        self,
        organization: str,
        webhook_id: str,
        change: WebhookChange,
        *,
        replay_cancelled: bool = False,
    ) -> Webhook | None:
        """Apply a change."""
        now = self._clock.now_ms()
        return await self._write(
            lambda db: webhooks.change(
                db, organization, webhook_id, change, now, replay_cancelled=replay_cancelled
            )
        )

    async def delete_webhook(self, organization: str, webhook_id: str) -> bool:
        """Delete a webhook; its log stays."""
        now = self._clock.now_ms()
        return await self._write(lambda db: webhooks.delete(db, organization, webhook_id, now))

    async def secrets(self, organization: str, webhook_id: str) -> tuple[str | None, str | None]:
        """The signing secret and the one that follows it."""
        now = self._clock.now_ms()
        held = await self._read_for(
            organization, lambda db: webhooks.secrets(db, organization, webhook_id, now)
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
        now = self._clock.now_ms()
        return await self._write(
            lambda db: webhooks.set_secret(
                db, organization, webhook_id, stored, overlap_seconds=overlap_seconds, now=now
            )
        )

    async def check_secrets(self) -> None:
        """See that the keys open every stored secret; `ConfigurationError` when not."""
        await self._aside.transact(
            lambda db: webhooks.check_secrets(db, self._keyring),
            seconds=START_SECONDS,
            settings=_START,
        )

    async def targets(self, webhook_ids: Sequence[str]) -> list[Target]:
        """What lanes need to send."""
        now = self._clock.now_ms()
        return await self._road.transact(
            lambda db: webhooks.targets(db, webhook_ids, self._keyring, now)
        )

    async def changed_webhooks(self, since: int) -> tuple[int, list[str]]:
        """Webhooks changed after a mark, and the new mark."""
        return await self._road.transact(lambda db: webhooks.changed(db, since))

    # --- replays and jobs ---------------------------------------------------------------------

    async def replay(self, organization: str, delivery_id: str) -> str:
        """Ask for one more attempt."""
        now = self._clock.now_ms()
        webhook_id = await self._write(lambda db: jobs.replay(db, organization, delivery_id, now))
        await self._lower_lanes({webhook_id: now})
        return webhook_id

    async def replay_many(self, query: ReplayFilter, *, dry_run: bool) -> int:
        """How many deliveries match; unless `dry_run`, a job that replays them."""
        count = await self._search(query.organization, lambda db: jobs.count_matching(db, query))
        if count and not dry_run:
            now = self._clock.now_ms()
            await self._write(lambda db: jobs.enqueue(db, query, now))
        return count

    async def run_job_slice(self) -> bool:
        """One slice of the job whose turn it is."""
        now = self._clock.now_ms()
        ran = await self._aside.transact(
            lambda db: jobs.run_slice(db, now), seconds=JOB_SECONDS, settings=_JOBS
        )
        await self._lower_lanes(ran.due)
        return ran.found
