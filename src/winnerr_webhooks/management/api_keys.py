"""Creates, lists and revokes API keys. A key is shown once; only its hash is stored."""

import msgspec

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.crypto import hash_key
from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.ids import Ids, new_api_key
from winnerr_webhooks.management.field_checks import FieldChecks, check_key_name, check_organization
from winnerr_webhooks.storage.port import Keys
from winnerr_webhooks.storage.values import ApiKey


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new API key. Its `secret` is not stored, so it is known only here."""

    key: ApiKey
    secret: str

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"NewKey({self.key.id})"


class ApiKeys:
    """Implements the commands `keys create`, `keys list` and `keys revoke`."""

    def __init__(self, storage: Keys, clock: Clock, ids: Ids) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids

    async def create(self, name: str, organization: str | None = None) -> NewKey:
        """Create a key that works at once; without an organization it is a service key.

        Raises `Invalid` at /name or /organizationId.
        """
        checks = FieldChecks()
        name = checks.run(check_key_name, name, "")
        if organization is not None:
            checks.run(check_organization, organization, "")
        checks.done()
        secret = new_api_key()
        key = ApiKey(
            id=self._ids.new("key"),
            name=name,
            organization=organization,
            created_at=self._clock.now_ms(),
            revoked_at=None,
        )
        await self._storage.create_key(key, hash_key(secret))
        return NewKey(key=key, secret=secret)

    async def list(self) -> list[ApiKey]:
        """Return all keys, including revoked ones, oldest first."""
        return await self._storage.keys()

    async def revoke(self, key_id: str) -> None:
        """Revoke a key; it stops working within 5 s. Raises `NotFound` if it is not in use."""
        if not await self._storage.revoke_key(key_id):
            raise NotFound(f"There is no key {key_id} in use; `keys list` shows all keys.")
