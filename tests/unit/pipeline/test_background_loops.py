"""Background loops: they forget nothing that waits, and send nothing twice when a clock jumps."""

import asyncio

import pytest
import structlog

from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.management.replay_requests import ReplayRequest, Replays
from winnerr_webhooks.pipeline import background_loops, claimer
from winnerr_webhooks.storage.road_values import LeaseTerms


@pytest.fixture
def quick(monkeypatch) -> None:
    """Repairs and looks for changes follow each other closely."""
    monkeypatch.setattr(background_loops, "REPAIR_EVERY", 0.05)
    monkeypatch.setattr(background_loops, "AWAY_WAIT", 0.05)
    monkeypatch.setattr(background_loops, "CHANGES_EVERY", 0.05)


async def test_what_a_dead_process_had_leased_is_attempted_at_once(make_world) -> None:
    world = await make_world(start=False)
    await world.webhook()
    for _ in range(3):
        await world.storage.accept([world.event()], LeaseTerms(seconds=60))
    await world.node.start()
    calls = {(await world.egress.next()).delivery for _ in range(3)}
    assert len(calls) == 3


async def test_that_nothing_can_be_claimed_is_logged_once(make_world, monkeypatch) -> None:
    """A page of the disk that only claims read would stop all retries, and nothing else."""
    monkeypatch.setattr(background_loops, "AWAY_WAIT", 0.01)
    world = await make_world(start=False)
    tries = []

    async def fail(_claim) -> None:
        tries.append(1)
        raise Unavailable("disk I/O error")

    world.storage.before["claim"] = fail
    await world.webhook()
    await world.storage.accept([world.event()], None)
    with structlog.testing.capture_logs() as lines:
        await world.node.start()
        await world.until(lambda: len(tries) > 3)
    logged = [line for line in lines if line.get("reason") == "disk I/O error"]
    assert len(logged) == 1
    assert logged[0]["log_level"] == "warning"
    del world.storage.before["claim"]
    await world.egress.next()


async def test_claims_follow_each_other_while_lanes_with_work_have_room(
    no_polls, make_world, monkeypatch
) -> None:
    """Given 40 lanes with room for 16 each, then all they take is there before it waits."""
    done: list[int] = []
    waited = asyncio.Event()
    world = await make_world(start=False)
    for _ in range(40):
        await world.webhook()
    for _ in range(20):
        await world.storage.accept([world.event()], None)

    async def claimed(answer) -> None:
        done.append(len(answer.deliveries))

    wait_up_to = claimer.wait_up_to
    monkeypatch.setattr(claimer, "BUSY_POLL", 60.0)

    async def waits(event, seconds) -> None:
        waited.set()
        await wait_up_to(event, seconds)

    world.storage.after["claim"] = claimed
    monkeypatch.setattr(claimer, "wait_up_to", waits)
    await world.node.start()
    await asyncio.wait_for(waited.wait(), 60)
    assert done[:2] == [256, 256]
    assert sum(done) >= 40 * 16
    assert world.storage.counts["due_lanes"] == 1


async def test_a_retry_is_made_when_it_is_due(world) -> None:
    await world.webhook()
    await world.emit()
    for number in range(1, 4):
        call = await world.egress.next()
        assert call.header("X-Winnerr-Attempt") == str(number)
        call.answer(500)
    (await world.egress.next()).answer()
    await world.settled(1)


async def test_a_lease_lost_while_the_process_lives_is_freed(quick, make_world) -> None:
    """Given a lease that this process lost, when it expires, then its delivery is attempted."""
    world = await make_world()
    await world.webhook()
    await world.storage.accept([world.event()], LeaseTerms(seconds=60))
    world.clock.elapsed = 61.0
    (await world.egress.next()).answer()
    await world.settled(1)


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_jump_of_the_wall_clock_sends_nothing_twice(quick, make_world, hours) -> None:
    """Leases are measured by the clock that does not jump."""
    world = await make_world()
    await world.webhook()
    await world.emit(8)
    calls = [await world.egress.next() for _ in range(4)]
    world.clock.wall_ms = hours * 3_600_000
    for _ in range(3):
        await world.storage.reached("repair")
    world.egress.script = lambda call: call.answer()
    for call in calls:
        call.answer()
    await world.settled(8)
    assert len(world.egress.made) == 8


async def test_what_waits_is_not_late_because_the_clock_was_set_back(make_world) -> None:
    """Given work that waits in the database.

    When the clock is set back an hour, then it is attempted all the same, and so is a retry
    of it.
    """
    world = await make_world(start=False)
    await world.webhook()
    await world.storage.accept([world.event() for _ in range(3)], None)
    world.clock.wall_ms = -3_600_000
    await world.node.start()
    for _ in range(3):
        (await world.egress.next()).answer(500)
    world.egress.script = lambda call: call.answer()
    await world.settled(3)


