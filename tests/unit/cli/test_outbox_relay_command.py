"""`outbox-relay`: hands its words over to the SDK, or says how to install it."""

import importlib
import sqlite3
import sys
from pathlib import Path

import pytest

SDK = Path(__file__).parents[3] / "sdk/python/src"


@pytest.fixture
def with_sdk(monkeypatch, sdk_not_imported):
    monkeypatch.syspath_prepend(str(SDK))


def test_without_the_sdk_it_says_how_to_install_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "winnerr_webhooks_sdk", None)
    done = run("outbox-relay", "--from", "sqlite:///product.db")
    assert done.returncode == 78
    assert done.stderr.count("\n") == 1
    assert "pip install ./sdk/python" in done.stderr


def test_a_broken_sdk_is_not_called_missing(run, monkeypatch, sdk_not_imported, tmp_path):
    broken = tmp_path / "broken" / "winnerr_webhooks_sdk"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("import a_module_that_is_not_there")
    monkeypatch.syspath_prepend(str(broken.parent))
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        run("outbox-relay")


def test_its_words_reach_the_sdk_and_its_exit_code_comes_back(run, with_sdk, tmp_path):
    outbox = importlib.import_module("winnerr_webhooks_sdk.outbox")
    connection = sqlite3.connect(tmp_path / "product.db")
    outbox.create_table(connection)
    outbox.Outbox(connection).emit("contact.created", "org_1", {})
    connection.commit()
    connection.close()
    done = run("outbox-relay", "--from", "sqlite:///product.db", "list")
    assert done.returncode == 0
    assert done.stdout.startswith("1 waiting, the oldest since 20")
    done = run("outbox-relay", "--from", "oracle://host/name")
    assert done.returncode == 2
    assert done.stderr.startswith("winnerr-webhooks outbox-relay: A database's URL is")


def test_help_is_that_of_the_sdk_and_each_option_is_documented(run, with_sdk):
    command = importlib.import_module("winnerr_webhooks_sdk.outbox.command")
    done = run("outbox-relay", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: winnerr-webhooks outbox-relay ")
    page = (SDK.parents[2] / "docs/reference/cli.md").read_text()
    section = page.partition("\n## outbox-relay\n")[2].partition("\n## ")[0]
    for action in command.parser()._actions:
        for word in action.option_strings or [action.metavar]:
            assert f"`{word}`" in section or word in {"-h", "--help"}
