"""Operational events and mails, seen from outside: real servers, receivers and an SMTP server."""

import asyncio
import json

import pytest
import pytest_asyncio
from tests.mail_server import MailServer
from tests.postgres import free_port
from tests.server import PAUSE

KEYS = "k1:" + "A" * 43 + "="
SECRET = "the secret of the operator"

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("adapter", ["sqlite"], scope="session"),
]


@pytest_asyncio.fixture(loop_scope="session")
async def mail_server():
    server = await MailServer().start()
    yield server
    await server.stop()


@pytest.fixture
def gone(receivers, answer):
    """Make a receiver that answers 410, which disables its webhook."""

    async def make():
        receiver = await receivers()
        receiver.answer = lambda _request: answer(status=410)
        return receiver

    return make


@pytest.fixture
def alerting(make_server, receiver, mail_server):
    """Start servers that tell `receiver` and `mail_server` of webhooks."""

    async def make(**settings: str):
        return await make_server(
            **{
                "OPERATIONAL_URL": receiver.url,
                "OPERATIONAL_SECRET": SECRET,
                "SMTP_URL": f"smtp://127.0.0.1:{mail_server.port}",
                "MAIL_FROM": "Globex <hooks@globex.example>",
            }
            | settings
        )

    return make


async def disable(node, gone):
    """Let a receiver answer 410, and wait until its webhook is disabled."""
    await node.ok("PUT", "~/alerts", {"emails": ["jane@example.com"], "language": "de"})
    hook = await node.webhook((await gone()).url, name="CRM")
    await node.emit()
    await node.until(f"~/webhooks/{hook['id']}", lambda found: found["status"] == "disabled")
    return hook


async def test_a_disabled_webhook_is_one_signed_event_with_a_log_and_one_mail_in_german(
    alerting, receiver, mail_server, gone
):
    node = await alerting()
    hook = await disable(node, gone)

    (request,) = await receiver.wait_for(1)
    (mail,) = await mail_server.wait_for(1)

    assert request["X-Winnerr-Event"] == "webhook.disabled"
    assert request["X-Winnerr-Signature"].startswith("sha256=")
    data = request.json["data"]
    assert (data["organizationId"], data["webhookId"]) == ("org_1", hook["id"])
    assert data["webhookHost"].startswith("127.0.0.1:")
    assert "410" in data["reason"]
    assert mail["Subject"] == "Der Webhook CRM wurde deaktiviert"
    assert f"/settings/webhooks/@org_1/{hook['id']}" in mail.get_content()
    operator = node.of("_operator")
    page = await operator.until("~/logs", lambda found: found["items"])
    (attempt,) = page["items"]
    assert attempt["event"] == "webhook.disabled"
    assert (await operator.ok("GET", "~/logs?event=webhook.failing"))["items"] == []
    await operator.ok("POST", f"~/logs/{attempt['id']}/replay")
    await receiver.wait_for(2)
    async with node.session.get("/metrics") as response:
        figures = await response.text()
    assert "winnerr_webhooks_operational_events_total 1.0" in figures
    assert 'winnerr_webhooks_mails_total{outcome="sent"} 1.0' in figures


@pytest.mark.thorough
async def test_an_operational_event_that_fails_raises_no_other(alerting, gone, mail_server):
    operators = await gone()
    node = await alerting(OPERATIONAL_URL=operators.url, RETRY_SCHEDULE="")
    await disable(node, gone)

    await operators.wait_for(1)
    operator = node.of("_operator")
    await operator.until("~/webhooks", lambda found: found["items"][0]["status"] == "disabled")

    # The second round of the loop would raise it: a second webhook shows that it has been.
    await disable(node, gone)
    await mail_server.wait_for(2)
    page = await operator.ok("GET", "~/deliveries")
    for item in page["items"]:
        body = (await operator.ok("GET", f"~/deliveries/{item['id']}"))["body"]
        assert json.loads(body)["data"]["organizationId"] == "org_1"
    assert {one["event"] for one in page["items"]} == {"webhook.disabled", "delivery.failed"}


