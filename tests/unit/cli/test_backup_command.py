"""`backup`: a consistent copy while the server runs, readable by its owner only."""

import stat

import apsw
import pytest


@pytest.mark.asyncio(loop_scope="session")
async def test_a_copy_made_while_the_server_runs_is_whole_and_can_be_served(make_server, receiver):
    server = await make_server()
    await server.webhook(receiver.url)
    await server.emit()
    await receiver.wait_for(1)
    code, out, err = await server.command("backup", "copy.db")
    assert code == 0
    assert "copy.db is a copy of" in out
    assert ".keys: copy it, too" in err
    copy = server.folder / "copy.db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    database = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)
    assert database.pragma("integrity_check") == "ok"
    assert database.execute("SELECT count(*) FROM event").fetchone() == (1,)
    database.close()


def test_an_existing_file_is_not_overwritten(run, tmp_path):
    assert run("migrate").returncode == 0
    (tmp_path / "copy.db").write_text("precious")
    done = run("backup", "copy.db")
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert (tmp_path / "copy.db").read_text() == "precious"


@pytest.mark.parametrize(
    ("content", "says"), [(None, "There is no database"), (b"", "is no database of this program")]
)
def test_a_file_that_is_not_a_database_of_this_product_is_not_copied(content, says, run, tmp_path):
    if content is not None:
        (tmp_path / "winnerr-webhooks.db").write_bytes(content)
    done = run("backup", "copy.db")
    assert done.returncode != 0
    assert says in done.stderr
    assert not (tmp_path / "copy.db").exists()


def test_a_missing_folder_is_named_and_no_file_is_left_behind(run, tmp_path):
    run("migrate")
    done = run("backup", "nowhere/copy.db")
    assert done.returncode == 2
    assert "nowhere/copy.db cannot be made" in done.stderr


def test_a_copy_that_fails_leaves_no_file_behind(run, tmp_path):
    """A transaction of another process keeps the database locked."""
    run("migrate")
    source = apsw.Connection("winnerr-webhooks.db")
    source.pragma("journal_mode", "delete")
    source.execute("BEGIN EXCLUSIVE")
    try:
        done = run("backup", "copy.db")
    finally:
        source.execute("ROLLBACK")
        source.close()
    assert done.returncode == 1
    assert "locked by another process" in done.stderr
    assert not (tmp_path / "copy.db").exists()
