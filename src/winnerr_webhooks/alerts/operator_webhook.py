"""The webhook of the organization `_operator`: the settings say what it is."""

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.alerts import OPERATOR, OPERATOR_WEBHOOK
from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.domain.event_pattern import ALL_EVENTS
from winnerr_webhooks.domain.webhook import ACTIVE, PAUSED
from winnerr_webhooks.settings_table import PREFIX
from winnerr_webhooks.storage.port import Webhooks
from winnerr_webhooks.storage.values import NewWebhook, WebhookChange

_NAME = "OPERATIONAL_URL"
_LIMIT = 2
"""More than the webhooks that the organization has."""


async def settle_operator_webhook(storage: Webhooks, config: Config) -> None:
    """Make, change or pause the webhook, so that it is what the settings say.

    A node does this at its start; of nodes with different settings, the last one decides. A webhook
    that was disabled is active again. Without OPERATIONAL_URL it is paused, and its log stays.
    Raises `ConfigurationError` if there is another webhook, which would get the events too.
    """
    if not config.operational_url:
        held = await storage.webhook(OPERATOR, OPERATOR_WEBHOOK)
        if held is not None and held.status != PAUSED:
            await storage.change_webhook(OPERATOR, held.id, WebhookChange(status=PAUSED))
        return
    others = [one.id for one in await storage.webhooks(OPERATOR) if one.id != OPERATOR_WEBHOOK]
    if others:
        raise ConfigurationError(
            f"{PREFIX}OPERATIONAL_URL: the organization {OPERATOR} has webhooks of its own from "
            f"before ({', '.join(others[:3])}), which would get the operational events. Start "
            f"without {PREFIX}OPERATIONAL_URL, delete them with a service key, then set it again."
        )
    secret = config.operational_secret or None
    new = NewWebhook(
        id=OPERATOR_WEBHOOK,
        organization=OPERATOR,
        name=_NAME,
        url=config.operational_url,
        description=None,
        events=(ALL_EVENTS,),
        secret=secret,
    )
    held = await storage.create_webhook(new, _LIMIT)  # one that is there stays as it is
    if (held.url, held.status) != (new.url, ACTIVE):
        change = WebhookChange(url=new.url, status=ACTIVE)
        await storage.change_webhook(OPERATOR, held.id, change)
    if (secret, None) != await storage.secrets(OPERATOR, held.id):
        await storage.set_secret(OPERATOR, held.id, secret, 0)
