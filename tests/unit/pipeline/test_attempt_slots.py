"""Attempt places: while they are scarce, organizations take turns, and then their lanes."""

import asyncio
from collections import Counter

import pytest
import structlog

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.errors import LocalShortage
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.attempt_slots import AttemptSlots
from winnerr_webhooks.pipeline.lane import Lane, LaneOwner
from winnerr_webhooks.quotas import Bound, Budget


def owner(organization: str) -> LaneOwner:
    """An organization that may hold as much memory as it wants."""
    memory = Budget(Bound("queued_bytes", 1 << 40, "bytes", "", "", ""), SystemClock())
    return LaneOwner(organization, memory, lambda _lane: None)


@pytest.fixture
def places() -> AttemptSlots:
    clock = SystemClock()
    bound = Bound("attempts", 16, "attempts", "", "", "")
    return AttemptSlots(Budget(bound, clock), Metrics(), clock)


def start(places: AttemptSlots, lane: Lane) -> bool:
    """Begin on an attempt as the dispatcher does."""
    if places.in_flight >= places.scarce_from and not places.admit_or_queue(lane):
        return False
    go(places, lane)
    return True


def go(places: AttemptSlots, lane: Lane) -> None:
    lane.owner.in_flight += 1
    places.in_flight += 1


def end(places: AttemptSlots, lane: Lane) -> None:
    lane.owner.in_flight -= 1
    places.in_flight -= 1


def test_the_last_quarter_is_for_organizations_that_hold_little(places) -> None:
    """Given 16 places, one organization has at most 12 of them, and each other one at once."""
    many = Lane("wh_1", 99, owner("org_1"))
    assert [start(places, many) for _ in range(13)] == [True] * 12 + [False]
    others = [Lane(f"wh_{number}", 99, owner(f"org_{number}")) for number in range(2, 7)]
    assert [start(places, lane) for lane in others] == [True] * 4 + [False]


def test_a_free_place_goes_to_the_next_organization_then_to_its_next_lane(places) -> None:
    first, second = owner("org_1"), owner("org_2")
    lanes = [Lane(name, 99, first) for name in "abc"] + [Lane("d", 99, second)]
    busy = Lane("busy", 99, owner("org_3"))
    while start(places, busy):
        pass
    for _ in range(4):
        go(places, busy)
    for lane in lanes:
        assert not start(places, lane)
    busy.owner.lanes_for_slot.clear()
    places.waiting_owners.popleft()
    assert places.next_in_turn() is None
    order = []
    for _ in range(8):
        end(places, busy)
        while (lane := places.next_in_turn()) is not None:
            go(places, lane)
            order.append(lane.webhook_id)
    assert order == ["a", "d", "b", "c"]
    assert not places.waiting_owners


def test_while_the_receivers_of_thirty_organizations_hang_a_quick_one_finds_a_place() -> None:
    clock = SystemClock()
    bound = Bound("attempts", 384, "attempts", "", "", "")
    places = AttemptSlots(Budget(bound, clock), Metrics(), clock)
    lanes = [Lane(f"wh_{number}", 99, owner(f"org_{number}")) for number in range(30)]
    while sum(start(places, lane) for lane in lanes):
        pass
    quick = Lane("quick", 99, owner("org_quick"))
    for _ in range(100):
        assert start(places, quick)
        end(places, quick)
        assert places.next_in_turn() is None


# --- in a node ------------------------------------------------------------------------------------


async def test_no_more_attempts_are_in_flight_than_their_budget_allows(make_world) -> None:
    """Given 40 hanging receivers and 16 places, then the rest waits, and all are attempted."""
    world = await make_world(limits={"attempts": 16})
    for number in range(40):
        await world.webhook(f"https://hang{number}.example.com/")
    await world.emit()
    calls = [await world.egress.next() for _ in range(12)]
    assert world.dispatcher.in_flight == 12
    assert world.dispatcher.queues.queued == 28
    assert world.metric('budget_in_use{budget="attempts"}') == 12
    assert world.metric('budget_refused_total{budget="attempts"}') >= 1
    for call in calls:
        call.answer()
        assert world.dispatcher.in_flight <= 12
        calls.append(await world.egress.next()) if len(calls) < 40 else None
    await world.settled(40)
    assert len(world.egress.made) == 40
    assert world.dispatcher.in_flight == 0


