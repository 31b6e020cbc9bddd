"""Visitors of the settings page: session cookies, roles, CSRF tokens and origin checks.

A visitor signs in in one of two ways. With a sign-in link, the browser gets a session cookie.
When a product embeds the page, it passes `identify`, which maps the product's signed-in user to an
`Identity`. The browser then gets only a random cookie, to which the CSRF token is bound.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import Forbidden
from winnerr_webhooks.domain.language_choice import choose_language
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.ids import new_token
from winnerr_webhooks.management.page_options import PAGE
from winnerr_webhooks.management.page_sign_in import ADMIN, SESSION_SECONDS, PageSignIn
from winnerr_webhooks.storage.values import Grant, PageOptions

SESSION_COOKIE: Final = "webhooks_session"
ORGANIZATION: Final = "webhooks_organization"
"""The key in the ASGI scope of the organization that the address names."""
MAX_ORGANIZATIONS: Final = 20
"""Organizations in which one browser can have sessions of their own at once."""
CSRF_COOKIE: Final = "webhooks_csrf"
REVEAL_COOKIE: Final = "webhooks_reveal"
REVEAL_SECONDS: Final = 60
_CSRF_PURPOSE: Final = b"settings page csrf"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A user whom the embedding product has signed in."""

    organization: str
    """1 to 64 of `A-Z a-z 0-9 _ -`, as in the API."""
    role: str = "viewer"
    """`admin` or `viewer`."""
    user: str | None = None
    """The name to show."""
    language: str | None = None
    """Their language (BCP 47); None, or one that the page does not have: the browser says it."""


Identify = Callable[[Mapping[str, Any]], Awaitable[Identity | None]]
"""Maps an ASGI scope to the product's user. None: not a user of it; the session cookie decides."""


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """The person who asks for a page, and the CSRF token that their forms must carry."""

    organization: str
    role: str
    user: str | None
    csrf: str
    session: str | None
    """The session's token; None when an embedding product identified the visitor."""
    base: str = PAGE
    """The path that links begin with; `organization_path` says when it is another."""
    page: PageOptions = PageOptions()
    language: str = "en"
    """The tag of the page's language for this visitor."""
    new_csrf_seed: str | None = None
    """The value of the CSRF cookie to set with this answer; None: the browser has one."""

    def __repr__(self) -> str:
        """The visitor without tokens, which must not get into logs."""
        return f"Visitor({self.organization}, {self.role}, {self.user!r})"

    @property
    def is_admin(self) -> bool:
        """Whether the visitor may see secrets, send tests, replay and make changes."""
        return self.role == ADMIN


