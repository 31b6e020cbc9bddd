"""Checks of how a webhook authenticates to its receiver."""

import re
from collections.abc import Callable
from typing import Final

from winnerr_webhooks.domain.credentials import (
    AUTH_TYPES,
    Auth,
    BasicAuth,
    BearerAuth,
    MtlsAuth,
    OAuth2Auth,
)
from winnerr_webhooks.domain.errors import FieldError, Invalid
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.management.certificate_checks import check_identity
from winnerr_webhooks.management.webhook_drafts import AuthDraft

MAX_USERNAME: Final = 255
"""Characters of a username or a client ID."""
MAX_CREDENTIAL: Final = 4_096
"""Characters of a password, a token or a client secret."""
MAX_SCOPE: Final = 1_024
_FIELDS: Final = {
    "username": "username",
    "password": "password",
    "token": "token",
    "token_url": "tokenUrl",
    "client_id": "clientId",
    "client_secret": "clientSecret",
    "scope": "scope",
    "certificate": "certificate",
    "private_key": "privateKey",
}
"""Each field of a draft, and what the API calls it."""
_NEEDED: Final = {
    "basic": ("username", "password"),
    "bearer": ("token",),
    "oauth2": ("token_url", "client_id", "client_secret"),
    "mtls": ("certificate", "private_key"),
}
_OPTIONAL: Final = {"oauth2": ("scope",)}
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_VISIBLE: Final = re.compile(r"[\x20-\x7e]+")  # RFC 6749, appendix A.1 and A.2
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")  # A.4


def checked_auth(draft: AuthDraft, now_ms: int) -> Auth:
    """Return the authentication. Raises `Invalid` at each wrong field, below /auth.

    `now_ms` is wall-clock time. `management.destination_check` checks the address of a token
    endpoint.
    """
    if draft.type not in AUTH_TYPES:
        known = ", ".join(f"`{one}`" for one in AUTH_TYPES[:-1])
        raise Invalid.field("/auth/type", f"`type` must be {known} or `{AUTH_TYPES[-1]}`.")
    errors = _misplaced(draft)
    if errors:
        raise Invalid(errors[0].message, tuple(errors))
    if draft.type == "mtls":
        return _mtls(draft, now_ms)
    return _CHECKS[draft.type](draft)


def _misplaced(draft: AuthDraft) -> list[FieldError]:
    """Return the fields that are missing, or that belong to another type."""
    needed, optional = _NEEDED[draft.type], _OPTIONAL.get(draft.type, ())
    return [
        FieldError(
            f"/auth/{name}",
            Text("`{field}` is missing.", field=name)
            if field in needed
            else Text(
                "`{field}` does not belong to `{type}`. Remove it.", field=name, type=draft.type
            ),
        )
        for field, name in _FIELDS.items()
        if (getattr(draft, field) is not None) != (field in needed) and field not in optional
    ]


def _basic(draft: AuthDraft) -> BasicAuth:
    username, password = draft.username or "", draft.password or ""
    errors = []
    if not username.isprintable() or ":" in username or not 1 <= len(username) <= MAX_USERNAME:
        errors.append(
            FieldError(
                "/auth/username",
                Text(
                    "The username must have 1 to {most} printable characters and no colon.",
                    most=MAX_USERNAME,
                ),
            )
        )
    if not password.isprintable() or len(password) > MAX_CREDENTIAL:
        errors.append(
            FieldError(
                "/auth/password",
                Text(
                    "The password must have up to {most:,} printable characters.",
                    most=MAX_CREDENTIAL,
                ),
            )
        )
    if errors:
        raise Invalid(errors[0].message, tuple(errors))
    return BasicAuth(username, password)


def _bearer(draft: AuthDraft) -> BearerAuth:
    token = draft.token or ""
    if not _TOKEN.fullmatch(token) or len(token) > MAX_CREDENTIAL:
        raise Invalid.field(
            "/auth/token",
            Text(
                "The token must have 1 to {most:,} printable ASCII characters without spaces; "
                "leave out the word Bearer.",
                most=MAX_CREDENTIAL,
            ),
        )
    return BearerAuth(token)


def _oauth2(draft: AuthDraft) -> OAuth2Auth:
    token_url, scope = draft.token_url or "", draft.scope or None
    client_id, client_secret = draft.client_id or "", draft.client_secret or ""
    errors = []
    if not token_url:
        errors.append(FieldError("/auth/tokenUrl", Text("`{field}` is missing.", field="tokenUrl")))
    if not _VISIBLE.fullmatch(client_id) or len(client_id) > MAX_USERNAME:
        errors.append(
            FieldError(
                "/auth/clientId",
                Text(
                    "The client ID must have 1 to {most:,} printable ASCII characters.",
                    most=MAX_USERNAME,
                ),
            )
        )
    if not _VISIBLE.fullmatch(client_secret) or len(client_secret) > MAX_CREDENTIAL:
        errors.append(
            FieldError(
                "/auth/clientSecret",
                Text(
                    "The client secret must have 1 to {most:,} printable ASCII characters.",
                    most=MAX_CREDENTIAL,
                ),
            )
        )
    if scope is not None and (not _SCOPE.fullmatch(scope) or len(scope) > MAX_SCOPE):
        errors.append(
            FieldError(
                "/auth/scope",
                Text(
                    "The scope must have up to {most:,} characters: names with one space between "
                    "them, without quotes and backslashes.",
                    most=MAX_SCOPE,
                ),
            )
        )
    if errors:
        raise Invalid(errors[0].message, tuple(errors))
    return OAuth2Auth(token_url, client_id, client_secret, scope)


def _mtls(draft: AuthDraft, now_ms: int) -> MtlsAuth:
    certificate, private_key = draft.certificate or "", draft.private_key or ""
    check_identity(certificate, private_key, now_ms)
    return MtlsAuth(certificate, private_key)


_CHECKS: Final[dict[str, Callable[[AuthDraft], Auth]]] = {
    "basic": _basic,
    "bearer": _bearer,
    "oauth2": _oauth2,
}
