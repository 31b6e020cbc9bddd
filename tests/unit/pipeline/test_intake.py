"""Intake: accepted means on disk, with its deliveries; refused means nothing was kept."""

import asyncio
import threading

import apsw
import pytest

from winnerr_webhooks.domain.errors import Poisoned, Unavailable


async def test_an_accepted_event_is_in_the_database_when_the_answer_comes(make_world) -> None:
    world = await make_world(start=False)
    await world.webhook()
    (accepted,) = await world.emit()
    stored = await world.storage.event("org_1", accepted.id)
    assert [one.status for one in stored.deliveries] == ["pending"]


async def test_a_full_disk_refuses_events_until_there_is_room(world) -> None:
    """Given a database that can grow no further.

    Then events get `Unavailable` and leave nothing; when there is room again, then they are
    taken.
    """
    storage = world.storage.storage

    def limit(db) -> int:
        pages = db.apsw.pragma("page_count")
        return db.apsw.pragma("max_page_count", pages)

    await storage._threads.write(limit)
    for _ in range(20):
        with pytest.raises(Unavailable, match="full") as refusal:
            await world.emit(size=100_000)
        assert refusal.value.retry_after > 0
    await storage._threads.write(lambda db: db.apsw.pragma("max_page_count", 1 << 30))
    await world.emit(size=100_000)
    count = await storage._threads.read(
        lambda db: db.apsw.execute("SELECT count(*) FROM event").fetchone()
    )
    assert count == (1,)


async def test_who_waits_for_the_next_commit_is_refused_with_one_that_fails(
    world, monkeypatch
) -> None:
    """It would take as long again, and no answer may take so long."""
    storage = world.storage.storage
    await storage._threads.write(
        lambda db: db.apsw.pragma("max_page_count", db.apsw.pragma("page_count"))
    )
    tried = []
    accept = storage.accept

    async def watched(events, lease, _late, **_options):
        tried.append(len(events))
        if len(tried) == 1:
            late.extend(asyncio.ensure_future(world.emit(size=100_000)) for _ in range(3))
            await asyncio.sleep(0)  # they take their places
        return await accept(events, lease)  # nobody joins: it has begun when they come

    late: list[asyncio.Future] = []
    monkeypatch.setattr(storage, "accept", watched)
    with pytest.raises(Unavailable, match="full"):
        await world.emit(size=100_000)
    answers = await asyncio.gather(*late, return_exceptions=True)
    assert [type(one) for one in answers] == [Unavailable] * 3
    assert tried == [1]
    assert world.budgets.accept_bytes.in_use == 0


def share_of(world, name: str, share: int) -> None:
    """Give every organization so much of a budget."""
    budget = getattr(world.budgets, name)
    budget.bound = budget.bound._replace(quota=share, limit=2 * share)


@pytest.mark.parametrize(("budget", "share"), [("accept_events", 3), ("accept_bytes", 3 * 100_200)])
async def test_an_organization_has_a_share_of_what_may_wait(world, budget, share) -> None:
    """Given one that has more to store than its share.

    Then the rest is refused with the organization named, others are accepted, and room comes back.
    """
    share_of(world, budget, share)
    events = [world.event(size=100_000) for _ in range(6)]
    others = world.event(size=100_000, organization="org_2")
    answers, (other,) = await asyncio.gather(
        world.node.intake.accept_many(events), world.node.intake.accept_many([others])
    )
    refused = [one for one in answers if isinstance(one, Unavailable)]
    assert len(refused) == 3
    assert all("organization org_1" in one.detail for one in refused)
    assert other.id == others.id
    assert world.budgets.accept_bytes.in_use == world.budgets.accept_events.in_use == 0
    await world.emit(3, size=100_000)


async def test_when_all_may_wait_that_may_the_service_says_that_it_is_its_own(world) -> None:
    share_of(world, "accept_events", 3)
    events = [world.event(organization=f"org_{n % 3}") for n in range(9)]
    answers = await world.node.intake.accept_many(events)
    refused = [one for one in answers if isinstance(one, Unavailable)]
    assert len(refused) == 3
    assert all("this service" in one.detail for one in refused)


