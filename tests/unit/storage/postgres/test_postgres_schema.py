"""Making and upgrading the schema, on real servers and with real locks and rights."""

import asyncio

import asyncpg
import pytest

from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.storage.postgres import postgres_schema
from winnerr_webhooks.storage.statements import migrations_of

PACKAGE = "winnerr_webhooks.storage.postgres"
FIRST = migrations_of(PACKAGE)[0]
SECOND = "CREATE TABLE winnerr_webhooks.second (n integer);"
THIRD = "INSERT INTO second VALUES (1);"


@pytest.fixture
def scripts(monkeypatch):
    """Give this program other scripts than it has."""

    def set_(*texts: str) -> None:
        monkeypatch.setattr(postgres_schema, "migrations_of", lambda _package: texts)

    return set_


@pytest.fixture
async def look(postgres_server, empty_postgres_url):
    """The connection of an administrator to the test's database."""
    async with postgres_server.admin(empty_postgres_url.rpartition("/")[2]) as connection:
        await connection.execute("SET search_path = winnerr_webhooks, public")
        yield connection


async def versions(look) -> dict[str, int]:
    return dict(
        await look.fetch("SELECT name, value FROM meta WHERE name IN ('version', 'oldest')")
    )


async def test_of_eight_nodes_that_start_together_on_nothing_one_makes_it(
    make_database, empty_postgres_url, look, scripts
) -> None:
    scripts(FIRST, SECOND, THIRD)
    nodes = [await make_database(empty_postgres_url, connections=2) for _ in range(8)]
    await asyncio.gather(*(postgres_schema.upgrade(node) for node in nodes))
    assert await versions(look) == {"version": 3, "oldest": 1}
    assert await look.fetchval("SELECT count(*) FROM second") == 1


async def test_what_is_new_enough_is_left_alone(make_database, empty_postgres_url, look) -> None:
    database = await make_database(empty_postgres_url)
    await postgres_schema.upgrade(database)
    before = await look.fetch("SELECT xmin, * FROM meta")
    await postgres_schema.upgrade(database)
    assert await look.fetch("SELECT xmin, * FROM meta") == before


async def test_only_the_scripts_that_are_missing_run(
    make_database, empty_postgres_url, look, scripts
) -> None:
    database = await make_database(empty_postgres_url)
    scripts(FIRST)
    await postgres_schema.upgrade(database)
    scripts(FIRST, SECOND, THIRD)
    await postgres_schema.upgrade(database)
    assert await versions(look) == {"version": 3, "oldest": 1}
    assert await look.fetchval("SELECT count(*) FROM second") == 1


async def test_a_script_that_fails_leaves_nothing_of_itself(
    make_database, empty_postgres_url, look, scripts
) -> None:
    database = await make_database(empty_postgres_url)
    scripts(FIRST, SECOND + "SELECT 1 / 0;")
    with pytest.raises(Exception, match="refuses"):
        await postgres_schema.upgrade(database)
    assert await versions(look) == {"version": 1, "oldest": 1}
    assert await look.fetchval("SELECT to_regclass('second')") is None
    scripts(FIRST, SECOND)
    await postgres_schema.upgrade(database)
    assert (await versions(look))["version"] == 2


async def test_the_release_before_runs_on_what_was_only_expanded(
    make_database, empty_postgres_url, scripts
) -> None:
    database = await make_database(empty_postgres_url)
    scripts(FIRST, SECOND)
    await postgres_schema.upgrade(database)
    scripts(FIRST)
    await postgres_schema.upgrade(database)


async def test_a_release_that_is_too_old_for_the_schema_says_to_upgrade(
    make_database, empty_postgres_url, look, scripts
) -> None:
    database = await make_database(empty_postgres_url)
    scripts(FIRST, SECOND, "-- Takes away what only version 1 used.\n-- oldest: 2\n" + THIRD)
    await postgres_schema.upgrade(database)
    assert await versions(look) == {"version": 3, "oldest": 2}
    scripts(FIRST, SECOND)
    await postgres_schema.upgrade(database)
    scripts(FIRST)
    with pytest.raises(ConfigurationError, match=r"newer version .* upgrade winnerr-webhooks"):
        await postgres_schema.upgrade(database)


def test_what_a_script_says_of_older_programs_stands_in_its_first_lines() -> None:
    assert postgres_schema._oldest("-- oldest: 3\nSELECT 1;", 4) == {"oldest": 3}
    assert postgres_schema._oldest("-- Why.\n-- oldest: 3\nSELECT 1;", 4) == {"oldest": 3}
    assert postgres_schema._oldest("SELECT 1;\n-- oldest: 3\n", 4) == {}
    assert postgres_schema._oldest("SELECT 1;", 1) == {"oldest": 1}


# --- rights ---------------------------------------------------------------------------------------


@pytest.fixture
async def newcomer(postgres_server, empty_postgres_url, look):
    """The URL of the database for a role that may only connect; its name has to be quoted."""
    name = empty_postgres_url.rpartition("/")[2]
    role = f"New {name}"
    await look.execute(f"""CREATE ROLE "{role}" LOGIN PASSWORD 'secret'""")
    yield postgres_server.url(name, user=role.replace(" ", "%20"), password="secret")
    await look.execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"')


async def test_a_role_that_may_make_no_schema_gets_the_grant_to_run(
    make_database, newcomer, look
) -> None:
    database = await make_database(newcomer)
    with pytest.raises(ConfigurationError) as caught:
        await postgres_schema.upgrade(database)
    told = str(caught.value)
    _, grant, rest = told.partition("GRANT CREATE ON DATABASE ")
    await look.execute(grant + rest.partition(",")[0])  # as it says
    await postgres_schema.upgrade(database)
    assert (await versions(look))["version"] == len(migrations_of(PACKAGE))


