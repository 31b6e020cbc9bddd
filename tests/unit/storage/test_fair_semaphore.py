"""Few slots, a quota for each organization, and no caller waits for the longest queue."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.quotas import Bound, Budget
from winnerr_webhooks.storage import fair_semaphore
from winnerr_webhooks.storage.fair_semaphore import FairSemaphore


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(fair_semaphore, "WAIT_SECONDS", 0.01)


async def refused(slots: FairSemaphore, organization: str) -> bool:
    try:
        async with slots.slot(organization):
            return False
    except Unavailable as refusal:
        return refusal.retry_after > 0


async def order_of(slots: FairSemaphore, names: list[str], *, hold: int = 1) -> list[str]:
    """In which order calls get their slot that came in that order while all slots were held."""
    order = []

    async def work(organization: str) -> None:
        async with slots.slot(organization):
            order.append(organization)
            await asyncio.sleep(0)

    async with AsyncExitStack() as held:
        for n in range(hold):
            await held.enter_async_context(slots.slot(f"org_{n}"))
        waiting = [asyncio.ensure_future(work(name)) for name in names]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    return order


async def test_no_more_than_so_many_at_once(impatient) -> None:
    slots = FairSemaphore(2)
    async with slots.slot("org_1"), slots.slot("org_2"):
        assert await refused(slots, "org_3")
    assert not await refused(slots, "org_3")


async def test_an_organization_has_its_quota_and_leaves_the_rest(impatient) -> None:
    slots = FairSemaphore(4, 2)
    async with slots.slot("org_1"), slots.slot("org_1"):
        assert await refused(slots, "org_1")
        assert not await refused(slots, "org_2")
    assert not await refused(slots, "org_1")


async def test_many_calls_do_not_go_before_a_single_one() -> None:
    assert await order_of(FairSemaphore(1), ["a", "a", "a", "b"]) == ["a", "b", "a", "a"]


async def test_organizations_take_turns_whatever_the_length_of_their_queues() -> None:
    order = await order_of(FairSemaphore(1), ["a"] * 4 + ["b"] * 2 + ["c"])
    assert order == ["a", "b", "c", "a", "b", "a", "a"]


async def test_with_a_larger_quota_organizations_still_take_turns() -> None:
    order = await order_of(FairSemaphore(2, 2), ["a"] * 4 + ["b"] * 2, hold=2)
    assert order == ["a", "b", "a", "b", "a", "a"]


async def test_a_new_organization_goes_before_the_rest_of_a_long_queue() -> None:
    slots, order = FairSemaphore(1), []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(organization: str) -> None:
        async with slots.slot(organization):
            order.append(organization)
            begun.set()
            await go_on.wait()

    many = [asyncio.ensure_future(work("a")) for _ in range(3)]
    await begun.wait()
    one = asyncio.ensure_future(work("b"))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*many, one)
    assert order == ["a", "b", "a", "a"]


async def test_a_caller_that_leaves_while_waiting_takes_no_slot() -> None:
    slots = FairSemaphore(1)
    async with slots.slot("org_1"):
        waiting = [asyncio.ensure_future(refused(slots, name)) for name in ("org_1", "org_2")]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert not await refused(slots, "org_2")
    assert not await refused(slots, "org_1")


async def test_a_caller_that_leaves_as_its_slot_comes_passes_it_on() -> None:
    slots = FairSemaphore(1)
    async with AsyncExitStack() as held:
        await held.enter_async_context(slots.slot("org_1"))
        leaving = asyncio.ensure_future(refused(slots, "org_2"))
        staying = asyncio.ensure_future(refused(slots, "org_3"))
        await asyncio.sleep(0)
        await held.aclose()
        leaving.cancel()
        assert not await staying
    assert slots.in_use == 0


async def test_a_slot_is_not_lost_on_a_caller_that_leaves_just_before_it_comes() -> None:
    slots = FairSemaphore(1)
    async with AsyncExitStack() as held:
        await held.enter_async_context(slots.slot("org_1"))
        leaving = asyncio.ensure_future(refused(slots, "org_2"))
        await asyncio.sleep(0)
        leaving.cancel()  # it has not heard of it yet
        await held.aclose()
    await asyncio.gather(leaving, return_exceptions=True)
    assert slots.in_use == 0
    assert not await refused(slots, "org_3")


async def test_an_organization_that_does_not_read_is_forgotten() -> None:
    slots = FairSemaphore(1)
    await order_of(slots, ["a", "a", "b"])
    assert not slots._held
    assert not slots._waiting


async def test_a_budget_shows_the_slots_in_use_and_counts_refusals(impatient) -> None:
    bound = Bound("page_reads", 2, "reads at once", "constant", "storage", "It waits.", quota=1)
    budget = Budget(bound, SystemClock())
    slots = FairSemaphore.of(budget)
    async with slots.slot("org_1"):
        assert budget.in_use == 1
        assert await refused(slots, "org_1")
    assert (budget.in_use, budget.refused) == (0, 1)
