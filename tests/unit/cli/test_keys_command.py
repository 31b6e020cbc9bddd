"""`keys` and `migrate`, also while the server runs."""

import os
import re

import pytest


@pytest.mark.asyncio(loop_scope="session")
async def test_beside_a_running_server_a_key_is_printed_alone_and_works_at_once(server):
    code, out, err = await server.command("keys", "create", "--name", "crm")
    assert code == 0
    assert re.fullmatch(r"wwk_[A-Za-z0-9_-]{43}\n", out)
    assert "every organization" in err
    status, _ = await server.call("GET", "~/webhooks", key=out.strip())
    assert status == 200


@pytest.mark.asyncio(loop_scope="session")
async def test_beside_a_running_server_a_second_one_on_its_file_is_refused_in_one_line(server):
    code, _, err = await server.command("serve", "--port", "0")
    assert code == os.EX_TEMPFAIL
    assert len(err.splitlines()) == 1


def test_a_key_of_one_organization_is_listed_and_can_be_revoked_once(run):
    key = run("keys", "create", "--name", "Acme", "--organization", "org_9").stdout.strip()
    listed = run("keys", "list")
    assert key.startswith("wwk_")
    assert key not in listed.stdout
    heading, row = listed.stdout.splitlines()
    assert heading.split() == ["ID", "NAME", "ORGANIZATION", "CREATED", "REVOKED"]
    key_id, name, organization, _, revoked = row.split()
    assert (name, organization, revoked) == ("Acme", "org_9", "-")
    assert run("keys", "revoke", key_id).returncode == 0
    assert not run("keys", "list").stdout.splitlines()[1].endswith("-")
    again = run("keys", "revoke", key_id)
    assert again.returncode == 1
    assert len(again.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["--name", " "], ["--name", "x", "--organization", "org 1"]])
def test_a_wrong_name_or_organization_is_one_line_and_exit_code_2(run, words):
    done = run("keys", "create", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_migrate_creates_the_database_and_its_key_file_and_can_be_repeated(run, tmp_path):
    for _ in range(2):
        done = run("migrate", "--database-url", f"sqlite:///{tmp_path / 'w.db'}")
        assert done.returncode == 0
        assert done.stdout == f"{tmp_path / 'w.db'} is ready for this version.\n"
    assert (tmp_path / "w.db.keys").stat().st_mode & 0o777 == 0o600
