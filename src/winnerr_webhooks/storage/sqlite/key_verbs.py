"""The verbs of API keys."""

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.storage.sqlite.threads import Threads
from winnerr_webhooks.storage.values import ApiKey


class KeyVerbs:
    """A part of `SqliteStorage`; see the port for what each verb promises."""

    _threads: Threads
    _clock: Clock

    async def create_key(self, key: ApiKey, key_hash: bytes) -> None:
        """Store a key by its SHA-256."""
        row = (key.id, key.name, key.organization, key.created_at, key.revoked_at, key_hash)
        await self._threads.write(lambda db: db.run("add_key", row))

    async def keys(self) -> list[ApiKey]:
        """All keys, oldest first."""
        return [_key(row) for row in await self._threads.read(lambda db: db.rows("list_keys"))]

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke a key."""
        return await self._threads.write(
            lambda db: db.run("revoke_key", (self._clock.now_ms(), key_id)) > 0
        )

    async def key_by_hash(self, key_hash: bytes, *, aside: bool = False) -> ApiKey | None:
        """The key of this SHA-256 that still works."""
        read = self._threads.read if aside else self._threads.read_for_road
        row = await read(lambda db: db.row("find_key", (key_hash,)))
        return None if row is None else _key(row)


def _key(row: tuple[str, str, str | None, int, int | None]) -> ApiKey:
    id_, name, organization, created_at, revoked_at = row
    return ApiKey(
        id=id_,
        name=name,
        organization=organization,
        created_at=created_at,
        revoked_at=revoked_at,
    )
