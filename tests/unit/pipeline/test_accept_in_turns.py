"""Accept in turns: what one organization stores keeps no other one waiting, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import structlog

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain.errors import TimedOut, Unavailable
from winnerr_webhooks.domain.event import Accepted
from winnerr_webhooks.pipeline import foreground, intake
from winnerr_webhooks.storage.postgres import (
    PostgresStorage,
    connection_opener,
    postgres_road,
    transactions,
)
from winnerr_webhooks.storage.postgres.transactions import Database
from winnerr_webhooks.storage.sqlite import SqliteStorage

PATIENCE = 120.0
KEYRING = Keyring((EncryptionKey("k1", bytes(32)),))


@pytest.fixture
async def sqlite(sqlite_path: Path) -> AsyncIterator[SqliteStorage]:
    storage = await SqliteStorage.open(
        sqlite_path, clock=SystemClock(), keyring=KEYRING, exclusive=True
    )
    yield storage
    await storage.close()


@pytest.fixture(autouse=True)
def patient_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that a busy machine keeps waiting fails nothing, as with SQLite's deadlines."""
    monkeypatch.setitem(connection_opener._SETTINGS, "statement_timeout", "'60s'")
    for verb in (Database.transact, Database.autocommit):
        monkeypatch.setitem(verb.__kwdefaults__, "seconds", PATIENCE)
    monkeypatch.setattr(postgres_road, "ANSWER_SECONDS", PATIENCE)
    monkeypatch.setattr(transactions, "PROBE_AFTER", PATIENCE)


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[PostgresStorage]:
    storage = await PostgresStorage.open(
        postgres_url, clock=SystemClock(), keyring=KEYRING, serves=True
    )
    yield storage
    await storage.close()


@pytest.fixture
def admin(postgres_server: Any, postgres_url: str) -> Any:
    """A connection of the operator's."""
    return postgres_server.admin(postgres_url.rpartition("/")[2])


@pytest.fixture(params=["sqlite", "postgres"])
def storage(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
async def world(storage: Any, world_class: Any) -> Any:
    """A node that accepts and does not deliver; how many rows each of its transactions made."""
    world = world_class(storage, SystemClock())
    world.rows = []
    world.failed = 0

    async def note(answers: list[Accepted]) -> None:
        world.rows.append(sum(answer.rows for answer in answers))

    world.storage.after["accept"] = note
    return world


async def subscribe(world: Any, webhooks: int, organization: str = "org_1") -> None:
    for _ in range(webhooks):
        await world.webhook(organization=organization)


def store(world: Any, count: int, organization: str = "org_1") -> asyncio.Task[list[Any]]:
    """A batch call that is under way."""
    events = [world.event(organization=organization) for _ in range(count)]
    return asyncio.get_running_loop().create_task(world.node.intake.accept_many(events))


async def accepted_singly(world: Any, until: asyncio.Future[Any], organization: str) -> list[Any]:
    """Single events, one after the other, until something else is done; their answers."""
    answers = []
    while not until.done():
        answers.append(await world.node.intake.accept(world.event(organization=organization)))
    return answers


@pytest.mark.thorough
async def test_a_batch_for_500_webhooks_is_stored_while_others_are_accepted(world) -> None:
    """Far more than a transaction: whole, in parts of the budget, and no other call is refused.

    (The bench `fairness` stores the largest legal call, 1,000 events for 500 webhooks.)
    """
    await subscribe(world, 500)
    await subscribe(world, 1, "org_2")
    events = [world.event() for _ in range(50)]
    async with asyncio.timeout(PATIENCE):
        batch = asyncio.create_task(world.node.intake.accept_many(events))
        others = await accepted_singly(world, batch, "org_2")
    answers = await batch
    assert [(one.id, one.deliveries) for one in answers] == [(one.id, 500) for one in events]
    assert len(others) > 10
    assert max(world.rows) <= world.budgets.accept_rows.bound.limit
    assert (await world.storage.figures()).pending == 25_000 + len(others)


@pytest.mark.parametrize(("webhooks", "events"), [(3, 700), (65, 100)])
async def test_no_transaction_passes_the_budget_of_rows(world, webhooks, events) -> None:
    """Whether a batch came in one call or in many, known or not, for few webhooks or many."""
    await subscribe(world, webhooks)
    budget = world.budgets.accept_rows
    batch = [world.event() for _ in range(events)]
    single = [world.node.intake.accept(world.event()) for _ in range(events)]
    answers = [*await world.node.intake.accept_many(batch), *await asyncio.gather(*single)]
    assert {one.deliveries for one in answers} == {webhooks}
    assert max(world.rows) <= budget.bound.limit
    assert budget.refused > 0


async def test_webhooks_added_since_an_event_was_counted_are_counted(world) -> None:
    """Given events that were for one webhook when they came, and wait for a commit.

    When many webhooks are added before it, then they are stored in parts of the budget.
    """
    await subscribe(world, 1)
    await world.emit()
    entered, go = asyncio.Event(), asyncio.Event()

    async def hold(*_args: Any) -> None:
        entered.set()
        await go.wait()

    world.storage.before["accept"] = hold
    first = world.node.intake.accept(world.event())
    await entered.wait()
    del world.storage.before["accept"]
    rest = [world.node.intake.accept(world.event()) for _ in range(60)]
    await subscribe(world, 300)
    loop = asyncio.get_running_loop()
    world.node.intake._costs.now = lambda: loop.time() + 2
    go.set()
    answers = [await first, *await asyncio.gather(*rest)]
    assert answers[-1].deliveries == 301
    assert max(world.rows) <= world.budgets.accept_rows.bound.limit


async def test_a_batch_of_one_organization_lets_single_events_of_others_pass(world) -> None:
    """They do not wait for its next commit: here that begins once all of them are answered."""
    await subscribe(world, 100)
    await subscribe(world, 1, "org_2")
    passed, commits = asyncio.Event(), []

    async def hold_the_second(events: list[Any], *_: object) -> None:
        if events[0].organization == "org_1":
            commits.append(len(events))
            if len(commits) > 1:
                await passed.wait()

    world.storage.before["accept"] = hold_the_second
    batch = store(world, 120)
    others = [world.node.intake.accept(world.event(organization="org_2")) for _ in range(20)]
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*others)
        passed.set()
        assert all(isinstance(one, Accepted) for one in await batch)
    assert len(commits) > 1


