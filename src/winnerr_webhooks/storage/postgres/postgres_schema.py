"""The schema of PostgreSQL: it is made, upgraded, or refused with the reason.

Two numbers in `meta` say what the schema is. `version` counts the scripts it was made with.
`oldest` is the oldest program that can still run on it, by the number of scripts that program
knows. An upgrade runs while nodes of the previous release run, so a script may only add (expand).
A later one removes what that release needed (contract), and its first lines then say
`-- oldest: N`. See docs/adr/0005.
"""

import asyncio
import re
from typing import Final

import asyncpg
import structlog

from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.storage.postgres.connection_opener import SCHEMA
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession, Row
from winnerr_webhooks.storage.postgres.transactions import Database
from winnerr_webhooks.storage.statements import migrations_of

OLDEST_MAJOR: Final = 14
STEP_SECONDS: Final = 3600.0
"""How long one script may take, and how long another node's script is waited for."""
LOCK_TRIES: Final = 60
"""How often a script tries to get its locks."""
LOCK_PAUSE: Final = 1.0
_LOCK: Final = 0x57574B31
"""The advisory lock that lets one node at a time change the schema: `WWK1`."""
_STEP: Final = (
    f"SET LOCAL statement_timeout = {STEP_SECONDS * 1000:.0f}; SET LOCAL lock_timeout = 0;"
)
# A script that waits for a lock makes all later transactions wait, so it may not wait for long.
_HURRY: Final = "SET LOCAL lock_timeout = '1s';"
_OLDEST: Final = re.compile(r"\A(?:--.*\n)*?-- oldest: (\d+)$", re.MULTILINE)

log = structlog.get_logger(__name__)


class _LocksTaken(Exception):  # noqa: N818  not an error: it is tried again
    """Others hold locks on the tables that a script changes; nothing was done."""


async def upgrade(database: Database) -> None:
    """Upgrade the database; safe while other nodes do the same, or run on the older schema.

    `ConfigurationError` when the server is too old, when the schema is of a newer version that
    this program cannot run on, when it is another program's, or when rights are missing.
    """
    try:
        version = await database.transact(_read_version)
        known = len(migrations_of(__package__))
        while version < known:
            version = await _next_step(database)
    except asyncpg.InsufficientPrivilegeError as error:
        state = await database.transact(lambda db: db.fetch_row("schema_state", SCHEMA))
        raise ConfigurationError(_advice(state)) from error


async def _read_version(db: PostgresSession) -> int:
    """Return the version of the schema, or 0 if there is no schema yet."""
    state = await db.fetch_row("schema_state", SCHEMA)
    if state["major"] < OLDEST_MAJOR:
        raise ConfigurationError(
            f"PostgreSQL {state['major']} is too old: WINNERR_WEBHOOKS_DATABASE_URL has to lead to "
            f"version {OLDEST_MAJOR} or newer."
        )
    if state["encoding"] != "UTF8":
        raise ConfigurationError(
            f"The database {state['database']} has the encoding {state['encoding']}, which cannot "
            "hold every character: make one with ENCODING 'UTF8' TEMPLATE template0."
        )
    if state["exists"] and not state["usable"]:
        raise ConfigurationError(_advice(state))
    if not state["filled"]:
        return 0
    versions = dict(await db.fetch("schema_versions")) if state["has_meta"] else {}
    if not versions.keys() >= {"version", "oldest"}:
        raise ConfigurationError(
            f"The schema {SCHEMA} of the database {state['database']} is not of this program: "
            "rename it, or name another database in WINNERR_WEBHOOKS_DATABASE_URL."
        )
    known = len(migrations_of(__package__))
    if versions["oldest"] > known:
        raise ConfigurationError(
            f"The database {state['database']} was upgraded by a newer version of this program "
            f"(to version {versions['version']}; the newest known here is {known}, and "
            f"{versions['oldest']} the oldest that can still run on it): upgrade winnerr-webhooks."
        )
    return int(versions["version"])


async def _next_step(database: Database) -> int:
    """Run the next script, unless another node just did; return the schema's new version."""
    for tries_left in reversed(range(LOCK_TRIES)):
        try:
            return await database.transact(_step, seconds=2 * STEP_SECONDS, settings=_STEP)
        except _LocksTaken as error:
            if not tries_left:
                raise ConfigurationError(
                    f"The schema {SCHEMA} cannot be upgraded, because other sessions keep its "
                    "tables locked: look for long transactions in pg_stat_activity, then start "
                    f"again. PostgreSQL says: {error}"
                ) from error
            log.info("the upgrade waits for locks that others hold")
        await asyncio.sleep(LOCK_PAUSE)
    raise AssertionError("the last try answers")


async def _step(db: PostgresSession) -> int:
    await db.fetch_value("lock_for_transaction", _LOCK)
    before = await _read_version(db)
    scripts = migrations_of(__package__)
    if before >= len(scripts):
        return before
    try:
        if not (await db.fetch_row("schema_state", SCHEMA))["exists"]:
            await db.script(f"CREATE SCHEMA {SCHEMA}")
        await db.script(_HURRY + scripts[before])
    except asyncpg.LockNotAvailableError as error:
        raise _LocksTaken(str(error)) from error
    version = before + 1
    numbers = {"version": version} | _oldest(scripts[before], version)
    await db.execute("set_schema_versions", list(numbers), list(numbers.values()))
    log.info("the database was upgraded", version=version)
    return version


def _oldest(script: str, version: int) -> dict[str, int]:
    """Return the oldest program that can run on the schema after a script, if it says so."""
    if found := _OLDEST.search(script):
        return {"oldest": int(found[1])}
    return {"oldest": 1} if version == 1 else {}


def _advice(state: Row) -> str:
    """Return what an administrator has to do so that the role may make or change the schema."""
    role, database = (_quoted(state[name]) for name in ("role", "database"))
    if not state["exists"]:
        return (
            f"The role {role} may not make the schema {SCHEMA} in the database {database}: let an "
            f"administrator run GRANT CREATE ON DATABASE {database} TO {role}, then start again."
        )
    return (
        f"The role {role} may not use or change the schema {SCHEMA} of the database {database}, "
        "which has to belong to it: let an administrator run "
        f"ALTER SCHEMA {SCHEMA} OWNER TO {role} (and ALTER TABLE … OWNER TO {role} for each of its "
        "tables), then start again."
    )


def _quoted(name: str) -> str:
    """Return an identifier as SQL wants it (PostgreSQL's manual, section 4.1.1)."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name)
    return name if plain else '"' + name.replace('"', '""') + '"'
