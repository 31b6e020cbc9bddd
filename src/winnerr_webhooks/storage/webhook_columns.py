"""Webhooks as they are stored: what columns hold, and what a change writes."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

from msgspec import UNSET
from msgspec.structs import asdict

from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.domain.ed25519_keys import HMAC, signing_kind
from winnerr_webhooks.domain.retry import LONG, STANDARD, RetrySchedule
from winnerr_webhooks.domain.webhook import Target, Webhook
from winnerr_webhooks.storage.credential_queries import credential_columns, opened_credentials
from winnerr_webhooks.storage.database_session import decoded_list, struct_of
from winnerr_webhooks.storage.sealed_secrets import Secrets, opened, sealed
from winnerr_webhooks.storage.values import NewWebhook, WebhookChange

_NO_RETRIES: Final = "none"


def webhook_of(row: Sequence[Any], now: int) -> Webhook:
    """Return the webhook of a row with `webhook_columns`."""
    webhook = struct_of(Webhook, row)
    webhook.events = tuple(decoded_list(webhook.events))
    webhook.has_secret = bool(webhook.has_secret)
    webhook.retry_schedule = schedule_of(cast("str | None", webhook.retry_schedule))
    webhook.signing = webhook.signing or HMAC
    webhook.header_names = tuple(decoded_list(webhook.header_names))
    if (webhook.overlap_ends_at or 0) <= now:
        webhook.overlap_ends_at = None
    return webhook


def target_of(row: Sequence[Any], keyring: Sealer, now: int) -> Target:
    """Return the target of a row of `get_targets`."""
    webhook_id, organization, version, url, status, signing, following, ends_at, *rest = row
    by_listener, timeout, schedule, credentials, rate_limit = rest
    held = Secrets.now(signing, following, ends_at, now)
    return Target(
        webhook_id=webhook_id,
        organization=organization,
        version=version,
        url=url,
        status=status,
        secret=opened(keyring, held.signing, webhook_id),
        next_secret=opened(keyring, held.following, webhook_id),
        overlap_ends_at=held.overlap_ends_at,
        by_listener=bool(by_listener),
        timeout=timeout,
        retry_schedule=schedule_of(schedule),
        credentials=opened_credentials(keyring, credentials, webhook_id),
        rate_limit=rate_limit,
    )


def new_columns(new: NewWebhook, keyring: Sealer) -> dict[str, Any]:
    """Return what the statement `add_webhook` writes of a new webhook."""
    return (
        asdict(new)
        | credential_columns(keyring, new.credentials, new.id)
        | {
            "secret": sealed(keyring, new.secret, new.id),
            "signing": signing_column(new.secret),
            "retry_schedule": schedule_column(new.retry_schedule),
        }
    )


def signing_column(secret: str | None) -> str | None:
    """Return what the column says of the newest secret: NULL for HMAC, or `ed25519`."""
    kind = signing_kind(secret)
    return None if kind == HMAC else kind


def schedule_column(schedule: RetrySchedule) -> str | None:
    """Return a retry schedule as the column holds it: see `schedule_of`."""
    if isinstance(schedule, str):
        return None if schedule == STANDARD else schedule
    return ",".join(f"{seconds:.15g}" for seconds in schedule) or _NO_RETRIES


def schedule_of(text: str | None) -> RetrySchedule:
    """Return the retry schedule of a column: NULL, `long`, `none`, or seconds and commas."""
    if text is None or text == LONG:
        return text or STANDARD
    return () if text == _NO_RETRIES else tuple(map(float, text.split(",")))


class Edit(NamedTuple):
    """A webhook's fields after a change, but its status."""

    url: str
    description: str | None
    events: tuple[str, ...]
    name: str | None
    timeout: float | None
    retry_schedule: RetrySchedule
    filter: str | None
    rate_limit: float | None
    order_by: str | None

    @classmethod
    def of(cls, webhook: Webhook, change: WebhookChange | None = None) -> "Edit":
        """Return the fields; those that the change leaves out stay as they are."""
        now = [getattr(webhook, field) for field in cls._fields]
        asked = [getattr(change, field, UNSET) for field in cls._fields]
        return cls._make(old if new is UNSET else new for old, new in zip(now, asked, strict=True))

    @property
    def has_turns(self) -> bool:
        """Whether claims and settlements of it lock its row in `lane_turn`."""
        return self.rate_limit is not None or self.order_by is not None

    def columns(self) -> dict[str, Any]:
        """Return what the statement `edit_webhook` writes."""
        return self._asdict() | {"retry_schedule": schedule_column(self.retry_schedule)}
