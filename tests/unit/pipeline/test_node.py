"""Node: starts and stops in order, and shows what it is at."""

import asyncio
import re
from copy import copy
from pathlib import Path

import pytest
import structlog


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
    ours = {name for name, _ in shown if name.startswith("winnerr_webhooks_")}
    assert documented == {name for name in ours if not name.endswith("_created")}


async def test_leases_released_are_counted(world) -> None:
    await world.webhook()
    await world.emit(6)
    calls = [await world.egress.next() for _ in range(4)]
    assert world.metric("leases_given_back_total") == 0
    calls[0].answer(503, Retry_After="60")
    await world.storage.reached("release")
    for call in calls[1:]:
        call.answer()
    await world.settled(3)
    assert world.metric("leases_given_back_total") == 2


async def test_stopping_finishes_what_is_under_way_and_releases_the_rest(world) -> None:
    """Nothing is lost and nothing sent twice: the rest is free for the next process."""
    await world.webhook()
    await world.emit(10)
    calls = [await world.egress.next() for _ in range(4)]
    stopping = asyncio.ensure_future(world.node.stop())
    await world.storage.reached("release")
    assert not stopping.done()
    for call in calls:
        call.answer()
    await stopping
    assert len(world.egress.made) == 4
    await world.settled(4)
    assert await world.storage.recover() == 0
    claimed = await world.claimed()
    assert len(claimed.deliveries) == 6
    assert {one.lease for one in claimed.deliveries} == {2}


async def test_an_attempt_that_outlasts_patience_is_left_to_the_next_process(make_world) -> None:
    world = await make_world(delivery_timeout=0.1)
    world.node._longest_attempt = 0.05
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


# --- roles ----------------------------------------------------------------------------------------


@pytest.fixture
async def nodes(make_world):
    """A node that only accepts and one that only delivers, on one database."""
    api = await make_world(role="api")
    deliver = type(api)(api.storage.storage, api.clock, role="deliver")
    await deliver.node.start()
    yield api, deliver
    deliver.egress.script = lambda call: call.exchange.done() or call.answer()
    await deliver.node.stop()


async def test_a_node_that_only_accepts_leases_and_attempts_nothing(make_world) -> None:
    api = await make_world(role="api")
    await api.webhook()
    (accepted,) = await api.emit()
    assert (accepted.deliveries, accepted.leased) == (1, ())
    await api.node.intake.send_test(api.event(), (await api.storage.webhooks("org_1"))[0].id)
    await api.node.stop()
    assert api.egress.made == []
    assert (
        not {"claim", "repair", "recover", "run_job_slice", "run_retention_slice"}
        & api.storage.counts.keys()
    )
    claimed = await api.claimed()
    assert len(claimed.deliveries) == 2
    assert {one.lease for one in claimed.deliveries} == {1}


async def test_what_one_node_accepts_another_delivers(nodes) -> None:
    api, deliver = nodes
    await api.webhook()
    await api.emit(20)
    deliver.egress.script = lambda call: call.answer()
    await deliver.settled(20)
    assert len(deliver.egress.made) == 20
    assert api.egress.made == []


async def test_a_test_and_a_replay_asked_for_at_one_node_are_made_by_another(nodes) -> None:
    api, deliver = nodes
    hook = await api.webhook()
    deliver.egress.script = lambda call: call.answer(500)
    await api.emit()
    await deliver.settled(1)
    deliver.egress.script = lambda call: call.answer()
    delivery = deliver.egress.made[0].delivery
    api.node.signals.work_requested(await api.storage.replay("org_1", delivery))
    await deliver.until(lambda: len(deliver.egress.made) == 5)
    await api.node.intake.send_test(api.event(), hook.id)
    await deliver.settled(2)
    assert "X-Winnerr-Test: true" in deliver.egress.made[-1].head


async def test_a_webhook_changed_at_one_node_is_followed_by_another(nodes) -> None:
    api, deliver = nodes
    hook = await api.webhook()
    deliver.egress.script = lambda call: call.answer()
    await api.emit()
    await deliver.settled(1)
    await api.change(hook, url="https://elsewhere.example.com/")
    await api.emit()
    await deliver.settled(2)
    assert deliver.egress.made[-1].destination.host == "elsewhere.example.com"


