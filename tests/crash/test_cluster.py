"""Many nodes on PostgreSQL, and what may happen to any of them, or to the database, at any time.

What is promised: everything answered 202 is delivered at least once, and a repeat is only of what
a process that died, or stood still for longer than its lease, had in flight. That bound is exact
here, not estimated: see `cluster`.
"""

import asyncio
import random

import pytest
from tests.crash.cluster import HURRIED, Cluster, Found, cluster_on, compare, one_on_sqlite

ROLES = ("api", "api", "deliver", "deliver", "deliver")
ORGANIZATIONS = 10
FAILING = "org_9"
LEASE = 60.0
REPAIRED = 65.0
"""Seconds until a lease that ran out is seen by the latest: two looks, and their jitter."""


@pytest.fixture
async def durable(make_postgres):
    """A PostgreSQL server of the test's own that writes through to the disk."""
    return await asyncio.to_thread(make_postgres, durable=True)


async def new_url(server) -> str:
    return server.url(await server.create_database())


async def receivers(cluster: Cluster, delay: float, **of_one: int) -> None:
    """Have all receivers take their time, so that much is in flight, and one do more than that."""
    for number in range(ORGANIZATIONS):
        await cluster.traffic.plan(f"org_{number}", delay=delay)
    await cluster.traffic.plan(FAILING, delay=delay, **of_one)


async def judged(cluster: Cluster, *sent) -> Found:
    """Everything answered 202 arrived, once in the database, and ended as `delivered`."""
    found = compare(sent, await cluster.traffic.taken())
    assert not found.lost, f"{len(found.lost)} of {found.accepted} lost, such as {found.lost[:5]}"
    assert await cluster.count("SELECT count(*) FROM event") == found.accepted
    states = dict(await cluster.store.rows("SELECT status, count(*) FROM delivery GROUP BY status"))
    assert states == {"delivered": found.accepted}, states
    return found


async def every_repeat_was_in_flight(cluster: Cluster, found: Found) -> tuple[int, ...]:
    """Each repeat is of what a stopped process had in flight; how much each of them had."""
    for first, again in found.repeats:
        assert any(flight.had(first) for flight in cluster.flights), (first, again)
    taken = await cluster.traffic.taken()
    return tuple(len(flight.deliveries(taken)) for flight in cluster.flights)


# --- the short one, of `make thorough` ----------------------------------------------------------


RATE = 200
"""Events a second."""


@pytest.mark.timeout(180)
@pytest.mark.thorough
async def test_kills_and_a_crashing_database_lose_nothing(durable, tmp_path) -> None:
    """Without a kill no repeat; with kills only of what was in flight; and a database crashes."""
    rng = random.Random(7)
    async with cluster_on(
        await new_url(durable), tmp_path, DELIVERY_TIMEOUT="4", RETRY_SCHEDULE="0.5,1,2"
    ) as cluster:
        await cluster.start(ROLES, program=HURRIED, organizations=ORGANIZATIONS)
        await receivers(cluster, 0.1, first=500)
        orders = {"organizations": ORGANIZATIONS}
        calm = await cluster.load(RATE, 3, **orders)
        await cluster.settled(60)
        assert not (await judged(cluster, calm)).repeats

        loading = cluster.load(RATE, 10, first=10_000, **orders)
        victims = await cluster.kill_some(3, 2.5, rng)
        killed = await loading

        loading = cluster.load(RATE, 6, first=20_000, **orders)
        for _ in range(2):
            await asyncio.to_thread(durable.stop, "immediate")
            await asyncio.to_thread(durable.start)
            await resumed(cluster)
        crashed = await loading
        await cluster.settled(90)
        found = await judged(cluster, calm, killed, crashed)
        flights = await every_repeat_was_in_flight(cluster, found)
        assert all(wait for sent in (killed, crashed) for _, _, wait in sent.refused)
    print(
        f"{found.accepted} accepted, killed {dict(victims)}, {len(found.repeats)} repeats of "
        f"{flights} in flight, {len(crashed.refused)} answers of 503 in {crashed.slowest:.1f} s"
    )


async def resumed(cluster: Cluster) -> None:
    """Return when the receiver gets something that it did not get before."""
    before = await cluster.traffic.count()
    async with asyncio.timeout(60):
        while await cluster.traffic.count() < before + 20:
            await asyncio.sleep(0.05)


