"""A webhook's own headers, and how it authenticates to its receiver.

They are secrets: whoever reads a webhook or its log sees `MASK` in their place.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from winnerr_webhooks.domain.client_identity import ClientIdentity
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.url import parse_url

MASK: Final = "•••"
"""Stands for a value that is set. Sent back as a header's value, it keeps that value."""
_AUTHORIZATION: Final = "Authorization"


class BasicAuth(msgspec.Struct, frozen=True, tag="basic"):
    """HTTP Basic (RFC 7617), with UTF-8."""

    username: str
    password: str

    @property
    def value(self) -> str:
        """The value of `Authorization`."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    def __repr__(self) -> str:
        """Leave the password out."""
        return "BasicAuth()"


class BearerAuth(msgspec.Struct, frozen=True, tag="bearer"):
    """A bearer token (RFC 6750, section 2.1)."""

    token: str

    @property
    def value(self) -> str:
        """The value of `Authorization`."""
        return f"Bearer {self.token}"

    def __repr__(self) -> str:
        """Leave the token out."""
        return "BearerAuth()"


class OAuth2Auth(msgspec.Struct, frozen=True, tag="oauth2", omit_defaults=True):
    """A token of an OAuth 2.0 token endpoint, got with client credentials (`domain.oauth2`)."""

    token_url: str
    client_id: str
    client_secret: str
    scope: str | None = None

    def __repr__(self) -> str:
        """Leave the values out."""
        return "OAuth2Auth()"


class MtlsAuth(msgspec.Struct, frozen=True, tag="mtls"):
    """A client certificate, which the TLS handshake shows (`domain.client_identity`)."""

    certificate: str
    private_key: str

    @property
    def identity(self) -> ClientIdentity:
        """What connections are made with."""
        return ClientIdentity.of(self.certificate, self.private_key)

    def __repr__(self) -> str:
        """Leave the key out."""
        return "MtlsAuth()"


Auth = BasicAuth | BearerAuth | OAuth2Auth | MtlsAuth
AUTH_TYPES: Final = ("basic", "bearer", "oauth2", "mtls")


class Credentials(msgspec.Struct, frozen=True, omit_defaults=True):
    """The headers of a webhook by name, and its authentication; all values were checked."""

    headers: dict[str, str] = {}
    auth: Auth | None = None

    def __repr__(self) -> str:
        """Leave the values out."""
        return f"Credentials({', '.join(self.headers)})"

    def __bool__(self) -> bool:
        """Whether anything is set."""
        return bool(self.headers) or self.auth is not None

    @property
    def auth_type(self) -> str | None:
        """One of `AUTH_TYPES`, or None without authentication."""
        return None if self.auth is None else str(self.auth.__struct_config__.tag)

    def lines(self) -> list[tuple[str, str]]:
        """Return (name, value) of each header that is the same in every request.

        The token of OAuth 2.0 is not: see `pipeline.access_tokens`.
        """
        auth = self.auth
        own = [(_AUTHORIZATION, auth.value)] if isinstance(auth, BasicAuth | BearerAuth) else []
        return [*own, *self.headers.items()]

    def changed(
        self,
        headers: Mapping[str, str] | UnsetType = UNSET,
        auth: Auth | UnsetType | None = UNSET,
    ) -> "Credentials":
        """Return the credentials after a change; unset ones stay.

        Raises `Invalid` if a header is to keep a value that it does not have, or if there would be
        two headers `Authorization`.
        """
        new = Credentials(
            headers=self.headers if headers is UNSET else dict(self._merged(headers)),
            auth=self.auth if auth is UNSET else auth,
        )
        twice = [name for name in new.headers if name.lower() == _AUTHORIZATION.lower()]
        if twice and new.auth is not None and not isinstance(new.auth, MtlsAuth):
            raise Invalid.field(
                f"/headers/{twice[0]}",
                "`auth` makes the header Authorization. Remove one of the two.",
            )
        return new

    def check_url(self, url: str) -> None:
        """Raise `Invalid` at /auth if they cannot be sent to this URL."""
        if isinstance(self.auth, MtlsAuth) and not url.lower().startswith("https:"):
            raise Invalid.field(
                "/auth/type",
                Text("A client certificate is shown over https only. Use an https URL."),
            )

    def _merged(self, headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        held = {name.lower(): value for name, value in self.headers.items()}
        for name, value in headers.items():
            if value != MASK:
                yield name, value
            elif name.lower() in held:
                yield name, held[name.lower()]
            else:
                raise Invalid.field(
                    f"/headers/{name}", f"{name} has no value that could be kept. Give its value."
                )


NO_CREDENTIALS: Final = Credentials()


def masked_value(value: str) -> str:
    """Return a header's value as it is shown: the scheme of an `Authorization` stays readable."""
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space and scheme in ("Basic", "Bearer") else MASK


def same_origin(url: str, other: str) -> bool:
    """Whether two valid URLs have the same scheme, host and port (RFC 6454, section 4)."""
    one, two = parse_url(url, allow_http=True), parse_url(other, allow_http=True)
    return (one.scheme, one.host, one.port) == (two.scheme, two.host, two.port)
