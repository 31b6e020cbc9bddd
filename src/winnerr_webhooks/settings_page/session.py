"""Who is there: session cookie, role, CSRF token, and where a change may come from.

Two ways in. With a sign-in link the browser holds a session cookie. A CRM that embeds the page
passes `identify`, which maps its own signed-in user to an `Identity`; the browser then holds a
random cookie of ours only for the CSRF token to be bound to.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import Forbidden
from winnerr_webhooks.ids import new_token
from winnerr_webhooks.management.page_sign_in import ADMIN, SESSION_SECONDS, PageSignIn

SESSION_COOKIE: Final = "winnerr_webhooks_session"
SEED_COOKIE: Final = "winnerr_webhooks_csrf"
_CSRF_PURPOSE: Final = b"winnerr-webhooks settings page csrf"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whom an embedding CRM has signed in itself."""

    organization: str
    """1 to 64 of `A-Z a-z 0-9 _ -`, as in the API."""
    role: str = "viewer"
    """`admin` or `viewer`."""
    user: str | None = None
    """A name to show."""


Identify = Callable[[Mapping[str, Any]], Awaitable[Identity | None]]
"""From an ASGI scope to who is asking; None: nobody this CRM knows, so a session is looked for."""


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for a page, and what their forms have to carry."""

    organization: str
    role: str
    user: str | None
    csrf: str
    session: str | None
    """The session's token; None when an embedding CRM vouches."""
    new_seed: str | None = None
    """A cookie to set with this answer."""

    def __repr__(self) -> str:
        """Without tokens."""
        return f"Visitor({self.organization}, {self.role}, {self.user!r})"

    @property
    def is_admin(self) -> bool:
        """Whether secrets, tests, replays and changes are theirs."""
        return self.role == ADMIN


class Gate:
    """Decides who gets in, and which cookies that takes."""

    def __init__(
        self, config: Config, sign_in: PageSignIn, identify: Identify | None = None
    ) -> None:
        public = urlsplit(config.public_url)
        self._sign_in = sign_in
        self._identify = identify
        self._origin = f"{public.scheme}://{public.netloc}"
        self._embedded = bool(config.frame_ancestors)
        # A cookie that other sites' frames shall carry has to be Secure (RFC 6265bis, 5.7).
        self._secure = public.scheme == "https" or self._embedded
        # "__Host-": no other host of the domain can have set it (RFC 6265bis, 4.1.3.2).
        self._prefix = "__Host-" if self._secure else ""

    async def visitor(self, scope: Mapping[str, Any]) -> Visitor | None:
        """Who asks; None: nobody signed in."""
        cookies = self._cookies(scope)
        if self._identify is not None:
            identity = await self._identify(scope)
            if identity is not None:
                seed = cookies.get(self._prefix + SEED_COOKIE)
                fresh = None if seed else new_token()
                return Visitor(
                    organization=identity.organization,
                    role=identity.role,
                    user=identity.user,
                    csrf=_csrf(seed or fresh or ""),
                    session=None,
                    new_seed=fresh,
                )
        token = cookies.get(self._prefix + SESSION_COOKIE)
        grant = await self._sign_in.session(token) if token else None
        if token is None or grant is None:
            return None
        return Visitor(
            organization=grant.organization,
            role=grant.role,
            user=grant.user,
            csrf=_csrf(token),
            session=token,
        )

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Refuse a change that another site's page asks for.

        `Referrer-Policy: no-referrer` makes browsers send `Origin: null` with our own forms
        (Fetch, "append a request Origin header"), so `Sec-Fetch-Site` speaks first.
        """
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin", "null")
        own = {self._origin, *(f"{scheme}://{headers.get('host')}" for scheme in ("http", "https"))}
        allowed = site == "same-origin" if site is not None else origin in {"null", *own}
        if not allowed:
            raise Forbidden(
                "This change was asked for by a page of another site. Open the settings page "
                "itself and try again there."
            )

    def check_csrf(self, visitor: Visitor, token: str) -> None:
        """Refuse a form that was not made for this visitor."""
        if not hmac.compare_digest(visitor.csrf.encode(), token.encode()):
            raise Forbidden(
                "This form is out of date: you signed in again since it was opened. Reload the "
                "page and try once more."
            )

    def session_cookie(self, token: str) -> str:
        """The Set-Cookie value that starts a session."""
        return self._set(SESSION_COOKIE, token, SESSION_SECONDS)

    def seed_cookie(self, seed: str) -> str:
        """The Set-Cookie value that a CSRF token is bound to where no session is."""
        return self._set(SEED_COOKIE, seed, SESSION_SECONDS)

    def no_session_cookie(self) -> str:
        """The Set-Cookie value that ends a session."""
        return self._set(SESSION_COOKIE, "", 0)

    def _set(self, name: str, value: str, seconds: int) -> str:
        site = "None" if self._embedded else "Lax"
        parts = [f"{self._prefix}{name}={value}", "Path=/", f"Max-Age={seconds}", "HttpOnly"]
        parts.append(f"SameSite={site}")
        if self._secure:
            parts.append("Secure")
        if self._embedded:
            parts.append("Partitioned")
        return "; ".join(parts)

    def _cookies(self, scope: Mapping[str, Any]) -> dict[str, str]:
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        text = ";".join(value.decode("latin-1") for name, value in headers if name == b"cookie")
        pairs = (pair.strip().partition("=") for pair in text.split(";"))
        return {name: value for name, _, value in pairs}


def _csrf(seed: str) -> str:
    return hmac.new(seed.encode(), _CSRF_PURPOSE, "sha256").hexdigest()