@pytest.mark.thorough
async def test_of_two_large_batches_the_later_one_does_not_wait_for_the_other(world) -> None:
    await subscribe(world, 100)
    await subscribe(world, 100, "org_2")
    large = store(world, 300)
    await asyncio.sleep(0)
    smaller = store(world, 35, "org_2")
    done, _ = await asyncio.wait([large, smaller], return_when="FIRST_COMPLETED")
    assert done == {smaller}
    await large


def commits_of(world: Any) -> list[list[float]]:
    """When each commit of the world began and ended, in the loop's time."""
    loop = asyncio.get_running_loop()
    commits: list[list[float]] = []

    async def begin(*_: object) -> None:
        commits.append([loop.time()])

    async def end(_: object) -> None:
        commits[-1].append(loop.time())

    world.storage.before["accept"], world.storage.after["accept"] = begin, end
    return commits


@pytest.fixture
async def commits(world) -> list[list[float]]:
    return commits_of(world)


@pytest.mark.parametrize("way", ["accept_many", "accept_in_order"])
async def test_a_large_batch_leaves_as_much_time_to_deliveries_as_it_takes(
    world, commits, way
) -> None:
    """Otherwise a node stores events faster than it delivers them, and has to claim them again.

    The events of an outbox are stored in order.
    """
    await subscribe(world, 1)
    await getattr(world.node.intake, way)([world.event() for _ in range(3_000)])
    assert len(commits) > 4
    for (began, ended), (next_began, _) in pairwise(commits):
        assert next_began - ended >= min(ended - began, intake.LONGEST_PAUSE)


@pytest.fixture
async def crowded(make_world, monkeypatch) -> Any:
    """A node with a receiver of org_1 that took 160 deliveries a second and stands still now."""
    monkeypatch.setattr(intake, "LONGEST_PAUSE", PATIENCE)
    world = await make_world()
    await subscribe(world, 1)
    world.egress.script = lambda call: call.answer(ms=100.0)
    await world.emit(64)
    await world.settled(64)
    world.egress.script = None
    return world


def pauses_between(commits: list[list[float]]) -> list[float]:
    """Each pause, as a multiple of the commit before it."""
    return [
        (next_began - ended) / (ended - began)
        for (began, ended), (next_began, _) in pairwise(commits)
    ]


async def test_a_large_batch_waits_for_a_quick_receiver_with_a_long_queue(crowded) -> None:
    """What the queue has no room for would have to be claimed from the database again."""
    commits = commits_of(crowded)
    await store(crowded, 1_500)
    assert pauses_between(commits)[-1] >= intake.GIVE_WAY


async def test_a_large_batch_does_not_wait_for_another_organizations_receiver(crowded) -> None:
    await subscribe(crowded, 1, "org_2")
    await store(crowded, 1_500)
    commits = commits_of(crowded)
    both = [crowded.event(organization=f"org_{n % 2 + 1}") for n in range(3_000)]
    await crowded.node.intake.accept_many(both)
    assert min(pauses_between(commits)) < intake.GIVE_WAY


async def test_events_of_an_outbox_do_not_wait_for_receivers(crowded) -> None:
    await store(crowded, 1_500)
    commits = commits_of(crowded)
    await crowded.node.intake.accept_in_order([crowded.event() for _ in range(2_000)])
    assert min(pauses_between(commits)) < intake.GIVE_WAY


