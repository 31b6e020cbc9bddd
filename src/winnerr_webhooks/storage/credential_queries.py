"""The headers and the authentication of webhooks as they are stored: sealed, in one value."""

from typing import Any

import msgspec
from msgspec import UNSET

from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.domain.credentials import MASK, NO_CREDENTIALS, Credentials, same_origin
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.sealed_secrets import opened, sealed
from winnerr_webhooks.storage.values import WebhookChange

_decode = msgspec.json.Decoder(Credentials).decode


def opened_credentials(keyring: Sealer, stored: bytes | None, webhook_id: str) -> Credentials:
    """Return credentials in the clear."""
    text = opened(keyring, stored, webhook_id)
    return NO_CREDENTIALS if text is None else _decode(text)


def credential_columns(
    keyring: Sealer, credentials: Credentials, webhook_id: str
) -> dict[str, Any]:
    """Return what the columns of credentials hold; what people see is not sealed."""
    text = msgspec.json.encode(credentials).decode() if credentials else None
    return {
        "credentials": sealed(keyring, text, webhook_id),
        "header_names": msgspec.json.encode(list(credentials.headers)).decode(),
        "auth_type": credentials.auth_type,
    }


async def change_credentials(
    db: Session, webhook: Webhook, asked: WebhookChange, keyring: Sealer, now: int
) -> None:
    """Apply a change to the credentials of a webhook that is locked.

    Raises `Invalid` if its URL moves to another origin and they would move with it: they were given
    for the receiver that was there.
    """
    if asked.url is not UNSET:
        _refuse_to_move(webhook, asked, asked.url)
    if asked.headers is UNSET and asked.auth is UNSET:
        return
    stored = await db.fetch_value("get_credentials", webhook=webhook.id)
    held = opened_credentials(keyring, stored, webhook.id)
    new = held.changed(asked.headers, asked.auth)
    new.check_url(webhook.url if asked.url is UNSET else asked.url)
    if new != held:
        columns = credential_columns(keyring, new, webhook.id)
        await db.execute("put_credentials", webhook=webhook.id, now=now, **columns)


def _refuse_to_move(webhook: Webhook, asked: WebhookChange, url: str) -> None:
    keeps_headers = webhook.header_names and (
        asked.headers is UNSET or MASK in asked.headers.values()
    )
    keeps_auth = webhook.auth_type is not None and asked.auth is UNSET
    if not (keeps_headers or keeps_auth) or same_origin(webhook.url, url):
        return
    fields = " and ".join(
        field for field, kept in (("`headers`", keeps_headers), ("`auth`", keeps_auth)) if kept
    )
    raise Invalid.field(
        "/url",
        f"This URL is of another receiver, and the {fields} of this webhook were given for the one "
        "that it has now. Give their values again together with the new URL, or remove them.",
    )
