"""Sign-in links and sessions of the settings page."""

from winnerr_webhooks.storage.postgres.database import Row, Session
from winnerr_webhooks.storage.postgres.text import storable
from winnerr_webhooks.storage.values import Grant


async def add_link(db: Session, link: Grant, link_hash: bytes) -> None:
    """Store a link; see `Storage.create_link`."""
    who = (link.organization, link.role, storable(link.user))
    await db.run("add_link", link_hash, *who, link.expires_at)


async def link(db: Session, link_hash: bytes, now: int) -> Grant | None:
    """What a link would grant; see `Storage.link`."""
    return _grant(await db.row("find_link", link_hash, now))


async def consume(
    db: Session, link_hash: bytes, session_hash: bytes, expires_at: int, now: int
) -> Grant | None:
    """Turn a link into a session; see `Storage.consume_link`."""
    return _grant(await db.row("consume_link", link_hash, session_hash, expires_at, now))


async def session(db: Session, session_hash: bytes, now: int) -> Grant | None:
    """Who is signed in; see `Storage.session`."""
    return _grant(await db.row("find_session", session_hash, now))


async def end(db: Session, session_hash: bytes) -> None:
    """Sign out; see `Storage.end_session`."""
    await db.run("end_session", session_hash)


def _grant(row: Row | None) -> Grant | None:
    if row is None:
        return None
    organization, role, user, expires_at = row
    return Grant(organization=organization, role=role, user=user, expires_at=expires_at)