async def test_nobody_can_use_or_change_the_organization_of_the_operator(alerting):
    node = await alerting()
    operator = node.of("_operator")
    (hook,) = (await operator.ok("GET", "~/webhooks"))["items"]

    event = {"event": "contact.created", "organizationId": "_operator", "data": {}}
    status, problem = await node.call("POST", "/api/v1/events", event)
    assert (status, problem["errors"][0]["pointer"]) == (422, "/organizationId")
    assert "reserved" in problem["errors"][0]["message"]
    draft = {"url": "https://hooks.example.com/", "events": ["*"]}
    assert (await operator.call("POST", "~/webhooks", draft))[0] == 409
    path = f"~/webhooks/{hook['id']}"
    assert (await operator.call("PATCH", path, {"url": "https://example.com/"}))[0] == 409
    assert (await operator.call("DELETE", path))[0] == 409
    assert (await operator.call("PUT", path + "/secret", {"secret": "my own secret"}))[0] == 409
    assert (await operator.call("PATCH", path, {"status": "active"}))[0] == 200
    code, _, error = await node.command(
        "keys", "create", "--name", "x", "--organization", "_operator"
    )
    assert code != 0
    assert "reserved" in error
    listener = {"organizationId": "_operator", "name": "mine", "events": ["*"]}
    assert (await node.call("POST", "/api/v1/listeners", listener))[0] == 422


@pytest.mark.thorough
async def test_what_was_found_before_a_kill_is_told_once_after_the_next_start(
    alerting, receiver, mail_server, gone
):
    node = await alerting()
    await disable(node, gone)
    await node.kill()
    assert receiver.requests == []
    await node.start()

    (request,) = await receiver.wait_for(1)
    await mail_server.wait_for(1)

    assert request["X-Winnerr-Event"] == "webhook.disabled"
    operator = node.of("_operator")
    await operator.until("~/deliveries?status=delivered", lambda found: found["items"])
    assert len((await operator.ok("GET", "~/deliveries"))["items"]) == 1
    assert len(mail_server.mails) == 1


@pytest.mark.thorough
async def test_a_mail_server_that_is_down_delays_no_delivery_and_no_operational_event(
    alerting, receiver, receivers, gone
):
    node = await alerting(SMTP_URL=f"smtp://hooks:hunter2@127.0.0.1:{free_port()}")
    await disable(node, gone)
    await receiver.wait_for(1)
    other = await receivers()
    await node.webhook(other.url)
    await node.emit()
    await other.wait_for(1)
    async with asyncio.timeout(60):
        while not any("a mail cannot be sent" in line for line in node.log):
            await asyncio.sleep(PAUSE)
    assert "hunter2" not in "".join(node.log)
    assert await node.terminate() == 0


@pytest.mark.thorough
async def test_three_nodes_on_one_database_tell_each_state_once(
    postgres_url, alerting, receiver, mail_server, gone
):
    options = {"DATABASE_URL": postgres_url, "ENCRYPTION_KEYS": KEYS}
    nodes = [await alerting(**options) for _ in range(3)]
    for node in nodes[1:]:
        node.key = nodes[0].key
    await nodes[0].ok("PUT", "~/alerts", {"emails": ["jane@example.com"]})
    hooks = [await nodes[0].webhook((await gone()).url) for _ in range(6)]
    await nodes[1].emit()
    for hook in hooks:
        await nodes[2].until(f"~/webhooks/{hook['id']}", lambda one: one["status"] == "disabled")

    await receiver.wait_for(len(hooks))
    await mail_server.wait_for(len(hooks))
    last = await nodes[0].webhook((await gone()).url)  # a later round, on whichever node
    await nodes[0].emit()
    await receiver.wait_for(len(hooks) + 1)
    await mail_server.wait_for(len(hooks) + 1)

    told = sorted(request.json["data"]["webhookId"] for request in receiver.requests)
    assert told == sorted(hook["id"] for hook in (*hooks, last))
    assert len(mail_server.mails) == len(hooks) + 1
