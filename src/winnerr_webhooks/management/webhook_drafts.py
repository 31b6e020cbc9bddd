"""Webhooks and secrets as customers describe them, unchecked."""

from typing import ClassVar, Final

import msgspec

from winnerr_webhooks.domain.ed25519_keys import HMAC
from winnerr_webhooks.domain.retry import STANDARD
from winnerr_webhooks.domain.webhook import ACTIVE

DEFAULT_OVERLAP: Final = 86_400
"""For how many seconds the old and the new secret overlap, if the caller does not say."""
RAW_JSON_FIELDS: Final = frozenset(("filter",))
"""Fields of a request whose JSON is not decoded, so that numbers keep their digits."""

UNSET = msgspec.UNSET
UnsetType = msgspec.UnsetType


class AuthDraft(
    msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"
):
    """How a webhook authenticates; `type` decides which of the fields are given."""

    type: str
    """`basic`, `bearer`, `oauth2` or `mtls`."""
    username: str | None = None
    """For `basic`."""
    password: str | None = None
    """For `basic`."""
    token: str | None = None
    """For `bearer`."""
    token_url: str | None = None
    """For `oauth2`: where a token is asked for with client credentials (RFC 6749, section 4.4)."""
    client_id: str | None = None
    """For `oauth2`."""
    client_secret: str | None = None
    """For `oauth2`."""
    scope: str | None = None
    """For `oauth2`, optional: scopes with spaces between them."""
    certificate: str | None = None
    """For `mtls`: PEM, with the intermediate certificates after it."""
    private_key: str | None = None
    """For `mtls`: PEM, not encrypted."""

    def __repr__(self) -> str:
        """Leave the values out."""
        return f"AuthDraft({self.type!r})"


class RateLimitDraft(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """How many attempts a webhook allows."""

    per_second: float


class WebhookDraft(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A new webhook as the customer describes it, unchecked."""

    url: str
    events: list[str]
    secret: str | None = None
    generate_secret: bool = False
    description: str | None = None
    name: str | None = None
    status: str = ACTIVE
    """`active` or `paused`."""
    timeout: float | None = None
    retry_schedule: str | list[float] = STANDARD
    headers: dict[str, str] | None = None
    auth: AuthDraft | None = None
    rate_limit: RateLimitDraft | None = None
    ordered: bool | str = False
    signing: str = HMAC
    """`hmac`, or `ed25519`: then a key pair is generated."""
    filter: str | None = None
    """As JSON: its numbers keep their digits."""
    raw_json_fields: ClassVar = RAW_JSON_FIELDS

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"WebhookDraft({self.url!r})"


class WebhookPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A change that the customer asks for, unchecked; fields that are unset do not change."""

    url: str | UnsetType = UNSET
    events: list[str] | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    status: str | UnsetType = UNSET
    """`active` or `paused`."""
    replay_cancelled: bool = False
    """Also send the deliveries that were cancelled in the meantime; only with `active`."""
    timeout: float | UnsetType | None = UNSET
    retry_schedule: str | list[float] | UnsetType = UNSET
    headers: dict[str, str] | UnsetType | None = UNSET
    auth: AuthDraft | UnsetType | None = UNSET
    rate_limit: RateLimitDraft | UnsetType | None = UNSET
    ordered: bool | str | UnsetType = UNSET
    signing: str | UnsetType = UNSET
    """`hmac` or `ed25519`. Another kind than now rotates, with the usual overlap."""
    filter: str | UnsetType | None = UNSET
    """As JSON: its numbers keep their digits."""
    raw_json_fields: ClassVar = RAW_JSON_FIELDS

    def __repr__(self) -> str:
        """Leave the headers out."""
        return f"WebhookPatch(url={self.url!r}, status={self.status!r})"


class SecretDraft(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A new secret, unchecked; if it is unset, one is generated."""

    secret: str | UnsetType = UNSET
    overlap_seconds: int = DEFAULT_OVERLAP

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"SecretDraft(overlap_seconds={self.overlap_seconds})"
