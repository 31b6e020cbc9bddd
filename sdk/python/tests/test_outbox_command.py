"""The relay as a program."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import problem
from winnerr_webhooks_sdk.outbox import Outbox, count_rows
from winnerr_webhooks_sdk.outbox.command import main
from winnerr_webhooks_sdk.outbox.connect import connector

SOURCE = str(Path(__file__).parents[1] / "src")
PROGRAM = "import sys; from winnerr_webhooks_sdk.outbox.command import main; sys.exit(main())"


def emit(database, *numbers):
    with contextlib.closing(database.connect()) as connection:
        for number in numbers:
            Outbox(connection).emit("contact.created", "org_1", {"n": number}, id=f"n-{number}")
        connection.commit()


def waiting(database):
    with contextlib.closing(database.connect()) as connection:
        return count_rows(connection).waiting


@contextlib.contextmanager
def running(database, api, **environment):
    command = [sys.executable, "-c", PROGRAM, "--from", database.relay_url]
    environment = {
        **os.environ,
        "PYTHONPATH": SOURCE,
        "WINNERR_WEBHOOKS_API_KEY": "key",
        "WINNERR_WEBHOOKS_PUBLIC_URL": api.url,
        **environment,
    }
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_it_moves_events_until_it_is_asked_to_stop(database, api):
    emit(database, 1, 2)
    with running(database, api) as process:
        assert b"Moving events from winnerr_webhooks_outbox to http" in process.stderr.readline()
        while waiting(database):
            assert process.poll() is None
        emit(database, 3)
        while waiting(database):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert b"Stopped" in process.stderr.read()
    assert [event["id"] for request in api.requests for event in request] == ["n-1", "n-2", "n-3"]


def test_ctrl_c_stops_it_while_the_api_is_away(database, api):
    api.answers = [problem(503)] * 1_000
    emit(database, 1)
    with running(database, api) as process:
        while not api.requests:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert waiting(database) == 1


def test_it_ends_with_a_sentence_when_the_key_is_refused(database, api):
    api.answers = [problem(401, "No valid API key", "Create one.")]
    emit(database, 1)
    with running(database, api) as process:
        assert process.wait(30) == 1
        last = process.stderr.read().decode().splitlines()[-1]
    assert last == "winnerr-webhooks-outbox-relay: 401 No valid API key: Create one."


def test_it_waits_for_a_database_that_has_no_table_yet_and_says_so(tmp_path, api):
    class Empty:
        relay_url = f"sqlite:///{tmp_path}/product.db"

    (tmp_path / "product.db").touch()
    with running(Empty, api) as process:
        process.stderr.readline()
        assert b"no such table: winnerr_webhooks_outbox" in process.stderr.readline()
        assert process.poll() is None


def test_refused_events_are_listed_and_sent_again(database, api, capsys):
    api.answers = [problem(422, "Invalid input", "No such event.")] * 3
    emit(database, 1, 2)
    with running(database, api) as process:
        while waiting(database):
            assert process.poll() is None
    url = ["--from", database.relay_url]
    assert main(["list", *url]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "0 waiting; 2 refused"
    assert [row.partition("  ")[2] for row in rows] == [
        f"org_1  contact.created  n-{n}  422 Invalid input: No such event." for n in (1, 2)
    ]
    second = rows[1].partition("  ")[0]
    assert main(["retry", *url, second]) == 0
    assert waiting(database) == 1
    assert main(["retry", *url]) == 0
    assert capsys.readouterr().out == "Refused events that are sent again: 1\n" * 2
    assert waiting(database) == 2
    main(["list", *url])
    assert "2 waiting, the oldest since 20" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "give --from"),
        (["--from", "oracle://x"], 2, "begins with 'oracle'"),
        (["--from", "product.db"], 2, "postgresql://user@host/name"),
        (["--from", "sqlite://host/x.db"], 2, "sqlite:////absolute"),
        (["--from", "sqlite:///x.db"], 2, "No API key"),
        (["--from", "sqlite:///x.db", "--key", "k", "--server", "nowhere"], 2, "API's address"),
        (["--from", "sqlite:///x.db", "--table", "a b"], 2, "table's name"),
        (["--from", "sqlite:///x.db", "list", "3"], 2, "no row numbers"),
        (["--from", "sqlite:///x.db", "list"], 1, "unable to open"),
        (["--from", "mysql://u:pass/word@host/x"], 2, "%2F"),
        (["--from", "mysql://host/x?ssl=1"], 2, "'ssl' is no word"),
        (["--from", "postgresql://u:100%sure@host/x"], 2, "%25"),
    ],
)
def test_a_mistake_is_one_sentence_without_the_password(  # noqa: PLR0917  as pytest asks
    words, code, said, capsys, monkeypatch, tmp_path
):
    for module in [name for name in ("mysql", "postgresql") if name in str(words)]:
        pytest.importorskip({"mysql": "pymysql", "postgresql": "psycopg"}[module])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WINNERR_WEBHOOKS_API_KEY", raising=False)
    assert main(words) == code
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert said in message
    assert "pass" not in message.replace("password", "")
    assert "sure" not in message
    assert list(tmp_path.iterdir()) == []


def test_a_driver_that_is_missing_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ValueError, match=r"pip install 'psycopg\[binary\]'"):
        connector("postgresql://host/x")


def test_a_driver_named_as_in_sqlalchemy_does_not_matter(tmp_path):
    (tmp_path / "x.db").touch()
    connector(f"sqlite+aiosqlite:///{tmp_path}/x.db")().close()