class VisitorAuth:
    """Finds out who a visitor is, checks their forms and builds their cookies."""

    def __init__(
        self, config: Config, sign_in: PageSignIn, identify: Identify | None = None
    ) -> None:
        public = urlsplit(config.public_url)
        self._sign_in = sign_in
        self._identify = identify
        self._origin = f"{public.scheme}://{public.netloc}"
        self._embedded = bool(config.frame_ancestors)
        self._default_language = config.default_language
        # Browsers send a cookie in another site's frame only when it is Secure (RFC 6265bis, 5.7).
        self._secure = public.scheme == "https" or self._embedded
        # With "__Host-", other hosts of the domain cannot set this cookie (RFC 6265bis, 4.1.3.2).
        self._prefix = "__Host-" if self._secure else ""

    async def visitor(self, scope: Mapping[str, Any]) -> Visitor | None:
        """The visitor of a request; None when nobody is signed in.

        At an address of an organization only a visitor of that organization counts.
        """
        organization = scope.get(ORGANIZATION)
        found = await self._visitor(scope, organization)
        if found is None or organization not in (None, found.organization):
            return None
        language = self.language(scope, found.page.language)
        base = PAGE if organization is None else organization_path(organization)
        return msgspec.structs.replace(found, base=base, language=language)

    def language(self, scope: Mapping[str, Any], asked: str | None = None) -> str:
        """The tag of the page's language for a request; `asked` is the tag of a sign-in link."""
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        accepted = (value for name, value in headers if name == b"accept-language")
        return choose_language(asked, b",".join(accepted).decode("latin-1"), self._default_language)

    async def _visitor(self, scope: Mapping[str, Any], organization: str | None) -> Visitor | None:
        cookies = self._cookies(scope)
        if self._identify is not None:
            identity = await self._identify(scope)
            if identity is not None:
                seed = cookies.get(self._prefix + CSRF_COOKIE)
                new_seed = None if seed else new_token()
                return Visitor(
                    organization=identity.organization,
                    role=identity.role,
                    user=identity.user,
                    csrf=_csrf(seed or new_seed or ""),
                    session=None,
                    page=PageOptions(language=identity.language),
                    new_csrf_seed=new_seed,
                )
        for name in self._session_cookies(cookies, organization):
            token = cookies.get(name)
            grant = await self._sign_in.session(token) if token else None
            if token is not None and grant is not None:
                return _visitor(grant, token)
        return None

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Refuse a change that a page of another site asks for; raises `Forbidden`.

        `Referrer-Policy: no-referrer` makes browsers send `Origin: null` with our own forms
        (Fetch, "append a request Origin header"), so `Sec-Fetch-Site` decides where it is sent.
        """
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin", "null")
        own = {self._origin, *(f"{scheme}://{headers.get('host')}" for scheme in ("http", "https"))}
        allowed = site == "same-origin" if site is not None else origin in {"null", *own}
        if not allowed:
            raise Forbidden(
                Text(
                    "A page of another site sent this form. Open the settings page itself and try "
                    "again there."
                )
            )

    def check_csrf(self, visitor: Visitor, token: str) -> None:
        """Refuse a form that was not made for this visitor; raises `Forbidden`."""
        if not hmac.compare_digest(visitor.csrf.encode(), token.encode()):
            raise Forbidden(
                Text(
                    "This form is out of date because you signed in again after you opened it. "
                    "Reload the page and try again."
                )
            )

    def session_cookie(self, token: str, organization: str | None = None) -> str:
        """The Set-Cookie value that starts a session, also one beside the browser's first."""
        return self._cookie(_session_cookie(organization), token, SESSION_SECONDS)

    def replaced_sessions(
        self, scope: Mapping[str, Any], organization: str | None
    ) -> Iterable[tuple[str, str | None]]:
        """The sessions that a new cookie ends, each with the Set-Cookie value that takes it away.

        That is the one of the cookie itself, and the oldest of a browser that has too many:
        proxies refuse a request whose cookies are larger than about 8 KiB.
        """
        cookies = self._cookies(scope)
        name = self._prefix + _session_cookie(organization)
        if name in cookies:
            yield cookies[name], None
        if organization is not None:
            # Browsers send the oldest first (RFC 6265, section 5.4).
            own = [one for one in cookies if one.startswith(f"{self._prefix}{SESSION_COOKIE}.")]
            others = [one for one in own if one != name]
            for one in others[: max(len(others) + 1 - MAX_ORGANIZATIONS, 0)]:
                yield cookies[one], self._cookie(one.removeprefix(self._prefix), "", 0)

    def csrf_cookie(self, seed: str) -> str:
        """The Set-Cookie value to which the CSRF token is bound when there is no session."""
        return self._cookie(CSRF_COOKIE, seed, SESSION_SECONDS)

    def reveal_cookie(self, visitor: Visitor, webhook_id: str) -> str:
        """The Set-Cookie value that shows a webhook's secret on the next page, once."""
        return self._cookie(REVEAL_COOKIE, _reveal(visitor, webhook_id), REVEAL_SECONDS)

    def takes_reveal(self, scope: Mapping[str, Any], visitor: Visitor, webhook_id: str) -> bool:
        """Whether a request is the one for which `reveal_cookie` was set."""
        sent = self._cookies(scope).get(self._prefix + REVEAL_COOKIE, "")
        return hmac.compare_digest(sent.encode(), _reveal(visitor, webhook_id).encode())

    def used_reveal_cookie(self) -> str:
        """The Set-Cookie value after which a reload does not show the secret again."""
        return self._cookie(REVEAL_COOKIE, "", 0)

    def expired_session_cookie(self, scope: Mapping[str, Any]) -> str:
        """The Set-Cookie value that ends the session of a request."""
        name = _session_cookie(scope.get(ORGANIZATION))
        sent = self._cookies(scope)
        return self._cookie(name if self._prefix + name in sent else SESSION_COOKIE, "", 0)

    def _session_cookies(
        self, cookies: Mapping[str, str], organization: str | None
    ) -> Iterable[str]:
        """Names of the cookies that count at an address, the first that has a session first.

        The plain address takes an organization's own session only if there is no other one.
        """
        plain = self._prefix + SESSION_COOKIE
        if organization is not None:
            return self._prefix + _session_cookie(organization), plain
        own = [name for name in cookies if name.startswith(f"{plain}.")]
        return (plain, *own) if len(own) == 1 else (plain,)

    def _cookie(self, name: str, value: str, seconds: int) -> str:
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


def _visitor(grant: Grant, token: str) -> Visitor:
    return Visitor(
        organization=grant.organization,
        role=grant.role,
        user=grant.user,
        csrf=_csrf(token),
        session=token,
        page=grant.page,
    )


def organization_path(organization: str) -> str:
    """The page's address for one organization.

    A browser sends all cookies of a host, so only the address can tell two organizations apart
    that are open in two tabs. Links that sign in by themselves lead here, and so does one of
    another organization than the browser has already; others keep the plain address.
    """
    return f"{PAGE}/@{organization}"


def _session_cookie(organization: str | None) -> str:
    return f"{SESSION_COOKIE}.{organization}" if organization else SESSION_COOKIE


def _reveal(visitor: Visitor, webhook_id: str) -> str:
    message = f"reveal {visitor.organization} {webhook_id}".encode()
    return hmac.new(visitor.csrf.encode(), message, "sha256").hexdigest()


def _csrf(seed: str) -> str:
    return hmac.new(seed.encode(), _CSRF_PURPOSE, "sha256").hexdigest()