# --- the long ones ------------------------------------------------------------------------------


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_a_random_process_is_killed_every_two_seconds(durable, tmp_path) -> None:
    """Every 202 is delivered; repeats are of what the killed ones had in flight, and no other."""
    async with cluster_on(
        await new_url(durable), tmp_path, DELIVERY_TIMEOUT="10", RETRY_SCHEDULE="1,2,4"
    ) as cluster:
        await cluster.start(ROLES, organizations=ORGANIZATIONS)
        await receivers(cluster, 0.05, first=500)
        loading = cluster.load(1000, 60, organizations=ORGANIZATIONS)
        victims = await cluster.kill_some(30, 2.0, random.Random(1))
        sent = await loading
        await cluster.settled(LEASE + REPAIRED + 60)
        found = await judged(cluster, sent)
        flights = await every_repeat_was_in_flight(cluster, found)
    assert len(found.repeats) <= sum(flights)
    print(
        f"{found.accepted} accepted, {found.requests} requests, killed {dict(victims)}; in flight "
        f"in the killed {sum(flights)} (at most {max(flights)}), repeated {len(found.repeats)}; "
        f"calls broken {sent.broken}, given up {sent.overdue}, 503 {len(sent.refused)}, repeats "
        f"answered with the first answer {sent.repeats}, slowest answer {sent.slowest:.2f} s"
    )


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_without_kills_nothing_is_sent_twice(durable, tmp_path) -> None:
    """A receiver that always answers in time gets each delivery exactly once."""
    async with cluster_on(await new_url(durable), tmp_path, DELIVERY_TIMEOUT="10") as cluster:
        await cluster.start(ROLES, organizations=ORGANIZATIONS)
        await receivers(cluster, 0.05)
        sent = await cluster.load(1000, 60, organizations=ORGANIZATIONS)
        await cluster.settled(120)
        found = await judged(cluster, sent)
        assert not found.repeats, found.repeats[:3]
        assert found.requests == found.accepted
    print(f"{found.accepted} accepted, {found.requests} requests, slowest {sent.slowest:.2f} s")


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_a_node_that_stood_still_longer_than_its_lease_does_no_harm(
    durable, tmp_path
) -> None:
    """One that accepts and one that delivers are stopped with SIGSTOP, outlived, and go on."""
    async with cluster_on(await new_url(durable), tmp_path, DELIVERY_TIMEOUT="10") as cluster:
        await cluster.start(ROLES, organizations=ORGANIZATIONS)
        await receivers(cluster, 0.2)
        loading = cluster.load(200, LEASE + REPAIRED + 30, organizations=ORGANIZATIONS)
        await resumed(cluster)
        frozen = [cluster.nodes[0], await cluster.busiest()]
        for node in frozen:
            await cluster.freeze(node)
        thawed_at = await outlived(cluster)
        for node in frozen:
            node.thaw()
        sent = await loading
        await cluster.settled(120)
        found = await judged(cluster, sent)
        taken = await cluster.traffic.taken()
        flight = cluster.flights[1]
        late = await sent_by(cluster, frozen[1], flight, thawed_at)
        for first, again in found.repeats:
            assert flight.had(first) or again in late, (first, again)
        bound = len(flight.deliveries(taken)) + len(late)
        assert len(found.repeats) <= bound
        assert bound, "it had nothing to do"
        assert await works_again(cluster, frozen)
    print(
        f"{found.accepted} accepted, {len(found.repeats)} repeats, in flight when stopped "
        f"{len(flight.deliveries(taken))}, sent late {len(late)}, leased then {len(flight.leased)}"
    )


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_an_embedded_node_that_stood_still_longer_than_its_lease_does_no_harm(
    tmp_path,
) -> None:
    """The same of the one process on an SQLite file: nobody is there to take over meanwhile."""
    async with one_on_sqlite(tmp_path, DELIVERY_TIMEOUT="10") as cluster:
        await cluster.start(["all"], organizations=ORGANIZATIONS)
        await receivers(cluster, 0.2)
        loading = cluster.load(200, 20, organizations=ORGANIZATIONS)
        await resumed(cluster)
        (node,) = cluster.nodes
        flight = await cluster.freeze(node)
        loop = asyncio.get_running_loop()
        while loop.time() < flight.at + LEASE + 10:
            await asyncio.sleep(1)
        thawed_at = loop.time()
        node.thaw()
        sent = await loading
        await cluster.settled(LEASE + REPAIRED)
        found = await judged(cluster, sent)
        taken = await cluster.traffic.taken()
        late = await sent_by(cluster, node, flight, thawed_at)
        for first, again in found.repeats:
            assert flight.had(first) or again in late, (first, again)
        assert await node.terminate() == 0
    print(
        f"{found.accepted} accepted, {len(found.repeats)} repeats, in flight when stopped "
        f"{len(flight.deliveries(taken))}, calls given up {sent.overdue}"
    )


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_the_database_crashes_ten_times_under_load(durable, tmp_path) -> None:
    """Nothing answered 202 is lost; 503 with Retry-After within 2 s meanwhile; all resume."""
    rng = random.Random(3)
    outages = []
    async with cluster_on(await new_url(durable), tmp_path, DELIVERY_TIMEOUT="10") as cluster:
        await cluster.start(ROLES, organizations=ORGANIZATIONS)
        await receivers(cluster, 0.05)
        loading = cluster.load(300, 90, organizations=ORGANIZATIONS)
        loop = asyncio.get_running_loop()
        for number in range(10):
            await resumed(cluster)
            gone_at = loop.time()
            await asyncio.to_thread(durable.stop, "immediate")
            await asyncio.sleep(rng.uniform(3, 5) if number % 2 else rng.uniform(0, 1))
            await asyncio.to_thread(durable.start)
            back_at = loop.time()
            await resumed(cluster)
            outages.append((gone_at, back_at, loop.time()))
        sent = await loading
        await cluster.settled(LEASE + REPAIRED + 60)
        found = await judged(cluster, sent)
        for first, again in found.repeats:
            assert any(first.at - 1 <= gone <= again.at for gone, _, _ in outages), (first, again)
        leaving = [await node.terminate() for node in cluster.nodes]
    for gone, back, resumed_at in outages:
        during = [seconds for at, seconds, _ in sent.refused if gone <= at <= resumed_at]
        print(
            f"away {back - gone:.1f} s: {len(during)} answers of 503, the slowest after "
            f"{max(during, default=0):.2f} s; delivery resumed {resumed_at - back:.2f} s after"
        )
    print(f"{found.accepted} accepted, {len(found.repeats)} repeats, slowest {sent.slowest:.2f} s")
    assert all(wait for _, _, wait in sent.refused)
    assert all(any(gone <= at for at, _, _ in sent.refused) for gone, _, _ in outages[1::2])
    assert max(seconds for _, seconds, _ in sent.refused) <= 2.0
    assert leaving == [0] * len(ROLES)


