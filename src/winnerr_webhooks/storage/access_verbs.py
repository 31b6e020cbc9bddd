"""The verbs of API keys and of sign-in to the settings page."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import asdict, replace

from winnerr_webhooks.domain import activity
from winnerr_webhooks.domain.activity import Actor
from winnerr_webhooks.storage.acting import ActivityRecorder
from winnerr_webhooks.storage.database_session import Session, struct_of
from winnerr_webhooks.storage.values import ApiKey, Grant, PageOptions
from winnerr_webhooks.storage.verb_base import VerbBase

_page_options: Final = msgspec.json.Decoder(PageOptions)


class KeyVerbs(VerbBase):
    """`storage.port.Keys`; see there for what each verb promises."""

    async def create_key(self, key: ApiKey, key_hash: bytes) -> None:
        """Store a key by its SHA-256."""
        recorder = self._recorder()

        async def create(db: Session) -> None:
            await db.execute("add_key", **asdict(key), hash=key_hash)
            if key.organization is not None:  # a service key is of no organization
                await recorder.record(
                    db, key.organization, activity.KEY_CREATED, subject=key.id, name=key.name
                )

        await self._write(create)

    async def keys(self) -> list[ApiKey]:
        """Return all keys, oldest first."""
        rows = await self._read(lambda db: db.fetch("list_keys"))
        return [struct_of(ApiKey, row) for row in rows]

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke a key."""
        recorder = self._recorder()
        now = self._clock.now_ms()
        return await self._write(lambda db: _revoke(db, key_id, now, recorder))

    async def key_by_hash(self, key_hash: bytes, *, aside: bool = False) -> ApiKey | None:
        """Return the key of this SHA-256 that still works."""
        # A slow page must not keep callers waiting whose keys are known to work.
        read = self._read if aside else self._read_for_road
        row = await read(lambda db: db.fetch_row("find_key", hash=key_hash))
        return None if row is None else struct_of(ApiKey, row)


class SignInVerbs(VerbBase):
    """`storage.port.SignIn`; see there for what each verb promises."""

    async def create_link(self, link: Grant, link_hash: bytes) -> None:
        """Store a one-time link."""
        await self._write(lambda db: _add(db, "add_link", link, link_hash))

    async def link(self, link_hash: bytes) -> Grant | None:
        """Return what a link grants."""
        return await self._look_up_grant("find_link", link_hash)

    async def consume_link(
        self, link_hash: bytes, session_hash: bytes, session_seconds: int
    ) -> Grant | None:
        """Use a link up and start its session."""
        now = self._clock.now_ms()
        ends_at = now + session_seconds * 1000
        recorder = self._recorder()
        return await self._write(
            lambda db: _consume(
                db, link_hash, session_hash, ends_at=ends_at, now=now, recorder=recorder
            )
        )

    async def session(self, session_hash: bytes) -> Grant | None:
        """Return what a session grants."""
        return await self._look_up_grant("find_session", session_hash)

    async def end_session(self, session_hash: bytes) -> None:
        """Sign out."""
        await self._write(lambda db: db.execute("end_session", hash=session_hash))

    async def _look_up_grant(self, statement: str, hash_: bytes) -> Grant | None:
        now = self._clock.now_ms()
        row = await self._look_up(lambda db: db.fetch_row(statement, hash=hash_, now=now))
        return None if row is None else _grant(row)


async def _revoke(db: Session, key_id: str, now: int, recorder: ActivityRecorder) -> bool:
    if not await db.execute("revoke_key", now=now, id=key_id):
        return False
    name, organization = await db.fetch_row("key_named", id=key_id)
    if organization is not None:
        await recorder.record(db, organization, activity.KEY_REVOKED, subject=key_id, name=name)
    return True


async def _consume(
    db: Session,
    link_hash: bytes,
    session_hash: bytes,
    *,
    ends_at: int,
    now: int,
    recorder: ActivityRecorder,
) -> Grant | None:
    row = await db.fetch_row("take_link", hash=link_hash)
    if row is None:
        return None
    link = _grant(row)
    if link.expires_at <= now:
        return None
    session = replace(link, expires_at=ends_at)
    await _add(db, "add_session", session, session_hash)
    # Who signs in is known only now; where they come from was known before.
    who = Actor(kind=activity.USER, name=link.user, address=recorder.actor.address)
    await recorder._replace(actor=who).record(
        db, link.organization, activity.SIGNED_IN, role=link.role
    )
    return session


async def _add(db: Session, statement: str, grant: Grant, hash_: bytes) -> None:
    options = msgspec.json.encode(grant.page).decode()
    await db.execute(statement, **asdict(grant), hash=hash_, page_options=options)


def _grant(row: Sequence[Any]) -> Grant:
    *fields, options = row  # NULL: a program that did not know them yet
    page = _page_options.decode(options) if options else PageOptions()
    return struct_of(Grant, fields, page=page)
