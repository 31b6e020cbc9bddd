"""Reads and searches of an organization take turns, and nobody else waits for them."""

import pytest

from winnerr_webhooks.domain.delivery import EXHAUSTED
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.storage import fair_semaphore
from winnerr_webhooks.storage.traffic_port import TrafficQuery
from winnerr_webhooks.storage.values import DeliveryFilter, LogFilter, ReplayFilter


async def _log(world, **fields):
    return (await world.storage.log(LogFilter(**({"organization": "org_1"} | fields)))).items


@pytest.mark.parametrize(
    "filters",
    [
        {"text": "x"},
        {"event": "contact.created"},
        {"status": (500, 599)},
        {"outcome": "succeeded"},
        {"outcome": "failed", "webhook": "wh_x"},
    ],
)
async def test_searches_take_turns_and_a_page_does_not(world, monkeypatch, filters) -> None:
    """Given an organization that is searching, then another search of it is asked to come later."""
    monkeypatch.setattr(fair_semaphore, "WAIT_SECONDS", 0.01)
    webhook = await world.webhook()
    await world.logged(1, EXHAUSTED)
    async with world.storage._searches.slot("org_1"):
        with pytest.raises(Unavailable):
            await _log(world, **filters)
        for quick in ({}, {"webhook": webhook.id}, {"outcome": "failed"}):
            assert len(await _log(world, **quick)) == 1
    await _log(world, **filters)


async def test_searches_of_deliveries_and_replays_take_turns(world, monkeypatch) -> None:
    monkeypatch.setattr(fair_semaphore, "WAIT_SECONDS", 0.01)
    await world.webhook()
    await world.logged(1, EXHAUSTED)
    replays = ReplayFilter(organization="org_1")
    async with world.storage._searches.slot("org_1"):
        for filters in ({"status": "failed"}, {"event": "contact.created"}, {"webhook": "wh_x"}):
            with pytest.raises(Unavailable):
                await world.storage.deliveries(DeliveryFilter(organization="org_1", **filters))
        with pytest.raises(Unavailable):
            await world.storage.replay_many(replays, dry_run=True)
        page = await world.storage.deliveries(DeliveryFilter(organization="org_1"))
        assert len(page.items) == 1
    assert await world.storage.replay_many(replays, dry_run=True) == 1


READS = {
    "log": lambda storage, org: storage.log(LogFilter(organization=org)),
    "attempt": lambda storage, org: storage.attempt(org, f"att_{'0' * 26}"),
    "deliveries": lambda storage, org: storage.deliveries(DeliveryFilter(organization=org)),
    "delivery": lambda storage, org: storage.delivery(org, f"dlv_{'0' * 30}"),
    "event": lambda storage, org: storage.event(org, f"evt_{'0' * 26}"),
    "health": lambda storage, org: storage.health(org, 0),
    "traffic": lambda storage, org: storage.traffic(
        TrafficQuery(
            organization=org, webhook="wh_1", since=0, step_ms=300_000, intervals=1, sampled=1
        )
    ),
    "states": lambda storage, org: storage.webhook_states(org),
    "cancelled": lambda storage, org: storage.cancelled(org, "wh_1"),
    "webhooks": lambda storage, org: storage.webhooks(org),
    "webhook": lambda storage, org: storage.webhook(org, "wh_1"),
}


async def test_what_an_organization_reads_takes_turns_and_others_read_on(
    world, monkeypatch
) -> None:
    """Given an organization that has its share of reads, the next one waits, and no other."""
    monkeypatch.setattr(fair_semaphore, "WAIT_SECONDS", 0.01)
    storage = world.storage
    monkeypatch.setattr(storage, "_reads", fair_semaphore.FairSemaphore(2))
    async with storage._reads.slot("org_1"):
        for read in READS.values():
            with pytest.raises(Unavailable):
                await read(storage, "org_1")
            await read(storage, "org_2")
    for read in READS.values():
        await read(storage, "org_1")


async def test_the_road_and_sign_in_wait_for_no_page(world, monkeypatch) -> None:
    """Given that all slots to read are taken, what deliveries and sign-in need is still read."""
    monkeypatch.setattr(fair_semaphore, "WAIT_SECONDS", 0.01)
    storage = world.storage
    monkeypatch.setattr(storage, "_reads", fair_semaphore.FairSemaphore(1))
    async with storage._reads.slot("org_2"):
        assert await storage.targets([]) == []
        assert await storage.session(b"s" * 32) is None
        assert await storage.link(b"l" * 32) is None
        assert await storage.key_by_hash(b"k" * 32) is None
        await storage.changed_webhooks(0)
