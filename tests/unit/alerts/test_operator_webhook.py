"""The operator's webhook follows the settings from start to start."""

import pytest

from winnerr_webhooks.alerts.operator_webhook import settle_operator_webhook
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.alerts import OPERATOR, OPERATOR_WEBHOOK
from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.storage.values import NewWebhook

FIRST = Config(operational_url="https://ops.example.com/a", operational_secret="a secret of ops")


async def held(storage):
    (webhook,) = await storage.webhooks(OPERATOR)
    return webhook


async def test_the_first_start_makes_it_and_further_starts_change_nothing(storage):
    await settle_operator_webhook(storage, FIRST)
    first = await held(storage)
    assert (first.id, first.url) == (OPERATOR_WEBHOOK, FIRST.operational_url)
    assert (first.status, first.events) == ("active", ("*",))
    assert is_id("wh", first.id)
    assert await storage.secrets(OPERATOR, first.id) == ("a secret of ops", None)
    await settle_operator_webhook(storage, FIRST)
    assert (await held(storage)).version == first.version


async def test_another_url_and_secret_replace_the_first_at_once(storage):
    await settle_operator_webhook(storage, FIRST)
    await settle_operator_webhook(storage, Config(operational_url="https://ops.example.com/b"))
    webhook = await held(storage)
    assert webhook.url == "https://ops.example.com/b"
    assert await storage.secrets(OPERATOR, webhook.id) == (None, None)


async def test_without_the_setting_it_is_paused_and_with_it_active_again(storage):
    await settle_operator_webhook(storage, Config())
    assert await storage.webhooks(OPERATOR) == []
    await settle_operator_webhook(storage, FIRST)
    await settle_operator_webhook(storage, Config())
    assert (await held(storage)).status == "paused"
    await settle_operator_webhook(storage, FIRST)
    assert (await held(storage)).status == "active"


async def test_a_webhook_from_before_the_name_was_reserved_gets_no_operational_event(storage):
    other = NewWebhook(
        id="wh_" + "1" * 26,
        organization=OPERATOR,
        url="https://customer.example.com/",
        description=None,
        events=("*",),
        secret=None,
    )
    await storage.create_webhook(other, 5)
    with pytest.raises(ConfigurationError, match="webhooks of its own"):
        await settle_operator_webhook(storage, FIRST)
