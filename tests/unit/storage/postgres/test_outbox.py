"""The outbox on PostgreSQL: what the function does for its callers, and what nodes read of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from winnerr_webhooks.storage.postgres import postgres_outbox

LONGEST = 256 * 1024
EMIT = "SELECT winnerr_webhooks.emit($1, $2, $3, $4)"


@pytest_asyncio.fixture
async def node(open_node, postgres_url) -> Any:
    return await open_node(postgres_url)


@pytest_asyncio.fixture
async def product(node, postgres_url) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the product."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def emit(
    product: asyncpg.Connection,
    *,
    event: str | None = "contact.created",
    organization: str | None = "org_1",
    data: str | None = '{"id": 1}',
    id_: str | None = None,
) -> str:
    return str(await product.fetchval(EMIT, event, organization, data, id_))


async def read(node: Any, after: str = "", without: tuple[str, ...] = ()) -> list[Any]:
    return await node.outbox.next_events(after, without, max_bytes=LONGEST)


async def positions(node: Any) -> list[int]:
    return [row.position for row in await read(node)]


# --- the function ---------------------------------------------------------------------------------


async def test_what_is_emitted_is_read_as_it_was_given(node, product) -> None:
    data = '{"b" : 1.0, "a": 123456789012345678901234567890, "b": "\\u00e9 \\ud800", "z": 1e400}'
    made = await emit(product, data=data, id_="crm-8841")
    assert made == "crm-8841"
    (row,) = await read(node)
    assert (row.client_id, row.organization, row.event) == ("crm-8841", "org_1", "contact.created")
    assert row.data == data
    assert row.size == len(data)
    now = datetime.now(UTC)
    assert abs((datetime.fromisoformat(row.happened_at) - now).total_seconds()) < 60


async def test_an_event_without_an_id_gets_one_of_its_own(node, product) -> None:
    made = {await emit(product), await emit(product)}
    assert len(made) == 2
    assert {row.client_id for row in await read(node)} == made
    assert all(id_.startswith("out_") and len(id_) == 36 for id_ in made)


@pytest.mark.parametrize(
    ("happened_at", "read_as"),
    [
        ("2025-01-15 14:23:00.999+02", "2025-01-15T12:23:00Z"),
        ("0001-01-01 00:00Z", "0001-01-01T00:00:00Z"),
        ("infinity", "infinity"),
        ("0044-03-15 00:00Z BC", "0044-03-15 00:00:00+00 BC"),
    ],
)
async def test_the_time_of_an_event_is_read_in_utc(node, product, happened_at, read_as) -> None:
    await product.execute(
        "SELECT winnerr_webhooks.emit('contact.created', 'org_1', '{}', "
        f"happened_at => '{happened_at}')"
    )
    assert [row.happened_at for row in await read(node)] == [read_as]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"event": None}, ("contact", None, "org_1", '{"id": 1}')),
        ({"event": "x" * 100_000}, ("contact", "x" * 256, "org_1", '{"id": 1}')),
        ({"organization": None}, ("contact", "contact.created", "(none)", '{"id": 1}')),
        ({"organization": "ö" * 100_000}, ("contact", "contact.created", "ö" * 65, '{"id": 1}')),
        ({"data": None}, ("contact", "contact.created", "org_1", None)),
        ({"data": "[]"}, ("contact", "contact.created", "org_1", "[]")),
        ({"data": '"' + "x" * 300_000 + '"'}, ("contact", "contact.created", "org_1", None)),
        ({"id_": "x" * 100_000}, ("x" * 256, "contact.created", "org_1", '{"id": 1}')),
        ({"id_": ""}, ("", "contact.created", "org_1", '{"id": 1}')),
    ],
)
async def test_no_wrong_value_raises_an_error_in_the_products_transaction(
    node, product, given, stored
) -> None:
    await emit(product, **({"id_": "contact"} | given))
    (row,) = await read(node)
    assert (row.client_id, row.event, row.organization, row.data) == stored


async def test_a_rollback_leaves_nothing_and_so_does_a_savepoint(node, product) -> None:
    transaction = product.transaction()
    await transaction.start()
    await emit(product, id_="gone")
    await transaction.rollback()
    async with product.transaction():
        await emit(product, id_="kept")
        savepoint = product.transaction()
        await savepoint.start()
        await emit(product, id_="gone, too")
        await savepoint.rollback()
        assert await read(node) == []  # it is not committed yet
    assert [row.client_id for row in await read(node)] == ["kept"]


@pytest.mark.parametrize("level", ["read_committed", "repeatable_read", "serializable"])
async def test_it_works_in_transactions_of_every_isolation_level(node, product, level) -> None:
    async with product.transaction(isolation=level):
        await emit(product, id_=level)
    assert [row.client_id for row in await read(node)] == [level]


# --- rights ---------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def stranger(node, postgres_server, postgres_url) -> AsyncIterator[asyncpg.Connection]:
    """A connection of a role with the two grants of the documentation."""
    name = postgres_url.rpartition("/")[2]
    role = f"crm_{name}"
    async with postgres_server.admin(name) as admin:
        await admin.execute(
            f"CREATE ROLE {role} LOGIN PASSWORD 'x';"
            f"GRANT USAGE ON SCHEMA winnerr_webhooks TO {role};"
            f"GRANT EXECUTE ON FUNCTION winnerr_webhooks.emit TO {role}"
        )
    connection = await asyncpg.connect(postgres_server.url(name, user=role, password="x"))
    yield connection
    await connection.close()
    async with postgres_server.admin(name) as admin:
        await admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_role_with_two_grants_can_emit_and_do_nothing_else(node, stranger) -> None:
    await emit(stranger, id_="mine")
    assert [row.client_id for row in await read(node)] == ["mine"]
    for statement in (
        "SELECT * FROM winnerr_webhooks.outbox",
        "INSERT INTO winnerr_webhooks.outbox (id) VALUES ('x')",
        "UPDATE winnerr_webhooks.outbox SET id = 'x'",
        "DELETE FROM winnerr_webhooks.outbox",
        "TRUNCATE winnerr_webhooks.outbox",
        "SELECT nextval('winnerr_webhooks.outbox_position_seq')",
        "SELECT * FROM winnerr_webhooks.webhook",
        "SELECT * FROM winnerr_webhooks.event",
        "CREATE TABLE winnerr_webhooks.mine ()",
        "ALTER FUNCTION winnerr_webhooks.emit RESET ALL",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await stranger.execute(statement)


async def test_without_the_grants_nobody_can_emit(node, stranger, postgres_server) -> None:
    name = await stranger.fetchval("SELECT current_database()")
    role = await stranger.fetchval("SELECT current_user")
    async with postgres_server.admin(name) as admin:
        await admin.execute(f"REVOKE EXECUTE ON FUNCTION winnerr_webhooks.emit FROM {role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await emit(stranger)


async def test_a_callers_objects_and_search_path_do_not_change_what_it_does(
    node, stranger, postgres_server
) -> None:
    """A role may make temporary tables and functions, which come first in its search path."""
    await stranger.execute(
        "CREATE TEMP TABLE outbox (id text);"
        "CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS "
        "$$SELECT 'epoch'::timestamptz$$;"
        "CREATE FUNCTION pg_temp.gen_random_uuid() RETURNS uuid LANGUAGE sql AS "
        "$$SELECT '00000000-0000-0000-0000-000000000000'::uuid$$;"
        "SET search_path = pg_temp, winnerr_webhooks, pg_catalog"
    )
    made = await emit(stranger)
    (row,) = await read(node)
    assert row.client_id == made
    assert "0000" not in made[:12]
    assert datetime.fromisoformat(row.happened_at).year > 2000


# --- order ----------------------------------------------------------------------------------------


async def test_an_event_emitted_after_another_had_committed_comes_after_it(
    node, product, postgres_url
) -> None:
    """A transaction that stays open takes a lower position, and holds up nobody."""
    slow = await asyncpg.connect(postgres_url)
    try:
        transaction = slow.transaction()
        await transaction.start()
        await emit(slow, id_="emitted first, committed last")
        await emit(product, id_="one")
        assert [row.client_id for row in await read(node)] == ["one"]
        await emit(product, id_="two")
        await transaction.commit()
        await emit(product, id_="three")
        names = [row.client_id for row in await read(node)]
        assert names.index("one") < names.index("two") < names.index("three")
        assert names.index("emitted first, committed last") < names.index("three")
    finally:
        await slow.close()


async def test_positions_rise_over_all_sessions(node, product, postgres_url) -> None:
    """As they do without a cache of numbers in each session."""
    others = [await asyncpg.connect(postgres_url) for _ in range(3)]
    for number in range(30):
        await emit([product, *others][number % 4], id_=str(number))
    for other in others:
        await other.close()
    assert [row.client_id for row in await read(node)] == [str(number) for number in range(30)]


async def test_organizations_take_turns_whatever_one_of_them_has_waiting(node, product) -> None:
    await product.execute(
        "SELECT winnerr_webhooks.emit('contact.created', 'org_2', '{}', 'flood-' || n) "
        "FROM generate_series(1, 3000) AS n"
    )
    for organization in ("org_1", "org_3"):
        for number in range(3):
            await emit(product, organization=organization, id_=f"{organization}-{number}")
    rows = await read(node)
    turns = [row.organization for row in rows[:9]]
    assert turns == ["org_1", "org_2", "org_3"] * 3
    assert len(rows) == 6 + postgres_outbox.OF_EACH
    flood = [row.client_id for row in rows if row.organization == "org_2"]
    assert flood == [f"flood-{n}" for n in range(1, postgres_outbox.OF_EACH + 1)]


async def test_organizations_beyond_the_limit_come_next_and_then_the_first_again(
    node, product, monkeypatch
) -> None:
    monkeypatch.setattr(postgres_outbox, "ORGANIZATIONS", 2)
    for number in range(5):
        await emit(product, organization=f"org_{number}")
    after, served = "", []
    for _ in range(4):
        rows = await read(node, after)
        served.append([row.organization for row in rows])
        after = rows[-1].organization
    assert served == [["org_0", "org_1"], ["org_2", "org_3"], ["org_4"], ["org_0", "org_1"]]
    assert [row.organization for row in await read(node, "", ("org_0",))] == ["org_1", "org_2"]


async def test_what_is_read_at_once_has_a_limit_in_bytes_and_everybodys_turn_comes(
    node, product, monkeypatch
) -> None:
    monkeypatch.setattr(postgres_outbox, "MAX_BYTES", 1_000)
    for number in range(6):
        for _ in range(2):
            await emit(product, organization=f"org_{number}", data=json.dumps({"x": "y" * 390}))
    after, served = "", []
    for _ in range(3):
        rows = await read(node, after)
        assert sum(row.size for row in rows) <= 1_000
        after = max(row.organization for row in rows)
        served += [row.organization for row in rows]
    assert served == [f"org_{number}" for number in range(6)]


# --- what nodes do with it ------------------------------------------------------------------------


async def test_one_node_at_a_time_has_the_turn_until_it_is_over(
    open_node, node, product, postgres_url, clock
) -> None:
    other = await open_node(postgres_url)
    await emit(product)
    assert len(await read(node)) == 1
    assert await read(other) == []
    assert len(await read(node)) == 1  # its own turn it may take again
    clock.advance(seconds=postgres_outbox.TURN_MS / 1000 + 1)
    assert len(await read(other)) == 1
    assert await read(node) == []


async def test_accepted_events_go_and_refused_ones_stay_with_the_reason(node, product) -> None:
    for id_ in ("accepted", "refused", "waiting"):
        await emit(product, id_=id_)
    first, second, third = await positions(node)
    await node.outbox.settle([first], {second: "There is no such event."})
    assert await positions(node) == [third]
    everything = await node.outbox.entries(refused=False, organization=None, limit=10)
    assert [(one.client_id, one.reason) for one in everything] == [
        ("refused", "There is no such event."),
        ("waiting", None),
    ]
    assert abs(everything[0].emitted_at / 1000 - datetime.now(UTC).timestamp()) < 60
    refused = await node.outbox.entries(refused=True, organization="org_1", limit=10)
    assert [one.client_id for one in refused] == ["refused"]
    assert await node.outbox.entries(refused=False, organization="org_2", limit=10) == []
    assert len(await node.outbox.entries(refused=False, organization=None, limit=1)) == 1
    figures = await node.outbox.figures()
    assert (figures.waiting, figures.refused) == (1, 1)
    assert 0 <= figures.oldest_age < 60


async def test_a_refused_event_that_is_tried_again_has_its_old_place(node, product) -> None:
    for id_ in ("a", "b", "c"):
        await emit(product, id_=id_)
    places = await positions(node)
    await node.outbox.settle([], {places[0]: "no", places[1]: "no"})
    assert await node.outbox.retry("unknown", None) == 0
    assert await node.outbox.retry("a", "org_2") == 0
    assert await node.outbox.retry("a", None) == 1
    assert await node.outbox.retry("c", None) == 0  # it was not refused
    assert [row.client_id for row in await read(node)] == ["a", "c"]
    assert await node.outbox.retry(None, "org_1") == 1
    assert await positions(node) == places


async def test_refused_events_go_after_the_days_that_the_log_keeps(node, product) -> None:
    for id_ in ("old", "new", "waiting"):
        await emit(product, id_=id_)
    old, new, _ = await positions(node)
    await node.outbox.settle([], {old: "no", new: "no"})
    await product.execute(
        "UPDATE winnerr_webhooks.outbox SET refused_at = now() - interval '31 days' "
        "WHERE id = 'old'"
    )
    await product.execute(
        "UPDATE winnerr_webhooks.outbox SET emitted_at = now() - interval '90 days'"
    )
    await node.run_retention_slice(30)
    left = await node.outbox.entries(refused=False, organization=None, limit=10)
    assert [one.client_id for one in left] == ["new", "waiting"]


async def test_emitting_does_not_wait_for_a_node_that_moves_events(node, product) -> None:
    """No statement of a node locks what an INSERT needs."""
    await product.execute(
        "SELECT winnerr_webhooks.emit('contact.created', 'org_' || n % 50, '{}') "
        "FROM generate_series(1, 500) AS n"
    )
    async with asyncio.TaskGroup() as tasks:
        moving = tasks.create_task(node.outbox.settle(await positions(node), {}))
        for _ in range(50):
            async with asyncio.timeout(5):
                await emit(product)
        await moving
    assert len(await read(node)) == 50


async def test_it_works_behind_a_pooler_in_transaction_mode(
    open_node, pooled_url, postgres_url
) -> None:
    node = await open_node(pooled_url)
    product = await asyncpg.connect(pooled_url, statement_cache_size=0)
    try:
        await emit(product, id_="one")
        await emit(product, id_="two")
        rows = await read(node)
        assert [row.client_id for row in rows] == ["one", "two"]
        await node.outbox.settle([rows[0].position], {rows[1].position: "no"})
        assert (await node.outbox.figures()).refused == 1
    finally:
        await product.close()
