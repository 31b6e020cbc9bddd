"""Node: starts and stops in order, and shows what it is at."""

import asyncio
import re
from pathlib import Path

from winnerr_webhooks.storage.values import Claim


async def test_its_gauges_show_lanes_queue_and_attempts_under_way(world) -> None:
    await world.webhook()
    await world.emit(6)
    calls = [await world.egress.next() for _ in range(4)]
    assert world.metric("lanes") == 1
    assert world.metric("in_flight") == 4
    assert world.metric("queued") == 2
    assert world.metric("held_bytes") == 6 * len(calls[0].body)
    assert world.metric("unrecorded") == 0
    world.egress.script = lambda call: call.answer()
    for call in calls:
        call.answer()
    await world.settled(6)
    assert world.metric("in_flight") == world.metric("queued") == world.metric("held_bytes") == 0


async def test_every_metric_is_documented_and_every_documented_one_exists(world) -> None:
    page = Path(__file__).parents[3] / "docs/reference/metrics.md"
    documented = set(re.findall(r"^\| `(winnerr_webhooks_\w+)`", page.read_text(), re.MULTILINE))
    shown = re.findall(r"^# TYPE (\w+) (\w+)$", world.metrics.render().decode(), re.MULTILINE)
    assert documented == {name for name, _ in shown if not name.endswith("_created")}


async def test_leases_given_back_are_counted(world) -> None:
    await world.webhook()
    await world.emit(6)
    calls = [await world.egress.next() for _ in range(4)]
    assert world.metric("leases_given_back_total") == 0
    calls[0].answer(503, Retry_After="60")
    await world.storage.reached("give_back")
    for call in calls[1:]:
        call.answer()
    await world.settled(3)
    assert world.metric("leases_given_back_total") == 2


async def test_stopping_finishes_what_is_under_way_and_gives_back_the_rest(world) -> None:
    """Nothing is lost and nothing sent twice: the rest is free for the next process."""
    await world.webhook()
    await world.emit(10)
    calls = [await world.egress.next() for _ in range(4)]
    stopping = asyncio.ensure_future(world.node.stop())
    await world.storage.reached("give_back")
    assert not stopping.done()
    for call in calls:
        call.answer()
    await stopping
    assert len(world.egress.made) == 4
    await world.settled(4)
    assert await world.storage.recover() == 0
    claimed = await world.storage.claim(
        Claim(lease_seconds=60, limit=100, max_bytes=1 << 26, room={}, default_room=64)
    )
    assert len(claimed.deliveries) == 6
    assert {one.lease for one in claimed.deliveries} == {2}


async def test_an_attempt_that_outlasts_patience_is_left_to_the_next_process(make_world) -> None:
    world = await make_world(delivery_timeout=0.1)
    world.node._patience = 0.05
    await world.webhook()
    await world.emit()
    await world.egress.next()
    await world.node.stop()
    assert await world.storage.recover() == 1


async def test_stopping_twice_and_before_the_start_is_no_fault(make_world) -> None:
    world = await make_world(start=False)
    await world.node.stop()
    await world.node.stop()


async def test_it_is_ready_between_start_and_stop(make_world) -> None:
    world = await make_world(start=False)
    assert world.node.readiness() is not None
    await world.node.start()
    assert world.node.readiness() is None
    await world.node.stop()
    assert world.node.readiness() is not None
