"""Every statement's plan on SQLite: no whole table is read, no loop scans within a loop."""

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import apsw.ext
import pytest

from winnerr_webhooks import storage
from winnerr_webhooks.storage.sqlite import sqlite_file
from winnerr_webhooks.storage.sqlite.sqlite_statements import statements, with_rows

SCANS = {
    "list_keys": "an operator's command; keys are few",
    "figures": "counts what waits, less often where that takes long",
    "leased_webhooks": "once, at the start",
    "free_all": "once, at the start",
    "own_schedules": "once, at the start",
    "waits_too_long": "once, at the start",
    "shorten_waits": "once, at the start, after a clock ran ahead",
    "expired": "every 30 s, on the reader that searches",
    "any_secret": "once, before the start; it stops at the first",
    "all_secrets": "once, at the start",
    "free_rehearsals": "once, at the start; by the index of those that have not ended",
    "news": "of jobs, which are few; it stops at the first",
    "next_job": "jobs are few: one a big change that still runs",
    "waiting_alerts": "few: those that no node has handed over yet",
    "step_pending": "of jobs",
    "deliveries_of_event": "of jobs",
    "working_webhooks": "of jobs",
}
"""Statements that read a whole table, and why they may."""
INNER = {
    "fan_out": "the few patterns of an event's name",
    "count_wanted": "the few patterns of an event's name",
    "insert_cancelled": "of a batch's events, for each webhook: few where webhooks are many",
    "insert_free": "of a batch's events, for each webhook: few where webhooks are many",
    "wake_lanes": "`born` is one row",
    "insert_pending": "`born` is one row",
    "insert_ordered": "`given_now` is one row",
    "wake_keys": "`given_now` is one row",
    "matching_attempts": "the few patterns of a search, for each attempt that it looks at",
    "attempt_page": "with a rate limit: what waits before a delivery, up to 1,000",
    "matching_deliveries": "with a rate limit: what waits before a delivery, up to 1,000",
}
"""Statements that scan something for each row of something else, and why they may."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    path: Path = tmp_path_factory.mktemp("plans") / "webhooks.db"
    writer = sqlite_file.open_writer(str(path), cache_kib=1_000)
    yield writer.apsw
    writer.close()


def whole_statements() -> list[str]:
    """Names of all statements but the fragments of others."""
    folders = (Path(sqlite_file.__file__).parent, Path(storage.__file__).parent)
    texts = "".join(
        file.read_text() for folder in folders for file in folder.joinpath("sql").glob("*.sql")
    )
    fragments = set(re.findall(r"\{(\w+)\b", texts))
    whole = statements().keys() - fragments
    return sorted(name for name in whole if statements()[name].text)


def faults_of(database: apsw.Connection, name: str) -> set[str]:
    """The faults of a statement, or of the several that it is made of."""
    text = statements()[name].text
    whole = with_rows(name, 4)[0] if "{rows:" in text else text
    return set().union(*(faults(database, one) for one in whole.split(";\n")))


def faults(database: apsw.Connection, text: str) -> set[str]:
    """`scan` when the statement reads a whole table, `inner` when a loop scans within a loop."""
    tables = {row[0] for row in database.execute("SELECT name FROM sqlite_schema")}
    tables |= {
        alias for table, alias in re.findall(r"\b(\w+)\s+AS\s+(\w+)\b", text) if table in tables
    }
    plan = apsw.ext.query_info(database, text, explain_query_plan=True).query_plan
    assert plan is not None
    return set(_faults(plan, tables, in_loop=False))


def _faults(node, tables: set[str], *, in_loop: bool) -> Iterator[str]:
    """Of one level of a plan: its first loop is the outer one, the others run within it."""
    for child in node.sub or []:
        kind, _, rest = child.detail.partition(" ")
        if kind in ("SCAN", "SEARCH"):
            if kind == "SCAN" and rest.split()[0] in tables:
                yield "scan"
            if kind == "SCAN" and in_loop and not re.match(r"CONSTANT|\d+ CONSTANT|\(", rest):
                yield "inner"
            in_loop = True
        elif child.detail.startswith("CORRELATED"):
            yield from _faults(child, tables, in_loop=True)
        else:  # it is done once
            yield from _faults(child, tables, in_loop=False)


@pytest.mark.parametrize("name", whole_statements())
def test_a_statement_reads_no_whole_table_and_has_no_scan_within_a_loop(database, name) -> None:
    found = faults_of(database, name)
    allowed = {fault for fault, names in (("scan", SCANS), ("inner", INNER)) if name in names}
    assert found <= allowed


def test_an_exception_is_one_that_is_needed(database) -> None:
    for fault, names in (("scan", SCANS), ("inner", INNER)):
        for name in names:
            assert fault in faults_of(database, name), (fault, name)


@pytest.mark.parametrize(
    ("how", "found"),
    [("", {"inner"}), ("MATERIALIZED", set()), ("NOT MATERIALIZED", {"inner"})],
)
def test_a_table_function_within_a_loop_is_seen(database, how, found) -> None:
    """As in the claim that read all rooms for each due lane: it held the writer for seconds."""
    text = f"""
        WITH room (webhook_id, places) AS {how} (SELECT key, value FROM json_each(:room))
        SELECT lane.webhook_id, coalesce(room.places, 64)
        FROM lane LEFT JOIN room ON room.webhook_id = lane.webhook_id
        WHERE lane.next_due_at <= :now ORDER BY lane.next_due_at"""
    assert faults(database, text) == found


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM pending WHERE due_at < 1",
        "SELECT count(*) FROM delivery AS one",
        "SELECT * FROM lane JOIN pending AS waits ON waits.due_at = lane.next_due_at",
    ],
)
def test_a_whole_table_is_seen(database, text) -> None:
    assert "scan" in faults(database, text)


def test_a_list_that_is_walked_for_each_row_is_seen(database) -> None:
    text = """SELECT id FROM webhook
        WHERE id = :id AND EXISTS (SELECT 1 FROM json_each(:ids) WHERE value = webhook.number)"""
    assert faults(database, text) == {"inner"}