async def test_a_schema_that_was_prepared_for_a_role_is_enough(
    make_database, newcomer, look
) -> None:
    role = await look.fetchval("SELECT 'New ' || current_database()")
    await look.execute(f'CREATE SCHEMA winnerr_webhooks AUTHORIZATION "{role}"')
    await postgres_schema.upgrade(await make_database(newcomer))
    assert (await versions(look))["version"] == len(migrations_of(PACKAGE))


async def test_a_schema_of_another_role_is_named_with_what_to_do(
    make_database, newcomer, empty_postgres_url
) -> None:
    await postgres_schema.upgrade(await make_database(empty_postgres_url))
    with pytest.raises(ConfigurationError, match='ALTER SCHEMA winnerr_webhooks OWNER TO "New'):
        await postgres_schema.upgrade(await make_database(newcomer))


async def test_a_table_of_another_role_is_named_with_what_to_do_when_it_has_to_change(
    make_database, newcomer, empty_postgres_url, look, scripts
) -> None:
    scripts(FIRST)
    await postgres_schema.upgrade(await make_database(empty_postgres_url))
    role = await look.fetchval("SELECT 'New ' || current_database()")
    await look.execute(f'''GRANT USAGE ON SCHEMA winnerr_webhooks TO "{role}";
        GRANT ALL ON ALL TABLES IN SCHEMA winnerr_webhooks TO "{role}"''')
    scripts(FIRST, "ALTER TABLE meta ADD COLUMN note text;")
    with pytest.raises(ConfigurationError, match="ALTER TABLE … OWNER TO"):
        await postgres_schema.upgrade(await make_database(newcomer))


# --- what is not ours -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table", ["customers (id integer)", "meta (id integer)", "meta (name text, value bigint)"]
)
async def test_a_schema_of_that_name_that_holds_something_else_is_left_alone(
    make_database, empty_postgres_url, table
) -> None:
    connection = await asyncpg.connect(empty_postgres_url)
    await connection.execute("CREATE SCHEMA winnerr_webhooks")
    await connection.execute(f"CREATE TABLE winnerr_webhooks.{table}")
    await connection.close()
    with pytest.raises(ConfigurationError, match="not of this program: rename it"):
        await postgres_schema.upgrade(await make_database(empty_postgres_url))


async def test_a_server_that_is_too_old_is_refused(
    make_database, empty_postgres_url, monkeypatch
) -> None:
    monkeypatch.setattr(postgres_schema, "OLDEST_MAJOR", 99)
    with pytest.raises(ConfigurationError, match=r"is too old.* version 99 or newer"):
        await postgres_schema.upgrade(await make_database(empty_postgres_url))


async def test_a_database_that_cannot_hold_every_character_is_refused(
    make_database, postgres_server
) -> None:
    async with postgres_server.admin() as admin:
        await admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    try:
        database = await make_database(postgres_server.url("latin", user="postgres"))
        with pytest.raises(ConfigurationError, match="has the encoding LATIN1"):
            await postgres_schema.upgrade(database)
        await database.close()
    finally:
        await postgres_server.drop_database("latin")


# --- locks ----------------------------------------------------------------------------------------


async def test_a_script_retries_its_locks_and_blocks_no_other_work(
    make_database, empty_postgres_url, look, scripts, monkeypatch
) -> None:
    monkeypatch.setattr(postgres_schema, "LOCK_PAUSE", 0.01)
    monkeypatch.setattr(postgres_schema, "_HURRY", "SET LOCAL lock_timeout = '20ms';")
    database = await make_database(empty_postgres_url)
    scripts(FIRST)
    await postgres_schema.upgrade(database)
    scripts(FIRST, "ALTER TABLE meta ADD COLUMN note text;")
    reader = look.transaction()
    await reader.start()
    await look.fetch("SELECT * FROM meta")  # an ACCESS SHARE lock until the end of it
    refused = asyncio.Event()
    monkeypatch.setattr(postgres_schema.log, "info", lambda *_args, **_fields: refused.set())
    upgrading = asyncio.create_task(postgres_schema.upgrade(database))
    async with asyncio.timeout(60):
        await refused.wait()
        await database.transact(lambda db: db.fetch("schema_versions"))  # gets its turn
    assert not upgrading.done()
    await reader.rollback()
    await asyncio.wait_for(upgrading, 60)
    assert (await versions(look))["version"] == 2


async def test_locks_that_never_come_end_the_start_with_a_sentence(
    make_database, empty_postgres_url, look, scripts, monkeypatch
) -> None:
    monkeypatch.setattr(postgres_schema, "LOCK_PAUSE", 0.0)
    monkeypatch.setattr(postgres_schema, "LOCK_TRIES", 3)
    monkeypatch.setattr(postgres_schema, "_HURRY", "SET LOCAL lock_timeout = '20ms';")
    database = await make_database(empty_postgres_url)
    scripts(FIRST)
    await postgres_schema.upgrade(database)
    scripts(FIRST, "ALTER TABLE meta ADD COLUMN note text;")
    async with look.transaction():
        await look.fetch("SELECT * FROM meta")
        with pytest.raises(ConfigurationError, match="pg_stat_activity"):
            await postgres_schema.upgrade(database)
    assert (await versions(look))["version"] == 1