async def outlived(cluster: Cluster) -> float:
    """Wait until others have done all that the stopped processes had leased; when that was."""
    flight = cluster.flights[-1]
    end = flight.at + LEASE + 5
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(LEASE + 2 * REPAIRED):
        while loop.time() < end or await still_leased(cluster, flight.leased):
            await asyncio.sleep(0.5)
    return loop.time()


async def still_leased(cluster: Cluster, deliveries: set[str]) -> bool:
    rows = await cluster.store.rows("SELECT delivery_id FROM pending")
    return not deliveries.isdisjoint(row[0] for row in rows)


async def sent_by(cluster: Cluster, node, flight, since: float):
    """What a process that stood still sent of its old flight when it went on: it had begun on it.

    That is one request for each connection at most, or for each lane's window where it had none.
    """
    ports = flight.ports | node.connections_to(cluster.traffic.port)
    late = [
        request
        for request in await cluster.traffic.taken()
        if request.port in ports and request.at >= since and request.delivery in flight.leased
    ]
    assert len(late) <= 16 * ORGANIZATIONS
    return late


async def works_again(cluster: Cluster, nodes) -> bool:
    """Whether each of these does its share again."""
    for node in nodes:
        if not node.delivers:
            sent = await cluster.load(20, 1, first=900_000, ports=[node.port])
            assert len(sent.accepted) == 20
    await cluster.settled(30)
    return all(node.process is not None and node.process.returncode is None for node in nodes)