async def test_a_large_batch_for_many_webhooks_does_not_wait_for_deliveries(world, commits) -> None:
    """They are claimed from the database in any case."""
    await subscribe(world, 100)
    await store(world, 250)
    assert len(commits) > 4
    assert any(
        next_began - ended < (ended - began) / 2
        for (began, ended), (next_began, _) in pairwise(commits)
    )


async def test_while_others_call_a_slow_commit_of_a_batch_is_followed_by_smaller_ones(
    world, monkeypatch
) -> None:
    """Their next call may have to wait for it, however slow the machine is."""
    monkeypatch.setattr(intake, "LONGEST_PAUSE", 0.0001)  # no commit is quick enough
    await subscribe(world, 100)
    await subscribe(world, 1, "org_2")
    batch = store(world, 120)
    await accepted_singly(world, batch, "org_2")
    budget = world.budgets.accept_rows.bound.limit
    wide = [rows for rows in world.rows if rows > 100]
    assert wide[0] > budget / 2
    assert max(wide[1:]) <= budget / intake.MOST_PARTS
    monkeypatch.setattr(foreground, "WINDOW", -1.0)  # nobody calls any more
    await store(world, 120)
    assert max(world.rows[-3:]) > budget / 2


async def test_a_lone_event_costs_one_call_of_the_storage(world) -> None:
    await subscribe(world, 2)
    for _ in range(5):
        await world.emit()
    assert world.storage.counts.get("fan_out", 0) == 0
    assert world.storage.counts["accept"] == 5


async def test_what_is_born_free_is_delivered_at_once(make_world) -> None:
    """An event for many webhooks is handed on through the database; nobody waits for a poll."""
    world = await make_world()
    world.egress.script = lambda call: call.answer()
    await subscribe(world, 70)
    await world.emit(70)
    await world.settled(70 * 70)
    assert len(world.egress.made) == 70 * 70


async def test_stopping_refuses_what_a_batch_has_left(world, monkeypatch) -> None:
    """A batch of minutes holds no stop up: each event says whether it was stored."""
    monkeypatch.setattr("winnerr_webhooks.pipeline.intake.BULK_CLOSING_SECONDS", 0.0)
    await subscribe(world, 100)
    batch = store(world, 800)
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await world.node.intake.close()
        answers = await batch
    refused = [one for one in answers if isinstance(one, Unavailable)]
    stored = [one for one in answers if isinstance(one, Accepted)]
    assert len(refused) + len(stored) == 800
    assert all("stopping" in one.detail for one in refused)
    assert (await world.storage.figures()).pending == 100 * len(stored)


# --- what takes too long --------------------------------------------------------------------------


@pytest.mark.parametrize("storage", ["postgres"], indirect=True)
async def test_a_row_that_others_keep_locked_fails_its_own_event_alone(world, admin) -> None:
    """Given a client id that another transaction is about to store, and does not.

    When it comes with others, then only it is refused, with a word that is not "away"; all others
    are accepted, those that came meanwhile too, and nothing in the log says that the database is
    away.
    """
    await subscribe(world, 1)
    events = [world.event() for _ in range(30)]
    stuck = world.event()
    stuck = type(stuck)(
        **{name: getattr(stuck, name) for name in ("id", "organization", "name", "body")},
        client_id="crm-1",
        fingerprint=b"1",
    )
    async with admin as connection:
        with structlog.testing.capture_logs() as logs:
            async with connection.transaction():
                await connection.execute(
                    "INSERT INTO winnerr_webhooks.idempotency VALUES"
                    " ('org_1', 'crm-1', '', 'evt_other', 0, 0)"
                )
                batch = asyncio.create_task(world.node.intake.accept_many([*events, stuck]))
                others = await accepted_singly(world, batch, "org_2")
            answers = await batch
    assert all(isinstance(one, Accepted) for one in answers[:-1])
    assert type(answers[-1]) is TimedOut
    assert "away" not in answers[-1].detail
    assert len(others) > 10
    assert not [line for line in logs if "away" in str(line)]


@pytest.mark.parametrize("storage", ["postgres"], indirect=True)
async def test_a_batch_that_is_too_slow_is_stored_in_parts(world, admin) -> None:
    """Given a database that cannot store the budget of rows in a statement's time.

    It counts rows instead of seconds: those of another machine would be other ones.
    """
    await subscribe(world, 20)
    async with admin as connection:
        await connection.execute("""
            CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF (SELECT count(*) FROM stored) > 300 THEN
                    RAISE 'canceling statement due to statement timeout' USING ERRCODE = '57014';
                END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER slow AFTER INSERT ON winnerr_webhooks.pending
                REFERENCING NEW TABLE AS stored
                FOR EACH STATEMENT EXECUTE FUNCTION public.slow();
        """)
    with structlog.testing.capture_logs() as logs:
        answers = await world.node.intake.accept_many([world.event() for _ in range(100)])
    assert {type(one) for one in answers} == {Accepted}
    assert (await world.storage.figures()).pending == 2_000
    assert max(world.rows) <= 320
    assert not [line for line in logs if "away" in str(line)]
