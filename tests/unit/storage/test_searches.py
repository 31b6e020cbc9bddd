"""Searches: few at once, of an organization one, and nobody waits for long."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.storage import searches
from winnerr_webhooks.storage.searches import Searches


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(searches, "PATIENCE", 0.01)


async def refused(places: Searches, organization: str) -> bool:
    try:
        async with places.place(organization):
            return False
    except Unavailable as refusal:
        return refusal.retry_after > 0


async def test_no_more_than_so_many_at_once(impatient) -> None:
    places = Searches(2)
    async with places.place("org_1"), places.place("org_2"):
        assert await refused(places, "org_3")
    assert not await refused(places, "org_3")


async def test_an_organization_has_one_place_and_leaves_the_others(impatient) -> None:
    places = Searches(2)
    async with places.place("org_1"):
        assert await refused(places, "org_1")
        assert not await refused(places, "org_2")
    assert not await refused(places, "org_1")


async def test_who_searches_a_lot_is_not_before_who_searches_once() -> None:
    places, order = Searches(1), []

    async def search(organization: str) -> None:
        async with places.place(organization):
            order.append(organization)

    async with AsyncExitStack() as held:
        await held.enter_async_context(places.place("org_0"))
        waiting = [asyncio.ensure_future(search(name)) for name in ("a", "a", "a", "b")]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["a", "b", "a", "a"]


async def test_who_goes_away_while_waiting_takes_no_place() -> None:
    places = Searches(1)
    async with places.place("org_1"):
        waiting = [asyncio.ensure_future(refused(places, name)) for name in ("org_1", "org_2")]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert not await refused(places, "org_2")
    assert not await refused(places, "org_1")


async def test_an_organization_that_does_not_search_is_forgotten() -> None:
    places = Searches(1)
    async with places.place("org_1"):
        pass
    assert len(places._turns) == 0
