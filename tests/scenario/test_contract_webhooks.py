"""CONTRACT, Webhooks: made, changed, tested and deleted on the running service."""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook

pytestmark = pytest.mark.asyncio(loop_scope="session")

OLD, NEW, NEWER = "an old secret", "a new secret", "a newer secret"
FIELDS = [
    "id", "organizationId", "url", "description", "events", "status", "statusReason",
    "hasSecret", "createdAt", "updatedAt", "name", "timeout", "retrySchedule",
    "removedEvents",
    "headers", "auth", "filter", "rateLimit", "ordered", "signing",
]  # fmt: skip


def own_signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def test_a_new_webhook_has_exactly_the_promised_fields(server, receiver) -> None:
    status, hook = await server.call(
        "POST", "~/webhooks", {"url": receiver.url, "events": ["contact.created"]}
    )
    assert status == 201
    assert list(hook) == FIELDS
    assert re.fullmatch(r"wh_[0-9a-z]{26}", hook["id"])
    assert hook["organizationId"] == server.organization
    assert (hook["url"], hook["events"]) == (receiver.url, ["contact.created"])
    assert (hook["status"], hook["statusReason"], hook["description"]) == ("active", None, None)
    assert hook["hasSecret"] is False
    for name in ("createdAt", "updatedAt"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", hook[name])
    assert await server.ok("GET", f"~/webhooks/{hook['id']}") == hook
    assert await server.ok("GET", "~/webhooks") == {"items": [hook]}


async def test_a_webhook_of_a_pattern_gets_all_events_of_that_prefix(server, receiver) -> None:
    hook = await server.webhook(receiver.url, events=["deal.*", "deal.created"])
    assert hook["events"] == ["deal.*", "deal.created"]
    await server.emit("contact.created")
    await server.emit("deal.closed_won")
    await server.emit("deal.created")
    got = await receiver.wait_for(2)
    assert {one["X-Winnerr-Event"] for one in got} == {"deal.closed_won", "deal.created"}
    await server.ok("POST", f"~/webhooks/{hook['id']}/test")
    status, problem = await server.call(
        "PATCH", f"~/webhooks/{hook['id']}", {"events": ["deal.*", "dael.*"]}
    )
    assert status == 422
    (error,) = problem["errors"]
    assert error["pointer"] == "/events/1"
    assert "did you mean deal.*?" in error["message"]


async def test_a_secret_is_shown_once_when_generated_and_on_request(server, receiver) -> None:
    given = await server.webhook(receiver.url, secret=OLD)
    assert list(given) == FIELDS
    assert given["hasSecret"] is True
    made = await server.webhook(receiver.url, generateSecret=True)
    assert made.pop("secret").startswith("whsec_")
    assert list(made) == FIELDS
    assert (await server.ok("GET", f"~/webhooks/{given['id']}/secret")) == {"secret": OLD}
    secret = (await server.ok("GET", f"~/webhooks/{made['id']}/secret"))["secret"]
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    unsigned = await server.webhook(receiver.url)
    assert (await server.call("GET", f"~/webhooks/{unsigned['id']}/secret"))[0] == 404


@pytest.mark.parametrize("secret", ["12345678", "ü" * 8, "x" * 256, "whsec_" + "A" * 44])
async def test_secrets_of_8_to_256_characters_sign(server, receiver, secret) -> None:
    await server.webhook(receiver.url, secret=secret)
    await server.emit()
    (got,) = await receiver.wait_for(1)
    assert got["X-Winnerr-Signature"] == own_signature(secret, got.body)
    key = secret.removeprefix("whsec_")
    standard = key if key != secret else base64.b64encode(secret.encode()).decode()
    StandardWebhook(standard).verify(got.body, got.headers)


async def test_a_patch_changes_what_it_names_and_delete_is_204(server, receiver) -> None:
    hook = await server.webhook(receiver.url, description="first")
    path = f"~/webhooks/{hook['id']}"
    changed = await server.ok("PATCH", path, {"events": ["*"], "description": None})
    assert (changed["events"], changed["description"]) == (["*"], None)
    assert (changed["url"], changed["createdAt"]) == (hook["url"], hook["createdAt"])
    assert (await server.ok("PATCH", path, {"status": "paused"}))["status"] == "paused"
    for method, below, body in (
        ("PATCH", "", {"secret": "12345678"}),
        ("PATCH", "", {"status": "disabled"}),
        ("PATCH", "", {"status": "paused", "replayCancelled": True}),
        ("PATCH", "", {"nonsense": 1}),
    ):
        assert (await server.call(method, path + below, body))[0] == 422
    assert await server.call("DELETE", path) == (204, None)
    for method in ("GET", "DELETE"):
        assert (await server.call(method, path))[0] == 404
    assert (await server.call("PATCH", path, {"status": "active"}))[0] == 404
    assert await server.ok("GET", "~/webhooks") == {"items": []}


async def test_if_match_changes_only_the_version_that_was_read(server, receiver) -> None:
    made = await server.webhook(receiver.url)
    path = f"~/webhooks/{made['id']}"
    url = path.replace("~", f"/api/v1/organizations/{server.organization}")
    key = {"Authorization": f"Bearer {server.key}"}
    async with server.session.get(url, headers=key) as answer:
        read = answer.headers["ETag"]
    change = {"description": "first"}
    async with server.session.patch(url, json=change, headers=key | {"If-Match": read}) as answer:
        assert answer.status == 200
        current = answer.headers["ETag"]
    assert current != read
    for method, body in (("PATCH", {"description": "late"}), ("PATCH", {}), ("DELETE", None)):
        for old in (read, "W/" + current, '"nonsense"'):
            status, problem = await server.call(method, path, body, headers={"If-Match": old})
            assert (status, problem["type"].rpartition("#")[2]) == (412, "outdated")
    assert (await server.ok("GET", path))["description"] == "first"
    tags = f'"7000", {current}'
    assert (await server.ok("PATCH", path, {}, headers={"If-Match": tags}))["id"] == made["id"]
    assert (await server.call("DELETE", path, headers={"If-Match": "*"}))[0] == 204


async def test_of_another_organization_it_is_404_before_the_body_is_judged(
    server, receiver
) -> None:
    hook = await server.webhook(receiver.url, secret=OLD)
    other = server.of()
    for method, below in (
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/secret"), ("PUT", "/secret"),
        ("DELETE", "/secret"), ("POST", "/test"),
    ):  # fmt: skip
        body = b"{not json" if method in ("PATCH", "PUT", "POST") else None
        status, problem = await other.call(method, f"~/webhooks/{hook['id']}{below}", body)
        assert (status, problem["status"]) == (404, 404), (method, below)
    assert await server.ok("GET", f"~/webhooks/{hook['id']}") == hook


async def test_a_secret_overlaps_24_hours_unless_told_otherwise(server, receiver) -> None:
    hook = await server.webhook(receiver.url, secret=OLD)
    path = f"~/webhooks/{hook['id']}/secret"
    status, rotated = await server.call("PUT", path, {"secret": NEW})
    assert status == 200
    assert list(rotated) == ["overlapEndsAt"]
    ends = datetime.fromisoformat(rotated["overlapEndsAt"])
    assert abs(ends - datetime.now(UTC) - timedelta(days=1)) < timedelta(seconds=30)
    assert rotated["overlapEndsAt"].endswith("Z")
    assert await server.ok("GET", path) == {"secret": NEW}


async def test_another_rotation_during_an_overlap_replaces_the_new_secret(server, receiver) -> None:
    hook = await server.webhook(receiver.url, secret=OLD)
    path = f"~/webhooks/{hook['id']}/secret"
    await server.ok("PUT", path, {"secret": NEW})
    await server.ok("PUT", path, {"secret": NEWER})
    assert await server.ok("GET", path) == {"secret": NEWER}
    await server.emit()
    (got,) = await receiver.wait_for(1)
    assert got["X-Winnerr-Signature"] == own_signature(OLD, got.body)
    assert got["X-Winnerr-Signature-Next"] == own_signature(NEWER, got.body)
    signatures = got["webhook-signature"].split(" ")
    assert len(signatures) == 2
    signed = f"{got['webhook-id']}.{got['webhook-timestamp']}.".encode() + got.body
    for secret, signature in zip((OLD, NEWER), signatures, strict=True):
        digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
        assert signature == "v1," + base64.b64encode(digest).decode()


async def test_an_overlap_ends_by_itself(server, receiver, answer) -> None:
    hook = await server.webhook(receiver.url, secret=OLD)
    await server.emit()  # so that the sender knows the webhook well before its secret changes
    await receiver.wait_for(1)
    rotated = await server.ok(
        "PUT", f"~/webhooks/{hook['id']}/secret", {"secret": NEW, "overlapSeconds": 1}
    )
    receiver.answer = lambda r: answer(200 if "x-winnerr-signature-next" not in r.headers else 500)
    event = await server.emit()
    requests = await receiver.wait_for(
        1,
        lambda r: r["webhook-id"] == event["id"] and "x-winnerr-signature-next" not in r.headers,
    )
    assert requests[0]["X-Winnerr-Signature"] == own_signature(NEW, requests[0].body)
    assert " " not in requests[0]["webhook-signature"]
    assert datetime.fromisoformat(rotated["overlapEndsAt"]) <= datetime.now(UTC)


async def test_the_same_new_secret_without_overlap_ends_it_now(server, receiver) -> None:
    hook = await server.webhook(receiver.url, secret=OLD)
    path = f"~/webhooks/{hook['id']}/secret"
    await server.ok("PUT", path, {"secret": NEW})
    assert await server.ok("PUT", path, {"secret": NEW, "overlapSeconds": 0}) == {
        "overlapEndsAt": None
    }
    await server.emit()
    (got,) = await receiver.wait_for(1)
    assert got["X-Winnerr-Signature"] == own_signature(NEW, got.body)
    assert "x-winnerr-signature-next" not in got.headers


async def test_there_is_no_overlap_where_there_was_no_secret(server, receiver) -> None:
    hook = await server.webhook(receiver.url)
    path = f"~/webhooks/{hook['id']}/secret"
    made = await server.ok("PUT", path, {})
    assert made["overlapEndsAt"] is None
    assert made["secret"].startswith("whsec_")
    assert (await server.ok("GET", f"~/webhooks/{hook['id']}"))["hasSecret"] is True
    await server.emit()
    (got,) = await receiver.wait_for(1)
    assert got["X-Winnerr-Signature"] == own_signature(made["secret"], got.body)
    assert await server.call("DELETE", path) == (204, None)
    assert (await server.call("GET", path))[0] == 404
    assert (await server.ok("GET", f"~/webhooks/{hook['id']}"))["hasSecret"] is False
    await server.emit()
    _, got = await receiver.wait_for(2)
    assert not [name for name in got.headers if "signature" in name]
    assert {"webhook-id", "webhook-timestamp"} <= set(got.headers)


async def test_resuming_with_replay_cancelled_sends_what_the_pause_missed_once(
    server, receiver
) -> None:
    hook = await server.webhook(receiver.url)
    path = f"~/webhooks/{hook['id']}"
    await server.ok("PATCH", path, {"status": "paused"})
    for _ in range(3):
        assert (await server.emit())["deliveries"] == 0
    await server.ok("PATCH", path, {"status": "active"})
    await server.emit("task.created")
    await receiver.wait_for(1)
    kept = await server.ok("GET", "~/deliveries?status=cancelled")
    assert len(kept["items"]) == 3
    assert {item["nextAttemptAt"] for item in kept["items"]} == {None}
    await server.ok("PATCH", path, {"status": "active", "replayCancelled": True})
    await server.until("~/deliveries?status=delivered", lambda page: len(page["items"]) == 4)
    assert len(receiver.requests) == 4


async def test_a_test_is_marked_and_is_no_part_of_replays(server, receiver, answer) -> None:
    hook = await server.webhook(receiver.url, events=["deal.closed_won"])
    receiver.answer = lambda _request: answer(410)
    status, sent = await server.call("POST", f"~/webhooks/{hook['id']}/test", {})
    assert status == 202
    assert list(sent) == ["deliveryId"]
    (got,) = await receiver.wait_for(1)
    assert got["X-Winnerr-Test"] == "true"
    assert got["X-Winnerr-Event"] == "deal.closed_won"
    assert list(got.json) == ["event", "timestamp", "organizationId", "data"]
    assert got.json["organizationId"] == server.organization
    delivery = await server.delivery(sent["deliveryId"], "failed")
    assert [a["trigger"] for a in delivery["attempts"]] == ["test"]
    assert (await server.ok("GET", f"~/webhooks/{hook['id']}"))["status"] == "active"
    assert await server.ok("POST", "~/replays", {}) == {"count": 0, "dryRun": False}
    receiver.answer = lambda _request: answer()
    await server.ok("POST", f"~/deliveries/{sent['deliveryId']}/replay")
    delivery = await server.delivery(sent["deliveryId"], "delivered")
    assert [a["attempt"] for a in delivery["attempts"]] == [1, 2]
    _, again = await receiver.wait_for(2)
    assert again.body == got.body
    assert again["X-Winnerr-Test"] == "true"


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest",
        "https://10.1.2.3/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://2852039166/",
        "https://0xa9.0xfe.0xa9.0xfe/",
        "https://012.1.2.3/",
        "https://10.1/",
        "https://user:pass@example.com/",
        "ftp://example.com/",
        "https://",
        "https://93.184.215.14:25/",
        "https://example.com/" + "a" * 2030,
    ],
)
async def test_a_url_that_must_not_be_is_422_at_url(server, url) -> None:
    status, problem = await server.call("POST", "~/webhooks", {"url": url, "events": ["*"]})
    assert status == 422
    assert [error["pointer"] for error in problem["errors"]] == ["/url"]
    assert "169.254" not in problem["detail"]


async def test_a_name_that_does_not_resolve_is_saved(server) -> None:
    status, hook = await server.call(
        "POST", "~/webhooks", {"url": "https://nowhere.invalid/hook", "events": ["*"]}
    )
    assert status == 201
    assert hook["status"] == "active"
