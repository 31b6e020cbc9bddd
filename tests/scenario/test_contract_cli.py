"""CONTRACT, Command line: commands beside a running service, and settings that take effect."""

import asyncio
import json
import os
import re
import stat
from itertools import count

import pytest
from tests.server import PAUSE
from tests.thorough import usually_sqlite

pytestmark = pytest.mark.asyncio(loop_scope="session")

in_a_file = pytest.mark.parametrize("adapter", ["sqlite"], scope="session")
"""For tests of the database file and of the key file beside it."""


async def test_keys_are_made_listed_and_revoked_beside_the_service(server) -> None:
    code, out, _ = await server.command("keys", "create", "--name", "crm", "--organization", "o_2")
    assert code == 0
    (key,) = out.splitlines()
    assert key == key.strip()
    path = "/api/v1/organizations/o_2/webhooks"
    assert (await server.call("GET", path, key=key))[0] == 200
    code, out, _ = await server.command("keys", "list")
    assert code == 0
    assert key not in out
    (row,) = [line for line in out.splitlines() if " crm " in line]
    assert "o_2" in row
    key_id = row.split()[0]
    started = asyncio.get_running_loop().time()
    assert (await server.command("keys", "revoke", key_id))[0] == 0
    while (await server.call("GET", path, key=key))[0] != 401:
        assert asyncio.get_running_loop().time() - started < 60
        await asyncio.sleep(PAUSE)
    assert (await server.call("GET", path))[0] == 200
    code, _, err = await server.command("keys", "revoke", "key_nonsense")
    assert code == 1
    assert len(err.splitlines()) == 1


@usually_sqlite
async def test_emit_sends_an_event_and_says_why_not(server, receiver) -> None:
    await server.webhook(receiver.url)
    server.settings["API_KEY"] = server.key
    words = ("--organization", server.organization, "--data", '{"n": 1.50}')
    code, out, err = await server.command("emit", "deal.closed_won", *words)
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer == {"id": answer["id"], "duplicate": False, "deliveries": 1}
    (got,) = await receiver.wait_for(1)
    assert got.body.endswith(b'"data":{"n":1.50}}')
    code, out, err = await server.command("emit", "deal.closed_one", *words)
    assert (code, out) == (1, "")
    assert "deal.closed_won" in err
    code, out, err = await server.command(
        "emit", "deal.closed_won", *words, "--key", "wwk_wrong", "--server",
        f"http://127.0.0.1:{server.port}",
    )  # fmt: skip
    assert (code, out) == (1, "")
    assert err


@in_a_file
async def test_a_second_service_on_the_same_file_is_refused_and_the_first_goes_on(server) -> None:
    code, out, err = await server.command("serve", "--port", "0")
    assert code != 0
    assert out == ""
    (line,) = err.splitlines()
    assert "test.db" in line
    assert (await server.command("migrate"))[0] == 0
    assert (await server.emit())["duplicate"] is False


@in_a_file
async def test_a_lost_or_wrong_key_file_stops_the_start_and_is_never_replaced(
    make_server, receiver
) -> None:
    server = await make_server()
    keys = server.folder / "test.db.keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    hook = await server.webhook(receiver.url, secret="a secret of mine")
    assert await server.terminate() == 0
    kept = keys.read_text()
    keys.unlink()
    code, _, err = await server.command("serve")
    assert code == os.EX_CONFIG
    (line,) = err.splitlines()
    assert str(keys) in line
    for command in ("migrate", "keys list", "login-link --organization org_1"):
        assert (await server.command(*command.split()))[0] == 0, "it needs the database only"
    assert not keys.exists()
    wrong = re.sub(r":\S+", ":" + "A" * 43 + "=", kept)
    keys.write_text(wrong)
    code, _, err = await server.command("serve")
    assert code == os.EX_CONFIG
    (line,) = err.splitlines()
    assert str(keys) in line
    assert keys.read_text() == wrong
    keys.write_text(kept)
    await server.start()
    assert await server.ok("GET", f"~/webhooks/{hook['id']}/secret") == {
        "secret": "a secret of mine"
    }


async def test_encryption_keys_rotate_and_bring_no_key_file(make_server, receiver) -> None:
    one, two = "a:" + "A" * 43 + "=", "b:" + "B" * 42 + "E="
    server = await make_server(ENCRYPTION_KEYS=one)
    assert not list(server.folder.glob("*.keys"))
    hook = await server.webhook(receiver.url, secret="a secret of mine")
    await server.terminate()
    server.settings["ENCRYPTION_KEYS"] = two
    code, _, err = await server.command("serve")
    assert code == os.EX_CONFIG
    assert len(err.splitlines()) == 1
    server.settings["ENCRYPTION_KEYS"] = f"{two},{one}"
    await server.start()
    secret = await server.ok("GET", f"~/webhooks/{hook['id']}/secret")
    assert secret == {"secret": "a secret of mine"}


