"""Operational events: one for each change of a webhook's state, on both databases."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from winnerr_webhooks.domain import activity, delivery
from winnerr_webhooks.domain.activity import FieldChange
from winnerr_webhooks.domain.alerts import OPERATIONAL_EVENTS, OPERATOR, AlertSettings
from winnerr_webhooks.storage import alert_queries
from winnerr_webhooks.storage.activity_port import ActivityFilter
from winnerr_webhooks.storage.failure_streak import FailureRules
from winnerr_webhooks.storage.postgres import postgres_session
from winnerr_webhooks.storage.sqlite import sqlite_connection, sqlite_session, sqlite_statements

MINUTE = 60


@pytest.fixture
async def world(make_world):
    return await make_world(rules=FailureRules(raises_alerts=True))


async def fail(world, webhook, *, times=1, seconds=0.0, happened=delivery.RETRY, **options):
    """Let attempts fail, `seconds` apart, each of an event of its own."""
    for _ in range(times):
        await world.settle(
            await world.leased(organization=webhook.organization), happened, **options
        )
        world.clock.advance(seconds=seconds)


async def succeed(world, webhook):
    await world.settle(await world.leased(organization=webhook.organization))


async def raised(world, *, mail=False):
    """Raise what is due; the events to publish, as (name, data)."""
    await world.storage.raise_alerts(publish=True, mail=mail)
    found = []
    for alert in await world.storage.waiting_alerts():
        found.append((alert.event, json.loads(alert.data)))
        await world.storage.drop_alert(alert.id)
    return found


async def names(world):
    return [name for name, _ in await raised(world)]


async def test_a_webhook_is_failing_after_15_minutes_and_5_failures_and_is_told_once(world):
    webhook = await world.webhook(name="CRM", url="https://hooks.example.com/token?key=secret")
    await fail(world, webhook, times=4, seconds=5 * MINUTE)
    assert await names(world) == []
    await fail(world, webhook)

    ((name, data),) = await raised(world)

    assert name == "webhook.failing"
    assert data == {
        "organizationId": "org_1",
        "webhookId": webhook.id,
        "webhookName": "CRM",
        "webhookHost": "hooks.example.com",
        "since": "2027-01-15T08:00:00Z",
        "failures": 5,
    }
    await fail(world, webhook, times=3, seconds=20 * MINUTE)
    assert await names(world) == []


async def test_five_quick_failures_are_not_enough_before_15_minutes_are_over(world):
    webhook = await world.webhook()
    await fail(world, webhook, times=9)
    assert await names(world) == []

    world.clock.advance(seconds=15 * MINUTE)

    assert await names(world) == ["webhook.failing"]


async def test_the_first_success_after_failing_is_told_once_and_failing_can_begin_again(world):
    webhook = await world.webhook()
    await fail(world, webhook, times=5, seconds=5 * MINUTE)
    assert await names(world) == ["webhook.failing"]
    await succeed(world, webhook)

    assert await names(world) == ["webhook.recovered"]
    await succeed(world, webhook)
    assert await names(world) == []
    await fail(world, webhook, times=5, seconds=5 * MINUTE)
    assert await names(world) == ["webhook.failing"]


async def test_a_success_between_two_looks_is_told_although_it_fails_again(world):
    webhook = await world.webhook()
    await fail(world, webhook, times=5, seconds=5 * MINUTE)
    assert await names(world) == ["webhook.failing"]
    await succeed(world, webhook)
    await fail(world, webhook)

    assert await names(world) == ["webhook.recovered"]


async def test_a_webhook_without_trouble_is_told_nothing_of(world):
    webhook = await world.webhook()
    await succeed(world, webhook)
    await fail(world, webhook, times=5)
    await succeed(world, webhook)
    world.clock.advance(seconds=20 * MINUTE)

    assert await names(world) == []


async def test_pausing_and_resuming_is_no_recovery_and_no_new_failure(world):
    webhook = await world.webhook()
    await fail(world, webhook, times=5, seconds=5 * MINUTE)
    assert await names(world) == ["webhook.failing"]
    await world.change(webhook, status="paused")
    assert await names(world) == []
    await world.change(webhook, status="active")
    assert await names(world) == []
    await fail(world, webhook, times=5, seconds=5 * MINUTE)
    assert await names(world) == []
    await succeed(world, webhook)

    assert await names(world) == ["webhook.recovered"]


async def test_a_disabled_webhook_is_told_with_its_reason_and_its_recovery_after_that(world):
    webhook = await world.webhook()
    await fail(world, webhook, disable="The receiver answered 410.")

    ((name, data),) = await raised(world)

    assert (name, data["reason"]) == ("webhook.disabled", "The receiver answered 410.")
    assert data["disabledAt"] == "2027-01-15T08:00:00Z"
    assert await names(world) == []
    await world.change(webhook, status="active")
    assert await names(world) == []
    world.clock.advance(seconds=10 * MINUTE)
    await succeed(world, webhook)
    assert await names(world) == ["webhook.recovered"]


async def test_a_disabled_webhook_is_told_though_another_node_finds_it_failing_just_then(world):
    webhook = await world.webhook()
    await fail(world, webhook, disable="The receiver answered 410.")
    told = await world.storage._write(
        lambda db: db.execute("mark_failing", webhook=webhook.id, since=world.clock.now_ms())
    )

    assert not told
    assert await names(world) == ["webhook.disabled"]


async def test_failed_deliveries_are_told_at_most_every_15_minutes_with_their_number(world):
    webhook = await world.webhook()
    await fail(world, webhook, times=3, happened=delivery.EXHAUSTED)

    ((name, data),) = await raised(world)

    assert (name, data["deliveries"]) == ("delivery.failed", 3)
    await fail(world, webhook, times=2, seconds=60, happened=delivery.EXHAUSTED)
    assert await names(world) == []
    await succeed(world, webhook)
    world.clock.advance(seconds=14 * MINUTE)
    assert [data["deliveries"] for _, data in await raised(world)] == [2]
    world.clock.advance(seconds=15 * MINUTE)
    assert await names(world) == []


async def test_nothing_is_told_of_the_webhook_that_gets_the_operational_events(world):
    webhook = await world.webhook(organization=OPERATOR)
    await fail(world, webhook, times=5, seconds=5 * MINUTE, happened=delivery.EXHAUSTED)
    await fail(world, webhook, disable="The receiver answered 410.")

    assert await names(world) == []


async def test_without_a_setting_that_asks_for_it_settling_notes_nothing(make_world):
    world = await make_world()
    await fail(world, await world.webhook(), happened=delivery.EXHAUSTED)

    assert await names(world) == []


async def test_nothing_is_told_of_a_webhook_that_was_deleted_meanwhile(world):
    webhook = await world.webhook()
    await fail(world, webhook, happened=delivery.EXHAUSTED)
    await world.storage.delete_webhook("org_1", webhook.id)

    assert await names(world) == []


async def test_nodes_that_look_at_once_tell_each_state_once(world):
    for number in range(4):
        webhook = await world.webhook(organization=f"org_{number}")
        await fail(world, webhook, happened=delivery.EXHAUSTED)
        await fail(world, webhook, times=4)
    disabled = await world.webhook(organization="org_5")
    await fail(world, disabled, disable="The receiver answered 410.")
    world.clock.advance(seconds=20 * MINUTE)

    counts = await asyncio.gather(
        *(world.storage.raise_alerts(publish=True, mail=False) for _ in range(8))
    )

    events = sorted(alert.event for alert in await world.storage.waiting_alerts())
    assert sum(counts) == len(events)
    assert events == ["delivery.failed"] * 4 + ["webhook.disabled"] + ["webhook.failing"] * 4


async def test_an_event_waits_with_the_same_id_until_it_is_confirmed(world):
    await fail(world, await world.webhook(), happened=delivery.EXHAUSTED)
    await world.storage.raise_alerts(publish=True, mail=False)

    first = await world.storage.waiting_alerts()
    again = await world.storage.waiting_alerts()

    assert first == again
    await world.storage.drop_alert(first[0].id)
    assert await world.storage.waiting_alerts() == []


async def test_an_organization_gets_a_mail_for_each_address_and_only_what_it_asked_for(world):
    settings = AlertSettings(
        emails=("a@example.com", "b@example.com"), events=("delivery.failed",), language="de"
    )
    await world.storage.set_alert_settings("org_1", settings)
    webhook = await world.webhook()
    await fail(world, webhook, happened=delivery.EXHAUSTED)
    await fail(world, webhook, disable="410")
    other = await world.webhook(organization="org_2")
    await fail(world, other, happened=delivery.EXHAUSTED)
    await raised(world, mail=True)

    mails = await world.storage.claim_mails(60)

    assert sorted(mail.email for mail in mails) == ["a@example.com", "b@example.com"]
    assert {mail.alert.event for mail in mails} == {"delivery.failed"}
    assert {(mail.language, mail.attempts) for mail in mails} == {("de", 1)}


async def test_a_mail_is_claimed_once_until_its_lease_ends(world):
    await world.storage.set_alert_settings(
        "org_1", AlertSettings(emails=("a@example.com",), events=OPERATIONAL_EVENTS)
    )
    await fail(world, await world.webhook(), happened=delivery.EXHAUSTED)
    await raised(world, mail=True)

    claims = await asyncio.gather(*(world.storage.claim_mails(60) for _ in range(4)))

    assert sorted(map(len, claims)) == [0, 0, 0, 1]
    world.clock.advance(seconds=61)
    (mail,) = await world.storage.claim_mails(60)
    assert mail.attempts == 2
    await world.storage.delay_mail(mail, 300)
    world.clock.advance(seconds=299)
    assert await world.storage.claim_mails(60) == []
    world.clock.advance(seconds=1)
    (mail,) = await world.storage.claim_mails(60)
    await world.storage.drop_mail(mail)
    world.clock.advance(seconds=61)
    assert await world.storage.claim_mails(60) == []


async def test_the_settings_come_back_and_a_change_is_in_the_activity_log(world):
    assert await world.storage.alert_settings("org_1") == AlertSettings()
    settings = AlertSettings(emails=("a@example.com",), events=("webhook.disabled",), language="fr")
    await world.storage.set_alert_settings("org_1", settings)
    await world.storage.set_alert_settings("org_1", settings)

    assert await world.storage.alert_settings("org_1") == settings
    assert await world.storage.alert_settings("org_2") == AlertSettings()
    page = await world.storage.activity(ActivityFilter(organization="org_1"))
    (entry,) = page.items
    assert entry.action == activity.ALERTS_CHANGED
    assert FieldChange("emails", [], ["a@example.com"]) in entry.changes


class Named(dict):
    """Statements by name; it notes which are used."""

    def __init__(self, statements, used):
        super().__init__(statements)
        self.used = used

    def __getitem__(self, name):
        self.used.append(name)
        return super().__getitem__(name)


async def test_a_success_of_a_healthy_webhook_runs_no_statement_more(world, monkeypatch):
    await world.webhook()
    used = []
    for module in (sqlite_session, sqlite_connection, sqlite_statements, postgres_session):
        named = Named(module.statements(), used)
        monkeypatch.setattr(module, "statements", lambda named=named: named)

    delivery = await world.leased()
    await world.settle(delivery)

    assert used
    path = Path(alert_queries.__file__).parent / "sql" / "shared_alerts.sql"
    of_alerts = set(re.findall(r"-- name: (\w+)", path.read_text()))
    assert not of_alerts & set(used)
    await world.settle(await world.leased(), "exhausted")
    assert of_alerts & set(used) == {"note_failures"}
