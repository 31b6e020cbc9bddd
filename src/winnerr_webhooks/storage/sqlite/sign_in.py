"""Sign-in links and sessions of the settings page."""

from typing import Any

from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.values import Grant


def add_link(db: Connection, link: Grant, link_hash: bytes) -> None:
    """Store a link; see `Storage.create_link`."""
    db.run("add_link", (link_hash, link.organization, link.role, link.user, link.expires_at))


def link(db: Connection, link_hash: bytes, now: int) -> Grant | None:
    """What a link would grant; see `Storage.link`."""
    return _grant(db.row("find_link", (link_hash, now)))


def consume(
    db: Connection, link_hash: bytes, session_hash: bytes, expires_at: int, now: int
) -> Grant | None:
    """Turn a link into a session; see `Storage.consume_link`."""
    taken = _grant(db.row("take_link", (link_hash,)))
    if taken is None or taken.expires_at <= now:
        return None
    values = (session_hash, taken.organization, taken.role, taken.user, expires_at)
    db.run("add_session", values)
    return _grant(values[1:])


def session(db: Connection, session_hash: bytes, now: int) -> Grant | None:
    """Who is signed in; see `Storage.session`."""
    return _grant(db.row("find_session", (session_hash, now)))


def end(db: Connection, session_hash: bytes) -> None:
    """Sign out; see `Storage.end_session`."""
    db.run("end_session", (session_hash,))


def _grant(row: Any) -> Grant | None:
    if row is None:
        return None
    organization, role, user, expires_at = row
    return Grant(organization=organization, role=role, user=user, expires_at=expires_at)
