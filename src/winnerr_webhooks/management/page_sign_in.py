"""Sign-in to the settings page: one-time links, and the sessions that they start.

Links and sessions are random tokens. Only the SHA-256 of a token is stored.
"""

from typing import Final

import msgspec

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.crypto import hash_key
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.ids import new_token
from winnerr_webhooks.management.field_checks import FieldChecks, check_any_organization
from winnerr_webhooks.management.page_options import PAGE
from winnerr_webhooks.storage.port import SignIn
from winnerr_webhooks.storage.values import Grant, PageOptions

LINK_SECONDS: Final = 600
"""How long a link can be used."""
SESSION_SECONDS: Final = 8 * 3600
"""How long a session lasts."""
ADMIN: Final = "admin"
VIEWER: Final = "viewer"
ROLES: Final = (ADMIN, VIEWER)
MAX_USER: Final = 100


class NewLink(msgspec.Struct, frozen=True, kw_only=True):
    """A new link. Its token is not stored, so the URL is known only here."""

    url: str
    expires_at: int
    """Wall-clock time in milliseconds."""

    def __repr__(self) -> str:
        """Leave the link out."""
        return f"NewLink(expires_at={self.expires_at})"


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """A new session. Its token is not stored, so it is known only here."""

    token: str
    grant: Grant

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"NewSession({self.grant})"


class PageSignIn:
    """Implements `login-link`, `portal-sessions`, and the sign-in of the page itself."""

    def __init__(self, *, storage: SignIn, clock: Clock, public_url: str) -> None:
        self._storage = storage
        self._clock = clock
        self._page = public_url + PAGE

    async def create_link(
        self,
        organization: str,
        role: str = ADMIN,
        user: str | None = None,
        *,
        page: PageOptions | None = None,
        checks: FieldChecks | None = None,
    ) -> NewLink:
        """Create a link that signs in the first person who opens it, within ten minutes.

        Raises `Invalid` at /organizationId, /role or /user, and with what `checks` has already
        found wrong.
        """
        checks = checks or FieldChecks()
        checks.run(check_any_organization, organization, "")
        checks.run(_check_role, role, "")
        user = checks.run(_check_user, user, None)
        checks.done()
        token = new_token()
        expires_at = self._clock.now_ms() + LINK_SECONDS * 1000
        grant = Grant(
            organization=organization,
            role=role,
            user=user,
            expires_at=expires_at,
            page=page or PageOptions(),
        )
        await self._storage.create_link(grant, hash_key(token))
        return NewLink(url=f"{self._page}/sign-in/{token}", expires_at=expires_at)

    async def peek_link(self, token: str) -> Grant | None:
        """Return what a link grants, without using it; None if it was used, expired or unknown."""
        return await self._storage.link(hash_key(token))

    async def use_link(self, token: str) -> NewSession | None:
        """Use a link and start a session of eight hours; None in the same cases as `peek_link`."""
        session = new_token()
        grant = await self._storage.consume_link(
            hash_key(token), hash_key(session), SESSION_SECONDS
        )
        return None if grant is None else NewSession(token=session, grant=grant)

    async def session(self, token: str) -> Grant | None:
        """Return what a session grants; None if it has ended."""
        return await self._storage.session(hash_key(token))

    async def end(self, token: str) -> None:
        """End a session (sign out)."""
        await self._storage.end_session(hash_key(token))


def _check_role(role: str) -> str:
    if role not in ROLES:
        raise Invalid.field("/role", f"`role` must be {' or '.join(ROLES)}.")
    return role


def _check_user(user: str | None) -> str | None:
    if user is None or not (user := user.strip()):
        return None
    if len(user) > MAX_USER or not user.isprintable():
        raise Invalid.field("/user", f"`user` is a name of up to {MAX_USER} printable characters.")
    return user
