"""How the service authenticates to receivers: headers, tokens and client certificates."""

import pytest
import pytest_asyncio
from tests.certificates import AlertingServer, Authority
from tests.thorough import usually_sqlite
from tests.token_server import TokenServer, json_answer

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def tokens():
    """A token endpoint."""
    server = TokenServer()
    await server.start()
    yield server
    await server.stop()


async def test_headers_and_authentication_reach_the_receiver_and_are_masked_in_the_log(
    server, receivers
) -> None:
    """Also an own `%` and an own header spelled like a format; a rehearsal elsewhere has none."""
    receiver, other = await receivers(), await receivers()
    hook = await server.webhook(
        receiver.url,
        headers={"X-Tenant": "100%b %% acme", "Cookie": "a=b"},
        auth={"type": "bearer", "token": "t0ken"},
    )
    await server.emit()
    (got,) = await receiver.wait_for(1)
    assert (got["X-Tenant"], got["Cookie"]) == ("100%b %% acme", "a=b")
    assert got["Authorization"] == "Bearer t0ken"
    delivery = await server.delivery(got["X-Winnerr-Delivery"], "delivered")
    headers = delivery["attempts"][0]["request"]["headers"]
    assert (headers["X-Tenant"], headers["Cookie"]) == ("•••", "•••")
    assert headers["Authorization"] == "Bearer •••"
    assert headers["webhook-id"] == got["webhook-id"]

    path = f"~/webhooks/{hook['id']}/rehearsals"
    for to, expected in ((other, None), (receiver, "Bearer t0ken")):
        started = await server.ok("POST", path, {"url": to.url, "last": 1})
        await server.until(f"~/rehearsals/{started['id']}", lambda one: one["status"] == "done")
        sent = (await to.wait_for(1 if to is other else 2))[-1]
        assert sent.headers.get("authorization") == expected
        assert ("x-tenant" in sent.headers) == (expected is not None)


async def test_a_token_is_fetched_kept_and_replaced_and_a_refusal_is_told(
    server, receiver, tokens
) -> None:
    """OAuth 2.0 client credentials against a token server that revokes, and then refuses."""
    tokens.guard(receiver)
    hook = await server.webhook(receiver.url, auth=tokens.auth(scope="events.write"))
    await server.emit()
    (got,) = await receiver.wait_for(1)
    assert got["Authorization"] == "Bearer t0ken-1"
    delivery = await server.delivery(got["X-Winnerr-Delivery"], "delivered")
    assert delivery["attempts"][0]["request"]["headers"]["Authorization"] == "Bearer •••"

    tokens.revoke_all()
    await server.emit()
    refused, got = (await receiver.wait_for(3))[1:]
    assert (refused["Authorization"], got["Authorization"]) == ("Bearer t0ken-1", "Bearer t0ken-2")
    delivery = await server.delivery(got["X-Winnerr-Delivery"], "delivered")
    assert len(delivery["attempts"]) == 1

    tokens.revoke_all()
    tokens.refusal = json_answer(400, {"error": "invalid_client"})
    await server.emit()
    page = await server.until(
        f"~/logs?webhook={hook['id']}&outcome=failed", lambda found: found["items"]
    )
    attempt = await server.ok("GET", f"~/logs/{page['items'][-1]['id']}")
    assert attempt["response"] is None
    assert attempt["error"]["kind"] == "auth"
    assert attempt["error"]["message"] == "The token endpoint answered 400 (invalid_client)."
    assert "Give both again" in attempt["error"]["hint"]
    tokens.refusal = None
    await server.delivery(attempt["deliveryId"], "delivered")
    assert "t0ken" not in "".join(server.log)
    assert tokens.client[1] not in "".join(server.log)


@usually_sqlite
async def test_a_client_certificate_opens_the_receiver_and_another_one_is_refused(
    make_server, tmp_path, monkeypatch
) -> None:
    """A TLS server that demands certificates of its authority; a rehearsal shows it as well."""
    authority = Authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    receiver = AlertingServer(authority.server_context())
    server = await make_server(RETRY_SCHEDULE="0.1,0.2,0.4,60")
    url = f"https://127.0.0.1:{receiver.port}/hook"
    stranger = Authority(tmp_path / "other", "Another CA").issue("mallory")
    alice = authority.issue("alice")
    hook = await server.webhook(url, auth=stranger.auth)
    await server.emit()
    page = await server.until(f"~/logs?webhook={hook['id']}", lambda found: found["items"])
    attempt = await server.ok("GET", f"~/logs/{page['items'][-1]['id']}")
    assert attempt["error"]["kind"] == "tls"
    message = "The receiver refused the client certificate: unknown ca."
    assert attempt["error"]["message"] == message
    assert "which authorities are trusted" in attempt["error"]["hint"]
    await server.ok("PATCH", f"~/webhooks/{hook['id']}", {"auth": alice.auth})
    await server.delivery(attempt["deliveryId"], "delivered")
    started = await server.ok("POST", f"~/webhooks/{hook['id']}/rehearsals", {"url": url})
    done = await server.until(f"~/rehearsals/{started['id']}", lambda one: one["status"] == "done")
    assert {answer["rehearsed"]["status"] for answer in done["answers"]} == {200}
    assert "PRIVATE KEY" not in "".join(server.log)
    receiver.close()