async def test_a_poisoned_event_is_refused_alone_and_its_bytes_are_let_go(world) -> None:
    await world.webhook()
    good, bad = world.event(), world.event()

    async def refuse(events, *_args, **_options) -> None:
        if any(one.id == bad.id for one in events):
            raise Poisoned("no")

    world.storage.before["accept"] = refuse
    answers = await world.node.intake.accept_many([good, bad, world.event()])
    assert [isinstance(one, Poisoned) for one in answers] == [False, True, False]
    assert world.budgets.accept_bytes.in_use == 0


async def test_a_fault_of_ours_with_one_event_is_its_callers_alone(world) -> None:
    good, bad, other = events = [world.event() for _ in range(3)]

    async def fail(taken, *_args, **_options) -> None:
        if any(one.id == bad.id for one in taken):
            raise apsw.SQLError("a fault of ours")

    world.storage.before["accept"] = fail
    answers = [world.node.intake.accept(event) for event in events]
    first, fault, last = await asyncio.gather(*answers, return_exceptions=True)
    assert (first.id, last.id) == (good.id, other.id)
    assert isinstance(fault, apsw.SQLError)
    assert world.budgets.accept_bytes.in_use == 0


async def test_an_event_whose_deliveries_cannot_be_handed_on_is_accepted_once(
    world, monkeypatch
) -> None:
    """It is on disk by then: its caller gets the answer, and its leases expire."""
    await world.webhook()

    def fail(_deliveries) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(world.dispatcher, "add_accepted", fail)
    answers = await world.emit(3)
    assert [one.deliveries for one in answers] == [1, 1, 1]
    assert world.storage.counts["accept"] == 1


async def test_a_caller_that_goes_away_does_not_lose_the_event(world) -> None:
    await world.webhook()
    entered, go = asyncio.Event(), asyncio.Event()

    async def hold(*_args) -> None:
        entered.set()
        await go.wait()

    world.storage.before["accept"] = hold
    caller = asyncio.ensure_future(world.node.intake.accept(world.event()))
    await entered.wait()
    caller.cancel()
    go.set()
    (await world.egress.next()).answer()
    await world.settled(1)


async def test_stopping_answers_what_was_taken_and_takes_nothing_more(make_world) -> None:
    world = await make_world(start=False)
    await world.webhook()
    entered, go = asyncio.Event(), asyncio.Event()

    async def hold(*_args) -> None:
        entered.set()
        await go.wait()

    world.storage.before["accept"] = hold
    taken = asyncio.ensure_future(world.node.intake.accept(world.event()))
    await entered.wait()
    closing = asyncio.ensure_future(world.node.intake.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await world.node.intake.accept(world.event())
    go.set()
    await closing
    assert (await taken).deliveries == 1


async def test_more_than_a_lane_takes_is_delivered_all_the_same(world) -> None:
    """A batch of hundreds for one webhook: part of it waits in the database, all of it arrives."""
    await world.webhook()
    world.egress.script = lambda call: call.answer()
    await world.emit(300)
    await world.settled(300)
    assert len(world.egress.made) == 300
    assert world.budgets.queued_bytes.used == 0


async def test_who_comes_while_a_commit_waits_for_its_turn_joins_it(world) -> None:
    """Given a writer that is at something else.

    When more events come than the first one's commit was begun with, then all are stored by it.
    """
    await world.webhook()
    entered, opened = threading.Event(), threading.Event()

    def hold(_db) -> None:
        entered.set()
        assert opened.wait(10)

    held = asyncio.ensure_future(world.storage.storage._threads.write(hold))
    await asyncio.to_thread(entered.wait, 10)
    emitting = [asyncio.ensure_future(world.emit())]
    await world.until(lambda: world.storage.counts.get("accept") == 1)
    emitting += [asyncio.ensure_future(world.emit()) for _ in range(3)]
    await world.until(lambda: len(world.node.intake._express._queue) == 3)
    opened.set()
    answers = await asyncio.gather(*emitting)
    await held
    assert world.storage.counts["accept"] == 1
    assert len({one.id for (one,) in answers}) == 4
    calls = [await world.egress.next() for _ in range(4)]
    assert {f"evt_{call.delivery[4:-4]}" for call in calls} == {one.id for (one,) in answers}
    assert world.budgets.accept_bytes.in_use == 0
