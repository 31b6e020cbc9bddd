"""`keys` and `migrate`: on the database, also beside a running server."""

import re


async def test_a_key_is_printed_alone_and_works_at_once_beside_a_running_server(server):
    code, out, err = await server.command("keys", "create", "--name", "crm")
    assert code == 0
    assert re.fullmatch(r"wwk_[A-Za-z0-9_-]{43}\n", out)
    assert "every organization" in err
    status, _ = await server.call("GET", "~/webhooks", key=out.strip())
    assert status == 200


async def test_a_key_of_one_organization_is_listed_and_can_be_revoked_once(server):
    _, key, _ = await server.command("keys", "create", "--name", "Acme", "--organization", "org_9")
    code, out, _ = await server.command("keys", "list")
    assert code == 0
    assert key.strip() not in out
    heading, *rows = out.splitlines()
    assert heading.split() == ["ID", "NAME", "ORGANIZATION", "CREATED", "REVOKED"]
    ((key_id, name, organization, _, revoked),) = (r.split() for r in rows if "Acme" in r)
    assert (name, organization, revoked) == ("Acme", "org_9", "-")
    assert (await server.command("keys", "revoke", key_id))[0] == 0
    code, _, err = await server.command("keys", "revoke", key_id)
    assert code == 1
    assert len(err.splitlines()) == 1


async def test_a_name_or_an_organization_that_is_none_is_one_line_and_exit_code_2(server):
    for words in (["--name", " "], ["--name", "x", "--organization", "org 1"]):
        code, out, err = await server.command("keys", "create", *words)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1


async def test_migrate_says_that_the_database_is_ready_also_beside_a_running_server(server):
    code, out, _ = await server.command("migrate")
    assert code == 0
    assert "is ready for this version" in out


async def test_a_second_server_on_the_same_file_is_refused_in_one_line(server):
    code, _, err = await server.command("serve", "--port", "0")
    assert code in (1, 2)
    assert len(err.splitlines()) == 1
