"""Recognizes a webhook that is created again, by a form that was sent twice. Pure."""

from typing import Final

from winnerr_webhooks.domain.ed25519_keys import signing_kind
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.storage.values import NewWebhook

_FIELDS: Final = (
    *("url", "description", "events", "name", "timeout", "retry_schedule", "filter"),
    *("rate_limit", "order_by"),
)


def is_repeated(
    new: NewWebhook, webhook: Webhook, secrets: tuple[str | None, str | None], *, generated: bool
) -> bool:
    """Whether a stored webhook is what was asked for, and not an earlier use of its id.

    `secrets` are the stored ones: what signs, and during an overlap the one that follows. A secret
    that was `generated` is another one each time, so any of its kind is the same.
    """
    if any(getattr(new, field) != getattr(webhook, field) for field in _FIELDS):
        return False
    given = new.credentials
    if (tuple(given.headers), given.auth_type) != (webhook.header_names, webhook.auth_type):
        return False
    signing, following = secrets
    if new.secret is None:
        return signing is None
    if not generated:
        return new.secret in secrets
    return signing is not None and signing_kind(following or signing) == signing_kind(new.secret)
