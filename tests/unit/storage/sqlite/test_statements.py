"""The SQL: every statement prepares, and none on the road walks through a table."""

import re

import apsw
import apsw.ext
import pytest

from winnerr_webhooks.storage.sqlite import migrate
from winnerr_webhooks.storage.sqlite.statements import statements, with_rows

FRAGMENTS = {name for text in statements().values() for name in re.findall(r"\{(\w+)\}", text)}
WALKS = {
    "expired", "figures", "free_all", "leased_webhooks",  # what waits, whole: at start, or aside
    "waits_too_long", "shorten_waits",  # likewise
    "next_job", "working_webhooks", "deliveries_of_event", "step_pending",  # jobs are few
    "list_keys", "all_secrets", "any_secret", "end_overlaps",  # small tables
}  # fmt: skip


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    path = tmp_path_factory.mktemp("plans") / "plans.db"
    opened = migrate.open_writer(str(path), cache_kib=1_000)
    yield opened.apsw
    opened.close()


def _whole(name: str) -> str:
    text = statements()[name]
    return with_rows(name, 4) if "{rows:" in text else text


def _is_whole(name: str) -> bool:
    first = re.sub(r"^(--.*\n)*", "", statements()[name]).split(None, 1)[0]
    return first in {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE"}


NAMES = sorted(filter(_is_whole, statements()))


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_finds_its_rows_by_an_index(connection, name) -> None:
    info = apsw.ext.query_info(connection, _whole(name), explain_query_plan=True)
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}

    def details(plan):
        yield plan.detail
        for part in plan.sub or ():
            yield from details(part)

    walked = [
        line
        for line in details(info.query_plan)
        if (found := re.fullmatch(r"SCAN (\w+)( USING (COVERING )?INDEX \w+)?", line))
        and found[1] in tables
    ]
    assert not walked or name in WALKS


def test_a_table_of_bound_rows_stays_prepared() -> None:
    """Statements whose text is 16 KiB or more are not kept by apsw."""
    for name in NAMES:
        if "{rows:" in statements()[name]:
            assert len(with_rows(name, 128)) < 16_384


def test_a_statement_is_planned_once_whatever_is_bound(tmp_path) -> None:
    """SQLite parses a statement anew when a bound value may change its plan, such as a LIMIT's."""
    connection = migrate.open_writer(str(tmp_path / "webhooks.db"), cache_kib=100)
    rows = [("wh_1", n) for n in range(4)]
    planned: list[int] = []
    connection.apsw.set_authorizer(lambda *_: planned.append(1) or apsw.SQLITE_OK)
    connection.write_rows("put_lanes", rows, 2)
    planned.clear()
    connection.write_rows("put_lanes", rows[:3], 2)
    assert not planned
    connection.write_rows("put_lanes", rows[:1], 2)  # another statement: one for a single row
    assert planned
    connection.close()