async def test_a_stall_longer_than_the_lease_loses_nothing(quick, make_world) -> None:
    """The process slept (SIGSTOP, a suspended machine): what was queued is claimed anew."""
    world = await make_world()
    await world.webhook()
    await world.emit(8)
    calls = [await world.egress.next() for _ in range(4)]
    world.clock.elapsed = 120.0
    for call in calls:
        call.answer()
    world.egress.script = lambda call: call.answer()
    await world.settled(8)
    assert {call.delivery for call in world.egress.made} == {
        call.delivery for call in world.egress.made[:8]
    }


@pytest.mark.parametrize("verb", ["due_lanes", "repair", "changed_webhooks", "run_job_slice"])
async def test_a_fault_in_a_loop_does_not_end_it(quick, make_world, verb) -> None:
    world = await make_world()
    failed = asyncio.Event()

    async def fail(*_args) -> None:
        del world.storage.before[verb]
        failed.set()
        raise RuntimeError("a fault of ours")

    world.storage.before[verb] = fail
    await failed.wait()
    await world.storage.reached(verb)


async def test_a_claim_under_way_when_stopping_keeps_no_lease(make_world) -> None:
    """Given a claim that commits while the node stops, then its leases are released."""
    world = await make_world()
    await world.webhook()
    entered, go = asyncio.Event(), asyncio.Event()

    async def hold(*_args) -> None:
        entered.set()
        await go.wait()

    world.storage.before["claim"] = hold
    await world.storage.accept([world.event()], None)
    await entered.wait()
    world.egress.script = lambda call: call.answer()
    stopping = asyncio.ensure_future(world.node.stop())
    await asyncio.sleep(0)
    go.set()
    await stopping
    assert await world.storage.recover() == 0


async def test_an_idle_node_asks_seldom(world) -> None:
    """Nothing waits, a lane is held, a webhook is paused: no loop spins."""
    paused = await world.webhook("https://paused.example.com/")
    await world.webhook("https://held.example.com/")
    await world.storage.accept([world.event() for _ in range(50)], None)
    world.egress.script = lambda call: call.answer(429, Retry_After="3600")
    await world.egress.next()
    await world.egress.next()
    await world.change(paused, status="paused")
    loop = asyncio.get_running_loop()
    for _ in range(4):  # the last of what was under way
        await world.storage.reached("due_lanes")
    began, before = loop.time(), dict(world.storage.counts)
    for _ in range(4):
        await world.storage.reached("due_lanes")
    looks = world.storage.counts["due_lanes"] - before["due_lanes"]
    assert looks / (loop.time() - began) < 10
    assert world.storage.counts["claim"] == before["claim"]


async def test_a_retry_is_found_without_polls(no_polls, world) -> None:
    await world.webhook()
    await world.emit()
    for _ in range(3):
        (await world.egress.next()).answer(500)
    (await world.egress.next()).answer()
    await world.settled(1)


@pytest.mark.thorough
async def test_what_did_not_fit_into_memory_is_found_without_polls(no_polls, make_world) -> None:
    world = await make_world(webhook_concurrency=1)
    await world.webhook()
    world.egress.script = lambda call: call.answer()
    for _ in range(10):
        await world.emit(200)
    await world.settled(2_000)


async def test_replays_and_jobs_are_found_without_polls(no_polls, make_world) -> None:
    world = await make_world(retry_schedule=())
    webhook = await world.webhook()
    await world.emit(3)
    for _ in range(3):
        (await world.egress.next()).answer(500)
    await world.settled(3)
    deliveries = sorted({call.delivery for call in world.egress.made})
    replays = Replays(storage=world.storage, catalog=CATALOG, signals=world.node.signals)
    await replays.replay_delivery(webhook.organization, deliveries[0])
    (await world.egress.next()).answer()
    await replays.replay_many(webhook.organization, ReplayRequest(), dry_run=False)
    for _ in range(2):
        (await world.egress.next()).answer()


async def test_a_disabled_webhooks_deliveries_are_cancelled_without_polls(
    no_polls, make_world
) -> None:
    world = await make_world(webhook_concurrency=1)
    await world.webhook()
    _, *others = await world.emit(4)
    (await world.egress.next()).answer(410)
    ids = [one.leased[0].id for one in others]

    async def cancelled() -> bool:
        return all([(await world.delivery(one)).status == "cancelled" for one in ids])

    await world.until(cancelled)
