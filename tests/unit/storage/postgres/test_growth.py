"""Webhooks that were deleted cost nobody anything: no statement goes through all of them."""

import json

import asyncpg
import pytest

from winnerr_webhooks.storage.postgres.postgres_session import statements

FIRST, LAST = f"dlv_{'0' * 30}", f"dlv_{'z' * 30}"
NOW = 1_800_000_000_000
ORGANIZATION = {"organization": "org_1"}
REPLAY = {
    **ORGANIZATION,
    **dict.fromkeys(("webhook", "event", "since", "until")),
    "statuses": ["failed", "cancelled"],
    "floor": "dlv_",
    "before": "dlv_~",
    "asked_at": NOW,
}
STEP = {**ORGANIZATION, "floor": FIRST, "before": LAST, "limit": 50}
STATEMENTS = {
    "count_webhooks": ORGANIZATION,
    "list_webhooks": ORGANIZATION,
    "webhook_states": {**ORGANIZATION, "limit": 100},
    "get_health": {**ORGANIZATION, "since": 0},
    "deliveries_of_event": {**ORGANIZATION, "first": FIRST, "last": LAST},
    "step_pending": {**STEP, "webhook": None},
    "step_undelivered": {**STEP, "webhook": "wh_1"},
    "count_replays": REPLAY,
    "count_cancelling": REPLAY,
    "deliveries_of_events": {"arrays": (["org_1"], [FIRST[:-4]])},
    "due_removals": {"now": NOW - 1, "slice": 200},
}
"""Values by name; `arrays` are those that a statement gives numbers to."""


def rows(plan):
    """How many rows the scans of a plan have read."""
    found = 0
    if "Scan" in plan["Node Type"] and plan.get("Relation Name") == "webhook":
        removed = plan.get("Rows Removed by Filter", 0)
        found = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return found + sum(map(rows, plan.get("Plans", ())))


@pytest.fixture
def node_url(empty_postgres_url: str) -> str:
    """A new database: statistics of rows that another test had would lead to other plans."""
    return empty_postgres_url


@pytest.fixture
async def connection(node, node_url):
    opened = await asyncpg.connect(node_url)
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
    read = {}
    for name, values in STATEMENTS.items():
        text, names = statements()[name]
        bound = [*values.get("arrays", ()), *(values[one] for one in names)]
        found = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", *bound)
        read[name] = rows(json.loads(found)[0]["Plan"])
    assert {name: count for name, count in read.items() if count > 100} == {}
