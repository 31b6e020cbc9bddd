"""When the database is lost, callers get an error in time, and all work resumes by itself."""

import asyncio
import contextlib
import itertools

import pytest
from tests.loss import IN_TIME
from tests.unit.storage.postgres.numbers_table import PATIENCE, ask, put

from winnerr_webhooks.domain.errors import Unavailable, Uncertain
from winnerr_webhooks.storage.postgres.transactions import LostCommit


@pytest.fixture
async def name(server):
    """The name of a database with a table of numbers."""
    name = await server.create_database()
    async with server.admin(name) as admin:
        await admin.execute("CREATE TABLE public.t (n text PRIMARY KEY)")
        await admin.execute("GRANT ALL ON public.t TO webhooks")
    yield name
    await server.drop_database(name)


@pytest.fixture
async def database(make_database, server, name):
    return await make_database(server.url(name))


@pytest.fixture
async def through_proxy(make_database, server, name, proxy):
    return await make_database(server.url(name).replace(f":{server.port}/", f":{proxy.port}/"))


async def stored(server, name) -> set[str]:
    async with server.admin(name) as admin:
        return {row[0] for row in await admin.fetch("SELECT n FROM public.t")}


async def comes_back(database) -> None:
    """Ask until it answers."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(Unavailable):
                await database.transact(ask("SELECT 1"))
                return
            await asyncio.sleep(0)


async def refused(work) -> Unavailable:
    """The refusal that `work` ends with, in time."""
    with pytest.raises(Unavailable) as caught:
        await asyncio.wait_for(work, IN_TIME)
    assert caught.value.retry_after > 0
    return caught.value


async def first_refusal(database) -> Unavailable:
    """Write until it is refused."""
    async with asyncio.timeout(PATIENCE):
        for number in itertools.count():
            try:
                await database.transact(put(f"until refused {number}"))
            except Unavailable as error:
                return error
    raise AssertionError("it counts for ever")


class Load:
    """Callers that put one number after the other, and note the answer to each."""

    def __init__(self, database) -> None:
        self.database = database
        self.numbers = itertools.count()
        self.answers: dict[str, set[str]] = {"done": set(), "not done": set(), "perhaps": set()}
        self.slowest = 0.0
        self.done = asyncio.Condition()
        self._tasks = [asyncio.create_task(self._call(place)) for place in range(8)]

    async def _call(self, place: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            number = str(next(self.numbers))
            run = (self.database.transact, self.database.autocommit)[place % 2]
            began = loop.time()
            try:
                await run(put(number))
                answer = "done"
            except Uncertain:
                answer = "perhaps"
            except Unavailable:
                answer = "not done"
            self.slowest = max(self.slowest, loop.time() - began)
            self.answers[answer].add(number)
            async with self.done:
                self.done.notify_all()
            await asyncio.sleep(0)

    async def more(self, count: int) -> None:
        """Wait until `count` more are done."""
        goal = len(self.answers["done"]) + count
        async with self.done, asyncio.timeout(PATIENCE):
            await self.done.wait_for(lambda: len(self.answers["done"]) >= goal)

    async def some_fail(self) -> None:
        before = len(self.answers["not done"])
        async with self.done, asyncio.timeout(PATIENCE):
            await self.done.wait_for(lambda: len(self.answers["not done"]) > before)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def load(database):
    one = Load(database)
    yield one
    await one.stop()


# --- the server goes ------------------------------------------------------------------------------


@pytest.mark.thorough
async def test_a_server_stopped_at_once_and_started_again_under_load(server, name, load) -> None:
    """What was answered is there, what was refused is not, and nobody has to do anything."""
    await load.more(50)
    for _ in range(3):
        await asyncio.to_thread(server.stop, "immediate")
        await load.some_fail()
        await asyncio.to_thread(server.start)
        await load.more(50)
    await load.stop()
    found = await stored(server, name)
    assert load.answers["done"] <= found
    assert not load.answers["not done"] & found
    assert load.slowest < IN_TIME


@pytest.mark.thorough
async def test_a_server_stopped_in_order_is_no_different(server, name, load) -> None:
    await load.more(20)
    await asyncio.to_thread(server.stop, "fast")
    await load.some_fail()
    await asyncio.to_thread(server.start)
    await load.more(20)
    await load.stop()
    found = await stored(server, name)
    assert load.answers["done"] <= found
    assert not load.answers["not done"] & found


@pytest.mark.thorough
async def test_a_restart_without_work_is_noticed_by_one_call_at_most(server, database) -> None:
    await asyncio.gather(*(database.transact(ask("SELECT 1 FROM pg_sleep(0)")) for _ in range(4)))
    await asyncio.to_thread(server.stop, "immediate")
    await asyncio.to_thread(server.start)
    await comes_back(database)
    await asyncio.gather(*(database.transact(ask("SELECT 1")) for _ in range(20)))


async def test_while_it_is_away_no_work_waits_and_the_return_is_logged(server, database) -> None:
    assert database.reconnected_at == float("-inf")
    await asyncio.to_thread(server.stop, "immediate")
    await refused(database.transact(ask("SELECT 1")))
    loop = asyncio.get_running_loop()
    while not database._pool._lost_at:
        await refused(database.transact(ask("SELECT 1")))
    await asyncio.sleep(0)
    gone_since = database._pool._lost_at
    while loop.time() < gone_since + 1:  # who came in the first second waited for it
        await refused(database.transact(ask("SELECT 1")))
    began = loop.time()
    for _ in range(100):
        await refused(database.transact(ask("SELECT 1")))
    assert loop.time() - began < 20, "nobody waits a second each"
    await asyncio.to_thread(server.start)
    await comes_back(database)
    assert database.reconnected_at > gone_since


# --- one backend goes -----------------------------------------------------------------------------


async def test_a_backend_that_is_ended_within_a_transaction_did_nothing(
    server, name, database
) -> None:
    async def work(db):
        await put(1)(db)
        pid = db.connection.get_server_pid()
        async with server.admin(name) as admin:
            assert await admin.fetchval("SELECT pg_terminate_backend($1, 60000)", pid)
        await put(2)(db)

    error = await refused(database.transact(work))
    assert not isinstance(error, Uncertain)
    await database.transact(put(3))
    assert await stored(server, name) == {"3"}


@pytest.fixture
async def gate(server, name):
    """Commits that insert into `t` wait for this lock to be let go of."""
    async with server.admin(name) as admin:
        await admin.execute("""
            CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON public.t DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION public.gate();
        """)
        await admin.execute("SELECT pg_advisory_lock(7)")
        yield admin


async def waits_at(gate) -> int:
    """The process whose commit waits at the gate."""
    sql = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory'"
    async with asyncio.timeout(PATIENCE):
        while (pid := await gate.fetchval(sql)) is None:
            pass
    return pid


@pytest.mark.parametrize("way", ["transact", "autocommit"])
async def test_a_backend_that_is_ended_within_its_commit_leaves_it_open(
    server, name, database, gate, way
) -> None:
    calling = asyncio.create_task(getattr(database, way)(put(1)))
    pid = await waits_at(gate)
    assert await gate.fetchval("SELECT pg_terminate_backend($1, 60000)", pid)
    error = await refused(calling)
    assert isinstance(error, LostCommit)
    assert error.backend is not None
    assert error.backend.pid == pid
    await gate.execute("SELECT pg_advisory_unlock(7)")
    await database.transact(put(2))
    assert await stored(server, name) == {"2"}


@pytest.mark.parametrize("end", ["hung up", "swallowed"])
@pytest.mark.parametrize("way", ["transact", "autocommit"])
async def test_a_commit_whose_answer_is_lost_is_uncertain_and_not_refused(
    through_proxy, proxy, gate, way, end
) -> None:
    calling = asyncio.create_task(getattr(through_proxy, way)(put(1)))
    pid = await waits_at(gate)
    proxy.freeze("down")
    await gate.execute("SELECT pg_advisory_unlock(7)")
    async with asyncio.timeout(PATIENCE):
        while await gate.fetchval("SELECT count(*) FROM public.t") != 1:
            pass
    if end == "hung up":
        proxy.hang_up()
    error = await refused(calling)
    assert isinstance(error, LostCommit)
    assert error.backend is not None
    assert error.backend.pid == pid
    proxy.thaw()
    await comes_back(through_proxy)


# --- the network goes -----------------------------------------------------------------------------


async def test_a_network_that_swallows_everything_hangs_no_caller(
    server, name, through_proxy, proxy
) -> None:
    """Neither those at work, nor who comes later, nor a long look at the log."""
    await asyncio.gather(*(through_proxy.transact(put(f"before {n}")) for n in range(10)))
    in_the_middle = asyncio.Event()

    async def looking(db):
        await db.connection.fetchval("SELECT 1")
        in_the_middle.set()
        proxy.freeze()
        return await db.connection.fetchval("SELECT 1")

    calls = [asyncio.create_task(through_proxy.transact(looking, seconds=10))]
    await in_the_middle.wait()
    calls += [asyncio.create_task(through_proxy.transact(put(n))) for n in range(6)]
    calls += [asyncio.create_task(through_proxy.autocommit(put(f"alone {n}"))) for n in range(6)]
    await asyncio.gather(*(refused(call) for call in calls))
    await refused(through_proxy.transact(put("late")))
    proxy.thaw()
    proxy.hang_up()  # what was swallowed does not come late
    await comes_back(through_proxy)
    await through_proxy.transact(put("after"))
    found = await stored(server, name)
    assert "after" in found
    assert not {str(n) for n in range(6)} & found
    assert "late" not in found


async def test_patient_work_sits_out_a_stall(through_proxy, proxy) -> None:
    """An upgrade is not ended because the machine stood still for a moment."""
    begun = asyncio.Event()

    async def upgrade(db):
        begun.set()
        return await db.connection.fetchval("SELECT 7 FROM pg_sleep(0)")

    proxy.freeze("down")
    proxy.thaw()
    await through_proxy.transact(ask("SELECT 1"))
    patient = asyncio.create_task(through_proxy.transact(upgrade, seconds=3600))
    await begun.wait()
    proxy.freeze()
    await refused(through_proxy.transact(ask("SELECT 1")))
    assert through_proxy._pool._lost_at or through_proxy._pool._tasks["probe"]
    async with asyncio.timeout(PATIENCE):
        while not through_proxy._pool._lost_at:
            await asyncio.sleep(0.01)
    proxy.thaw()
    assert await asyncio.wait_for(patient, PATIENCE) == 7


# --- a server that only reads ---------------------------------------------------------------------


async def test_a_server_that_only_reads_is_away_until_it_writes(server, name, database) -> None:
    """A primary that was made a standby, and is promoted late."""
    async with server.admin(name) as admin:
        await admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await admin.execute("SELECT pg_reload_conf()")
        try:
            error = await first_refusal(database)
            assert not isinstance(error, Uncertain)
            await refused(database.transact(ask("SELECT 1")))
        finally:
            await admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await admin.execute("SELECT pg_reload_conf()")
    await comes_back(database)
    await database.transact(put("after"))
    assert "after" in await stored(server, name)


async def test_a_database_without_room_for_anybody_is_away_until_there_is(
    server, name, database
) -> None:
    async with server.admin(name) as admin:
        await admin.execute("ALTER ROLE webhooks CONNECTION LIMIT 0")
        try:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'webhooks'"
            )
            await refused(database.transact(put(1)))
        finally:
            await admin.execute("ALTER ROLE webhooks CONNECTION LIMIT -1")
    await comes_back(database)
