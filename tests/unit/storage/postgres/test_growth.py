"""Webhooks that were deleted cost nobody anything: no statement goes through all of them."""

import json

import asyncpg
import pytest

from winnerr_webhooks.storage.statements import statements_of

FIRST, LAST = f"dlv_{'0' * 30}", f"dlv_{'z' * 30}"
NOW = 1_800_000_000_000
REPLAY = ("org_1", None, ["failed", "cancelled"], None, None, None, "dlv_", "dlv_~", NOW)
STATEMENTS = {
    "count_webhooks": ("org_1",),
    "list_webhooks": ("org_1",),
    "webhook_states": ("org_1", 100),
    "get_health": ("org_1", 0),
    "deliveries_of_event": ("org_1", FIRST, LAST),
    "step_pending": ("org_1", FIRST, LAST, 50, None),
    "step_undelivered": ("org_1", FIRST, LAST, 50, "wh_1"),
    "count_replays": REPLAY,
    "count_cancelling": REPLAY,
    "born_of": (["org_1"], [FIRST[:-4]]),
    "due_removals": (NOW - 1, 200),
}


def rows(plan):
    """How many rows the scans of a plan have read."""
    found = 0
    if "Scan" in plan["Node Type"] and plan.get("Relation Name") == "webhook":
        removed = plan.get("Rows Removed by Filter", 0)
        found = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return found + sum(map(rows, plan.get("Plans", ())))


@pytest.fixture
async def connection(node, empty_postgres_url):
    opened = await asyncpg.connect(empty_postgres_url)
    schema = await opened.fetchval(
        "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'attempt'"
    )
    await opened.execute(
        f"SET search_path = {schema}; SET enable_seqscan = off; SET enable_bitmapscan = off;"
        "SET enable_hashjoin = off; SET enable_mergejoin = off;"
        "SET plan_cache_mode = force_custom_plan"
    )
    yield opened
    await opened.close()


@pytest.mark.parametrize("analyzed", [True, False], ids=["statistics", "no statistics"])
async def test_no_statement_goes_through_all_deleted_webhooks(connection, analyzed) -> None:
    await connection.execute(
        "INSERT INTO webhook (id, organization, number, suffix, url, events, status, created_at,"
        " updated_at, version, epoch, change_mark)"
        " SELECT 'wh_' || n, 'org_1', n, lpad(n::text, 4, '0'), 'https://hooks.example.com/',"
        " '{*}', CASE WHEN n = 1 THEN 'active' ELSE 'deleted' END, $1, $1, 2, 2, n"
        " FROM generate_series(1, 2000) AS n",
        NOW - 86_400_000,
    )
    if analyzed:
        await connection.execute("ANALYZE webhook")
    texts = statements_of("winnerr_webhooks.storage.postgres")
    read = {}
    for name, values in STATEMENTS.items():
        found = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {texts[name]}", *values)
        read[name] = rows(json.loads(found)[0]["Plan"])
    assert {name: count for name, count in read.items() if count > 100} == {}
