"""The verbs of API keys."""

from winnerr_webhooks.storage.postgres.database import Row
from winnerr_webhooks.storage.postgres.text import storable
from winnerr_webhooks.storage.postgres.verbs import Verbs
from winnerr_webhooks.storage.values import ApiKey


class KeyVerbs(Verbs):
    """A part of `PostgresStorage`; see the port for what each verb promises."""

    async def create_key(self, key: ApiKey, key_hash: bytes) -> None:
        """Store a key by its SHA-256."""
        row = (key.id, storable(key.name), key.organization, key.created_at, key.revoked_at)
        await self._write(lambda db: db.run("add_key", *row, key_hash))

    async def keys(self) -> list[ApiKey]:
        """All keys, oldest first."""
        return [_key(row) for row in await self._read(lambda db: db.rows("list_keys"))]

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke a key."""
        now = self._clock.now_ms()
        return await self._write(lambda db: db.run("revoke_key", now, storable(key_id))) > 0

    async def key_by_hash(self, key_hash: bytes, *, aside: bool = False) -> ApiKey | None:
        """The key of this SHA-256 that still works."""
        # A slow page must not keep callers waiting whose keys are known to work.
        database = self._aside if aside else self._road
        row = await database.transact(lambda db: db.row("find_key", key_hash))
        return None if row is None else _key(row)


def _key(row: Row) -> ApiKey:
    id_, name, organization, created_at, revoked_at = row
    return ApiKey(
        id=id_,
        name=name,
        organization=organization,
        created_at=created_at,
        revoked_at=revoked_at,
    )
