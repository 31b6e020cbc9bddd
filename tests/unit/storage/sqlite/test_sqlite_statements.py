"""SQLite keeps statements prepared, those with a table of bound rows too."""

import apsw
import apsw.ext

from winnerr_webhooks.storage.sqlite import sqlite_file
from winnerr_webhooks.storage.sqlite.sqlite_statements import statements, with_rows


def test_a_table_of_bound_rows_stays_prepared() -> None:
    """Statements whose text is 16 KiB or more are not kept by apsw."""
    for name in statements():
        if "{rows:" in statements()[name].text:
            assert len(with_rows(name, 128)[0]) < 16_384


def test_a_statement_is_planned_once_whatever_is_bound(tmp_path) -> None:
    """SQLite parses a statement anew when a bound value may change its plan, such as a LIMIT's."""
    connection = sqlite_file.open_writer(str(tmp_path / "webhooks.db"), cache_kib=100)
    rows = [("wh_1", n) for n in range(4)]
    planned: list[int] = []
    connection.apsw.set_authorizer(lambda *_: planned.append(1) or apsw.SQLITE_OK)
    connection.write_rows("lower_lanes", rows)
    planned.clear()
    connection.write_rows("lower_lanes", rows[:3])
    assert not planned
    connection.write_rows("lower_lanes", rows[:1])  # another statement: one for a single row
    assert planned
    connection.close()