async def test_an_outage_of_one_organization_leaves_places_for_the_others(make_world) -> None:
    """Given more hanging receivers of one organization than there are places.

    When another organization's event comes, then it is attempted at once.
    """
    world = await make_world(limits={"attempts": 16})
    for number in range(40):
        await world.webhook(f"https://hang{number}.example.com/", organization="org_2")
    await world.webhook("https://healthy.example.com/")
    await world.emit(organization="org_2")
    for _ in range(12):
        await world.egress.next()
    await world.emit()
    call = await world.egress.next()
    assert call.destination.host == "healthy.example.com"


async def test_organizations_take_turns_for_places(make_world) -> None:
    """Given two organizations with much to send, then places go to each of them alike."""
    world = await make_world(limits={"attempts": 8})
    for number in range(20):
        for organization in ("org_1", "org_2"):
            await world.webhook(
                f"https://{organization.replace('_', '')}-{number}.example.com/",
                organization=organization,
            )
    for organization in ("org_1", "org_2"):
        await world.emit(organization=organization)
    waiting = world.dispatcher._slots.waiting_owners
    await world.until(lambda: {share.organization for share in waiting} == {"org_1", "org_2"})
    made: Counter[str] = Counter()
    for _ in range(24):
        call = await world.egress.next()
        made[call.destination.host.partition("-")[0]] += 1
        call.answer()
        await asyncio.sleep(0)
    assert abs(made["org1"] - made["org2"]) <= 8


async def test_used_up_ports_to_one_receiver_hold_its_lane_and_nobody_else(make_world) -> None:
    """Ports are used up to one address and port; to any other there are as many as before."""
    world = await make_world()
    crowded = await world.webhook("https://crowded.example.com/")
    await world.webhook("https://quick.example.com/", organization="org_2")

    def script(call) -> None:
        if call.destination.host.startswith("crowded"):
            call.exchange.set_exception(LocalShortage("EADDRNOTAVAIL"))
        else:
            call.answer()

    world.egress.script = script
    await world.emit()
    await world.until(lambda: world.dispatcher.queues.lanes[crowded.id].hold is not None)
    await world.emit(organization="org_2")
    await world.settled(1)
    assert (
        world.dispatcher.queues.lanes[crowded.id].hold is not None
    )  # the other did not wait for its end


async def test_what_this_machine_lacks_is_no_attempt_and_costs_no_retry(make_world) -> None:
    """Given a machine out of descriptors, for more than five leases of each delivery.

    When it has some again, then each delivery's first attempt is made, and none was recorded
    before.
    """
    world = await make_world()
    webhook = await world.webhook()
    lacking = True

    def script(call) -> None:
        if lacking:
            call.exchange.set_exception(LocalShortage("EMFILE"))
        else:
            call.answer()

    world.egress.script = script
    with structlog.testing.capture_logs() as lines:
        answers = await world.emit(3)
        for _ in range(7):
            world.dispatcher._recover()
            await world.storage.reached("release")
        lane = world.dispatcher.queues.lanes[webhook.id]
        assert lane.window == 4
        lacking = False
        world.dispatcher._recover()
        await world.settled(3)
    for answer in answers:
        (delivery,) = (await world.storage.event("org_1", answer.id)).deliveries
        attempts = (await world.delivery(delivery.id)).attempts
        assert [(one.attempt, one.outcome) for one in attempts] == [(1, "succeeded")]
    logged = [line for line in lines if line.get("lack") == "EMFILE"]
    assert len(logged) == 1
    assert "LimitNOFILE" in logged[0]["then"]
    assert world.metric('local_shortages_total{lack="EMFILE"}') >= 8


async def test_after_a_shortage_nothing_starts_until_an_attempt_has_ended(
    make_world, monkeypatch
) -> None:
    """Given two attempts in flight when descriptors are used up.

    Then more work starts none, and when one of the two ends, just one starts.
    """
    monkeypatch.setattr("winnerr_webhooks.pipeline.dispatch.SHORTAGE_SECONDS", 3_600.0)
    world = await make_world()
    for number in range(4):
        await world.webhook(f"https://hook{number}.example.com/", organization=f"org_{number}")
    for number in (0, 1):
        await world.emit(organization=f"org_{number}")
    first, _ = await world.egress.next(), await world.egress.next()

    def lack(call) -> None:
        world.egress.script = None
        call.exchange.set_exception(LocalShortage("EMFILE"))

    world.egress.script = lack
    await world.emit(organization="org_2")
    await world.egress.next()
    await world.until(lambda: world.metric("leases_given_back_total") == 1)
    await world.emit(organization="org_3")
    await world.storage.reached("due_lanes")
    assert world.dispatcher.in_flight == 2
    assert len(world.egress.made) == 3
    first.answer()
    await world.egress.next()
    assert world.dispatcher.in_flight == 2
    await world.storage.reached("due_lanes")
    assert len(world.egress.made) == 4
