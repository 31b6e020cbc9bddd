"""When a commit is lost, its caller learns within 2 s whether it took place."""

import asyncio
import contextlib

import pytest
from tests.conftest import lend_database
from tests.loss import IN_TIME

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.errors import Unavailable, Uncertain

PATIENCE = 60.0


@pytest.fixture(scope="module")
def server(make_postgres):
    """A server that may be stopped, and that waits for standbys when a test asks for it."""
    return make_postgres(settings={"wal_level": "replica", "max_wal_senders": "5"})


@pytest.fixture
def role() -> str | None:
    """As whom everybody works after signing in; None: as himself."""
    return None


@pytest.fixture
async def name(server, role):
    """The name of a database with our tables in it."""
    name = await lend_database(server, SystemClock())
    if role:
        async with server.admin() as admin:
            await admin.execute(f"CREATE ROLE {role} SUPERUSER ROLE webhooks")
            await admin.execute(f"ALTER DATABASE {name} SET role = '{role}'")
    yield name
    if role:
        async with server.admin() as admin:
            await admin.execute(f"ALTER DATABASE {name} RESET role")
            await admin.execute(f"DROP ROLE {role}")
    await server.return_database(name)


@pytest.fixture
async def world(server, name, proxy, open_node, world_class):
    """A node behind the proxy, in real time, with one webhook."""
    url = server.url(name).replace(f":{server.port}/", f":{proxy.port}/")
    world = world_class(await open_node(url, clock=SystemClock()), SystemClock())
    await world.webhook()
    return world


@pytest.fixture
async def gate(server, name, world):
    """Commits that make a delivery wait for this lock to be let go of."""
    async with server.admin(name) as admin:
        await admin.execute("""
            CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON winnerr_webhooks.pending
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.gate();
        """)
        await admin.execute("SELECT pg_advisory_lock(7)")
        yield admin
    async with server.admin(name) as admin:  # so that the next test can have the database, too
        await admin.execute("DROP TRIGGER gate ON winnerr_webhooks.pending")
        await admin.execute("DROP FUNCTION public.gate")


async def until(connection, sql: str):
    """What the query finds, once it finds anything."""
    async with asyncio.timeout(PATIENCE):
        while (found := await connection.fetchval(sql)) is None:
            pass
    return found


WAITS_AT_GATE = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory'"
NOBODY_WRITES = """
    SELECT 1 FROM pg_stat_activity
    WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
    HAVING count(*) = 0
"""
STORED = "SELECT count(*) FROM winnerr_webhooks.pending HAVING count(*) > 0"


@pytest.fixture(params=[None, "crm-1"], ids=["one statement", "a transaction"])
async def accepting(world, gate, request):
    """An event whose commit waits at the gate: its answer to be, who is at it, and since when."""
    event = world.event(client_id=request.param)
    began = asyncio.get_running_loop().time()
    task = asyncio.create_task(asyncio.wait_for(world.accept(event), IN_TIME))
    return task, await until(gate, WAITS_AT_GATE), began


async def comes_back(world) -> None:
    """Accept until it is accepted."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(Unavailable):
                await world.accept(world.event(client_id="after"))
                return
            await asyncio.sleep(0)


@pytest.mark.thorough
async def test_that_took_place_is_answered_as_if_nothing_had_been(accepting, gate, proxy) -> None:
    task, *_ = accepting
    proxy.freeze("down")
    await gate.execute("SELECT pg_advisory_unlock(7)")
    await until(gate, STORED)
    proxy.hang_up()
    proxy.thaw()
    (answer,) = await task
    assert (answer.duplicate, answer.deliveries, len(answer.leased)) == (False, 1, 1)


async def test_that_was_ended_before_is_refused_and_not_uncertain(accepting, gate) -> None:
    task, pid, _ = accepting
    assert await gate.fetchval("SELECT pg_terminate_backend($1, 60000)", pid)
    with pytest.raises(Unavailable) as caught:
        await task
    assert not isinstance(caught.value, Uncertain)
    await gate.execute("SELECT pg_advisory_unlock(7)")
    assert await gate.fetchval("SELECT count(*) FROM winnerr_webhooks.pending") == 0


@pytest.mark.parametrize("role", [None, "deputy"])
async def test_is_refused_only_once_the_committing_process_is_gone(world, gate, proxy) -> None:
    """Also where the connection was opened amid the accept, as that of the second is here."""
    tasks = [
        asyncio.create_task(asyncio.wait_for(world.accept(world.event(client_id=id_)), IN_TIME))
        for id_ in (None, "crm-1")
    ]
    await until(gate, f"SELECT 1 FROM ({WAITS_AT_GATE}) AS them HAVING count(*) = 2")
    proxy.hang_up()
    for answer in await asyncio.gather(*tasks, return_exceptions=True):
        assert type(answer) is Unavailable
    await gate.execute("SELECT pg_advisory_unlock(7)")
    await until(gate, NOBODY_WRITES)
    assert await gate.fetchval("SELECT count(*) FROM winnerr_webhooks.pending") == 0


@pytest.mark.thorough
async def test_in_a_network_that_swallows_everything_is_uncertain_within_2_s(
    accepting, gate, proxy, world
) -> None:
    """And who came meanwhile is not kept for 2 s more: he is refused at once."""
    task, *_ = accepting
    proxy.freeze()
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(Uncertain):
        await task
    with pytest.raises(Unavailable) as caught:
        await world.accept(world.event())
    assert loop.time() - began < IN_TIME
    assert not isinstance(caught.value, Uncertain)
    proxy.thaw()
    proxy.hang_up()
    await gate.execute("SELECT pg_advisory_unlock(7)")
    await comes_back(world)


async def test_of_a_server_that_stays_away_is_looked_for_nearly_2_s(
    accepting, gate, server, world
) -> None:
    task, _, began = accepting
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(server.stop, "immediate")
    try:
        with pytest.raises(Uncertain):
            await task
        assert loop.time() - began > 1.5
    finally:
        await asyncio.to_thread(server.start)
    await comes_back(world)


@pytest.mark.thorough
async def test_that_no_standby_has_yet_is_not_answered_for(server, world) -> None:
    """Who ends the wait of such a commit makes it visible, and a failover would lose it."""
    async with server.admin() as admin:
        await admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'far_away'")
        await admin.execute("SELECT pg_reload_conf()")
        try:
            async with asyncio.timeout(PATIENCE):
                while await admin.fetchval("SHOW synchronous_standby_names") == "":
                    pass
            for client_id in (None, "crm-1"):
                with pytest.raises(Uncertain):
                    await asyncio.wait_for(world.accept(world.event(client_id=client_id)), IN_TIME)
            with pytest.raises(Unavailable):  # what it repeats is seen, and may yet be lost
                await asyncio.wait_for(world.accept(world.event(client_id="crm-1")), IN_TIME)
        finally:
            await admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            await admin.execute("SELECT pg_reload_conf()")
    await comes_back(world)
    (answer,) = await world.accept(world.event(client_id="crm-1"))
    assert (answer.duplicate, answer.deliveries) == (True, 1)