async def test_a_pause_at_one_node_is_carried_out_by_another(nodes) -> None:
    api, deliver = nodes
    hook = await api.webhook()
    await api.emit(40)  # more than fit into the other's lane
    call = await deliver.egress.next()
    await api.change(hook, status="paused")
    for one in [call, *deliver.egress.made]:
        if not one.exchange.done():
            one.answer()
    deliver.egress.script = lambda call: call.answer()

    async def all_is_settled() -> bool:
        return (await api.storage.figures()).pending == 0

    await deliver.until(all_is_settled)
    assert await api.storage.cancelled("org_1", hook.id) > 0


async def test_a_node_stops_delivering_at_once_while_it_still_accepts(world) -> None:
    """Other nodes take over while requests under way are answered; what comes now is theirs."""
    await world.webhook()
    await world.emit(10)
    calls = [await world.egress.next() for _ in range(4)]
    stopping = asyncio.ensure_future(world.node.stop_delivering())
    await world.storage.reached("release")
    assert world.node.readiness() is not None
    (late,) = await world.emit()
    assert (late.deliveries, late.leased) == (1, ())
    for call in calls:
        call.answer()
    await stopping
    await world.node.stop()
    assert len(world.egress.made) == 4
    assert await world.storage.recover() == 0, "no lease is left behind"


async def test_what_was_being_accepted_when_delivery_stopped_is_released(world) -> None:
    await world.webhook()
    committing, go = asyncio.Event(), asyncio.Event()

    async def hold(*_args: object) -> None:
        committing.set()
        await go.wait()

    world.storage.before["accept"] = hold
    caller = asyncio.ensure_future(world.emit())
    await committing.wait()
    await world.node.stop_delivering()
    stopping = asyncio.ensure_future(world.node.stop())
    go.set()
    (accepted,) = await caller
    await stopping
    assert len(accepted.leased) == 1
    assert world.egress.made == []
    assert await world.storage.recover() == 0, "no lease is left behind"


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.thorough
async def test_a_hundred_thousand_leases_are_released_by_a_few_statements(world) -> None:
    """A stop has seconds for them; at 500 a statement it took 25 s on a small machine."""
    webhook = await world.webhook()
    answers = await world.storage.accept([world.event()], world.dispatcher.lease_terms())
    (delivery,) = answers[0].leased
    count = 100_000

    def multiply(db) -> None:
        columns = "organization, event, test, epoch, accepted_at, due_at, lease_until, lease"
        more = "idle_leases, attempts, retries_used, retry_at, replay, finished"
        db.apsw.execute(
            f"INSERT INTO pending (webhook_id, delivery_id, {columns}, {more})"
            f" WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {count})"
            f" SELECT webhook_id, format('dlv_%026d0001', x), {columns}, {more} FROM n, pending"
        )

    await world.storage.storage._threads.write(multiply)
    for number in range(1, count + 1):
        one = copy(delivery)
        one.id = f"dlv_{number:026}0001"
        world.dispatcher.queues.releaser.add(one)
    await world.node.stop()
    assert world.storage.counts["release"] <= 25
    assert world.metric("leases_given_back_total") == count
    free = await world.storage.storage._threads.read(
        lambda db: db.apsw.execute(
            "SELECT count(*) FROM pending WHERE lease_until IS NULL AND webhook_id = ?",
            (webhook.id,),
        ).fetchone()
    )
    assert free[0] == count


async def test_a_stop_records_what_was_attempted_before_it_waits_for_leases(make_world) -> None:
    """Given leases that cannot be released, when the node stops, then attempts are recorded."""
    world = await make_world(delivery_timeout=1.0)
    world.node.budgets.stop_seconds = 4.0
    await world.webhook()
    await world.emit(8)
    calls = [await world.egress.next() for _ in range(4)]
    never = asyncio.Event()

    async def hang(_batch) -> None:
        await never.wait()

    world.storage.before["release"] = hang
    stopping = asyncio.ensure_future(world.node.stop())
    await world.until(lambda: world.dispatcher.queues.queued == 0)
    for call in calls:
        call.answer()
    with structlog.testing.capture_logs() as lines:
        async with asyncio.timeout(60):
            await stopping
    assert [line["deliveries"] for line in lines if "not released" in line["event"]] == [4]
    await world.settled(4)
    never.set()
