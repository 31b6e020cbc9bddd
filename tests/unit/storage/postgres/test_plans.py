"""Every statement's plan on PostgreSQL: no whole table is read, no loop scans within a loop."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from winnerr_webhooks import storage
from winnerr_webhooks.storage import postgres
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession, statements

PLANNED = re.compile(r"(--[^\n]*\n|\s)*(SELECT|WITH|INSERT|UPDATE|DELETE)\b")
"""What has a plan, and is no fragment of other statements."""
SCAN_NODES = {"Function Scan", "CTE Scan", "Values Scan", "Seq Scan", "WorkTable Scan"}
PASSING = {"Materialize", "Memoize", "Limit", "Sort", "Unique", "Result", "Subquery Scan"}
"""Nodes that hand on what the one below them finds."""
SCANS = {
    "list_keys": "an operator's command; keys are few",
    "figures": "counts what waits, for the metrics",
    "outbox_figures": "counts what waits and what was refused, for the metrics",
    "carry_state": "the table has one row",
    "move_carry": "the table has one row",
    "forget_late_writes": "what was written while a day was carried over, and all of it goes",
    "take_late_writes": "what was written while a day was carried over, and all of it is taken",
}
"""Statements that read a whole table, and why they may."""
INNER = {
    "lower_lanes": "`quickly` is one row",
    "release": "`quickly` is one row",
    "matching_attempts": "the few patterns of a search, for each attempt that it looks at",
}
"""Statements that scan something for each row of something else, and why they may."""


@pytest.fixture
def node_url(empty_postgres_url: str) -> str:
    """A database that was never analyzed: plans depend on what is known of its tables."""
    return empty_postgres_url


def whole_statements() -> dict[str, str]:
    """All statements with a plan, but for the fragments of others."""
    folders = (files(postgres.__name__), files(storage.__name__))
    texts = "".join(
        file.read_text() for folder in folders for file in folder.joinpath("sql").iterdir()
    )
    fragments = set(re.findall(r"\{(\w+)\b", texts))
    return {
        name: statement.text
        for name, statement in sorted(statements().items())
        if name not in fragments and PLANNED.match(statement.text)
    }


async def plan_of(db: PostgresSession, text: str) -> dict[str, Any]:
    """The generic plan: the one for values that are not known."""
    prepared = await db.connection.prepare(text)
    values = ", ".join(["NULL"] * len(prepared.get_parameters()))
    await db.connection.execute(f"PREPARE explained AS {text}")
    call = f"explained({values})" if values else "explained"
    try:
        (line,) = await db.connection.fetch(f"EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE {call}")
    finally:
        await db.connection.execute("DEALLOCATE explained")
    plan: dict[str, Any] = json.loads(line[0])[0]["Plan"]
    return plan


def faults(node: dict[str, Any]) -> Iterator[str]:
    """`scan` for each whole table, `inner` for each scan that runs once a row of another part."""
    if node["Node Type"] == "Seq Scan":
        yield "scan"
    for child in node.get("Plans", ()):
        if node["Node Type"] == "Nested Loop" and child["Parent Relationship"] == "Inner":
            leaf = child
            while leaf["Node Type"] in PASSING and leaf.get("Plans"):
                leaf = leaf["Plans"][0]
            whole_index = leaf["Node Type"].startswith("Index") and "Index Cond" not in leaf
            if leaf["Node Type"] in SCAN_NODES or whole_index:
                yield "inner"
        yield from faults(child)


async def test_no_statement_reads_a_whole_table_or_scans_within_a_loop(node) -> None:
    """Each exception has its reason, and is one that is needed."""
    found: dict[str, set[str]] = {}

    async def explain(db: PostgresSession) -> None:
        for table in ("attempt", "delivery", "event"):  # as retention makes them
            await db.script(f"CREATE TABLE {table}_next (LIKE {table} INCLUDING ALL)")
        for name, text in whole_statements().items():
            found[name] = set(faults(await plan_of(db, text)))

    await node._road.transact(explain, seconds=60, settings="SET LOCAL statement_timeout = 0;")
    assert {name for name in found if "scan" in found[name]} == SCANS.keys()
    assert {name for name in found if "inner" in found[name]} == INNER.keys()


async def test_a_list_within_a_loop_and_a_whole_table_are_seen(node) -> None:
    """As in a claim that would read all rooms for each due lane."""
    text = """
        WITH room AS MATERIALIZED (SELECT * FROM jsonb_each_text($1))
        SELECT lane.webhook_id, room.value
        FROM lane LEFT JOIN room ON room.key = lane.webhook_id
        WHERE lane.next_due_at <= $2"""

    async def explain(db: PostgresSession) -> None:
        assert set(faults(await plan_of(db, text))) == {"inner"}
        whole = await plan_of(db, "SELECT * FROM pending WHERE due_at < $1")
        assert set(faults(whole)) == {"scan"}

    await node._road.transact(explain, seconds=60)