@usually_sqlite
async def test_limits_and_networks_are_those_of_the_settings(make_server) -> None:
    server = await make_server(
        ALLOW_HTTP="false",
        ALLOW_NETWORKS="",
        MAX_WEBHOOKS="2",
        DENY_NETWORKS="93.184.0.0/16",
        NAT64_PREFIXES="2a00:1098:2c::/96",
    )

    async def save(url: str):
        return await server.call("POST", "~/webhooks", {"url": url, "events": ["*"]})

    for url in (
        "http://8.8.8.8/", "https://127.0.0.1/", "https://93.184.215.14/", "https://8.8.8.8:80/",
        "https://[2a00:1098:2c::a00:1]/", "https://[64:ff9b::a00:1]/",
    ):  # fmt: skip
        status, problem = await save(url)
        assert (status, problem["errors"][0]["pointer"]) == (422, "/url"), url
    assert (await save("https://8.8.8.8/"))[0] == 201
    assert (await save("https://[2a00:1098:2c::808:808]:8443/"))[0] == 201
    status, problem = await save("https://8.8.8.8/")
    assert (status, problem["status"]) == (409, 409)
    assert "2" in problem["detail"]


@usually_sqlite
async def test_a_destination_forbidden_since_it_was_saved_is_blocked_at_connect(
    make_server, receiver
) -> None:
    server = await make_server()
    await server.webhook(receiver.url)
    await server.terminate()
    server.settings |= {"ALLOW_NETWORKS": "", "RETRY_SCHEDULE": ""}
    await server.start()
    await server.emit()
    page = await server.until("~/logs", lambda page: page["items"])
    assert page["items"][0]["error"]["kind"] == "blocked"
    assert page["items"][0]["response"] is None
    assert receiver.requests == []


@usually_sqlite
async def test_200_alone_can_be_the_rule_and_a_few_requests_at_once_the_most(
    make_server, receiver, answer
) -> None:
    server = await make_server(SUCCESS_STATUSES="200", RETRY_SCHEDULE="", WEBHOOK_CONCURRENCY="2")
    await server.webhook(receiver.url)
    at_once, most = 0, 0
    two = asyncio.Event()

    async def slow(request):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == 2:
            two.set()
        await two.wait()
        await server.ok("GET", "~/webhooks")  # time for a third to come
        at_once -= 1
        return answer(204 if request.json["data"]["n"] else 200, body=b"")

    receiver.answer = slow
    for n in range(20):
        await server.emit(data={"n": n})
    failed = await server.until(
        "~/deliveries?status=failed&limit=500", lambda page: len(page["items"]) == 19
    )
    attempts = await server.ok("GET", f"~/deliveries/{failed['items'][0]['id']}")
    assert attempts["attempts"][0]["error"]["kind"] == "status"
    await server.until("~/deliveries?status=delivered", lambda page: len(page["items"]) == 1)
    assert most == 2


@usually_sqlite
async def test_nothing_but_failures_for_long_enough_disables_a_webhook(
    make_server, receiver, answer
) -> None:
    """Long enough: these days, and at least 20 of them; tests do not count."""
    server = await make_server(DISABLE_AFTER_DAYS="0.000001", RETRY_SCHEDULE="")
    hook = await server.webhook(receiver.url)
    path = f"~/webhooks/{hook['id']}"
    receiver.answer = lambda _request: answer(500)
    one = {"event": "task.created", "organizationId": "org_1", "data": {}}

    async def settle(count: int, status: str, in_all: int) -> None:
        await server.ok("POST", "/api/v1/events/batch", [one] * count)
        await server.until(
            f"~/deliveries?status={status}&limit=500", lambda page: len(page["items"]) == in_all
        )

    await settle(19, "failed", 19)
    for tests in range(1, 4):
        await server.ok("POST", path + "/test", {})
        await server.until(
            "~/deliveries?status=failed", lambda page, n=19 + tests: len(page["items"]) == n
        )
    assert (await server.ok("GET", path))["status"] == "active"
    receiver.answer = lambda _request: answer(200)
    await settle(1, "delivered", 1)  # the count starts again
    receiver.answer = lambda _request: answer(500)
    await settle(19, "failed", 41)
    assert (await server.ok("GET", path))["status"] == "active"
    while (disabled := await server.ok("GET", path))["status"] == "active":
        await server.emit()  # the twentieth, and more until they are old enough
    assert disabled["statusReason"]
    assert (await server.emit())["deliveries"] == 0
    page = await server.ok("GET", "~/deliveries?limit=1")
    assert page["items"][0]["status"] == "cancelled"


async def test_the_metrics_an_operator_watches_are_there(make_server, receiver, answer) -> None:
    server = await make_server()
    await server.webhook(receiver.url)
    numbers = count()
    receiver.answer = lambda _request: answer(500 if next(numbers) == 0 else 200)
    await server.emit(id="a")
    await server.emit(id="a")
    await server.until("~/deliveries?status=delivered", lambda page: page["items"])
    await server.call("POST", "/api/v1/events", {})
    async with server.session.get("/metrics") as response:
        assert response.content_type == "text/plain"
        text = await response.text()
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    name = "winnerr_webhooks_"
    assert figures[name + "events_accepted_total"] == "1.0"
    assert figures[name + "events_repeated_total"] == "1.0"
    assert figures[name + 'events_refused_total{status="422"}'] == "1.0"
    assert figures[name + 'attempts_total{kind="",outcome="succeeded"}'] == "1.0"
    assert figures[name + 'attempts_total{kind="status",outcome="failed"}'] == "1.0"
    assert figures[name + "attempt_duration_seconds_count"] == "2.0"
    for gauge in ("pending", "oldest_pending_age_seconds", "lanes", "in_flight"):
        assert name + gauge in figures
    async with server.session.get("/api/openapi.json") as response:
        document = await response.json()
    assert document["openapi"].startswith("3.1.")
    assert "/api/v1/events" in document["paths"]
    async with server.session.get("/api/docs") as response:
        assert response.status == 200
        assert response.content_type == "text/html"
