"""The loop that makes operational events, and hands them over once also after a kill."""

import json

import pytest

from winnerr_webhooks.alerts.alert_raiser import AlertRaiser
from winnerr_webhooks.alerts.operator_webhook import settle_operator_webhook
from winnerr_webhooks.budgets import Budgets, derive
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.alerts import OPERATOR
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.node import Node
from winnerr_webhooks.storage import alert_queries
from winnerr_webhooks.storage.values import DeliveryFilter, NewWebhook

CONFIG = Config(role="api", operational_url="https://ops.example.com/hook")


class LosesConfirmations:
    """A storage whose node ends between the accept of an event and its confirmation."""

    def __init__(self, storage):
        self._storage = storage

    def __getattr__(self, name):
        return getattr(self._storage, name)

    async def drop_alert(self, _alert_id):
        raise Unavailable("The node is killed.")


@pytest.fixture
async def world(storage, clock):
    return World(storage, clock)


class World:
    def __init__(self, storage, clock):
        self.storage = storage
        self.clock = clock
        self.ids = Ids(clock)
        self.metrics = Metrics()
        self.node = Node(
            CONFIG,
            storage,
            None,  # it makes no attempts
            catalog=CATALOG,
            branding=CONFIG.branding,
            clock=clock,
            ids=self.ids,
            jitter=Jitter(1),
            metrics=self.metrics,
            budgets=Budgets(derive(CONFIG, 1_000), clock),
        )
        self.raised = 0

    def raiser(self, storage=None, *, publish=True):
        return AlertRaiser(
            storage or self.storage,
            self.node.intake,
            publish=publish,
            mail=False,
            on_raised=self._note,
            ids=self.ids,
            jitter=Jitter(1),
            metrics=self.metrics,
        )

    def _note(self):
        self.raised += 1

    async def disabled_webhook(self):
        new = NewWebhook(
            id=self.ids.new("wh"),
            organization="org_1",
            url="https://hooks.example.com/s3cret",
            description=None,
            events=("*",),
            secret=None,
        )
        await self.storage.create_webhook(new, 10)
        now = self.clock.now_ms()
        await self.storage._write(lambda db: alert_queries.note_failures(db, {}, [new.id], now))

    async def told(self):
        """The operational events that are stored."""
        page = await self.storage.deliveries(DeliveryFilter(organization=OPERATOR))
        found = [await self.storage.delivery(OPERATOR, one.id) for one in page.items]
        return [json.loads(one.body) for one in found]


async def test_what_is_found_becomes_an_event_of_the_operator(world):
    await settle_operator_webhook(world.storage, CONFIG)
    await world.disabled_webhook()
    await world.raiser().raise_due()
    await world.raiser().raise_due()

    (event,) = await world.told()

    assert (event["event"], event["organizationId"]) == ("webhook.disabled", OPERATOR)
    assert event["data"]["webhookHost"] == "hooks.example.com"
    assert event["timestamp"] == "2027-01-15T08:00:00Z"
    assert world.raised == 1


async def test_an_event_that_was_accepted_and_not_confirmed_is_not_accepted_again(world):
    await settle_operator_webhook(world.storage, CONFIG)
    await world.disabled_webhook()
    with pytest.raises(Unavailable):
        await world.raiser(LosesConfirmations(world.storage)).raise_due()
    assert len(await world.storage.waiting_alerts()) == 1
    world.clock.ms += 60_000

    await world.raiser().raise_due()

    assert len(await world.told()) == 1
    assert await world.storage.waiting_alerts() == []
    assert b"winnerr_webhooks_operational_events_total 0.0" in world.metrics.render_process()


async def test_without_an_operator_nothing_is_published(world):
    await world.disabled_webhook()
    await world.raiser(publish=False).raise_due()
    assert await world.told() == []
    assert await world.storage.waiting_alerts() == []
