"""The verbs that only the settings page and its sign-in use."""

from winnerr_webhooks.storage.sqlite import sign_in, states
from winnerr_webhooks.storage.sqlite.verbs import Verbs
from winnerr_webhooks.storage.values import Grant, WebhookState


class PageVerbs(Verbs):
    """A part of `SqliteStorage`; see the port for what each verb promises."""

    async def webhook_states(self, organization: str) -> list[WebhookState]:
        """How each webhook stands."""
        return await self._read_for(organization, lambda db: states.states(db, organization))

    async def cancelled(self, organization: str, webhook_id: str) -> int:
        """How many of its deliveries are cancelled."""
        return await self._read_for(
            organization, lambda db: states.cancelled(db, organization, webhook_id)
        )

    async def create_link(self, link: Grant, link_hash: bytes) -> None:
        """Store a one-time link."""
        await self._threads.write(lambda db: sign_in.add_link(db, link, link_hash))

    async def link(self, link_hash: bytes) -> Grant | None:
        """What a link grants."""
        now = self._clock.now_ms()
        return await self._threads.read_for_road(lambda db: sign_in.link(db, link_hash, now))

    async def consume_link(
        self, link_hash: bytes, session_hash: bytes, session_seconds: int
    ) -> Grant | None:
        """Use a link up and start its session."""
        now = self._clock.now_ms()
        expires_at = now + session_seconds * 1000
        return await self._threads.write(
            lambda db: sign_in.consume(db, link_hash, session_hash, expires_at, now)
        )

    async def session(self, session_hash: bytes) -> Grant | None:
        """What a session grants."""
        now = self._clock.now_ms()
        # Every page asks, and nobody else's pages shall keep it waiting.
        return await self._threads.read_for_road(lambda db: sign_in.session(db, session_hash, now))

    async def end_session(self, session_hash: bytes) -> None:
        """Sign out."""
        await self._threads.write(lambda db: sign_in.end(db, session_hash))
