"""A webhook: a destination URL with its subscriptions, and what a lane needs of it."""

import msgspec

ACTIVE, PAUSED, DISABLED, DELETED = "active", "paused", "disabled", "deleted"


class Webhook(msgspec.Struct, kw_only=True, gc=False):
    """A webhook as customers see it. Its secret is not in it."""

    id: str
    organization: str
    url: str
    description: str | None
    events: tuple[str, ...]
    """Event names in catalogue order, or `("*",)`."""
    status: str
    """`active`, `paused` or `disabled`; `deleted` only inside the storage."""
    status_reason: str | None
    has_secret: bool
    overlap_ends_at: int | None
    """Until when (ms) the old secret still signs, while a rotation overlaps."""
    created_at: int
    updated_at: int
    version: int
    """+1 at every change."""


class Target(msgspec.Struct, kw_only=True, gc=False):
    """What a lane needs to send: read once, and again when the version moves."""

    webhook_id: str
    organization: str
    version: int
    url: str
    status: str
    secret: str | None
    """The secret that signs (during an overlap: the old one)."""
    next_secret: str | None = None
    overlap_ends_at: int | None = None

    def __repr__(self) -> str:
        """Without the secrets: a repr ends up in logs."""
        return f"Target({self.webhook_id}, version={self.version}, status={self.status})"
