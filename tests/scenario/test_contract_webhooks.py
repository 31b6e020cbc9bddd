"""CONTRACT, Webhooks: made, changed, tested and deleted on the running service."""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook

pytestmark = pytest.mark.asyncio(loop_scope="module")

OLD, NEW, NEWER = "an old secret", "a new secret", "a newer secret"
FIELDS = [
    "id", "organizationId", "url", "description", "events", "status", "statusReason",
    "hasSecret", "createdAt", "updatedAt",
]  # fmt: skip


def own_signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def test_a_new_webhook_has_exactly_the_promised_fields(own, inbox) -> None:
    status, hook = await own.call(
        "POST", "~/webhooks", {"url": inbox.url, "events": ["contact.created"]}
    )
    assert status == 201
    assert list(hook) == FIELDS
    assert re.fullmatch(r"wh_[0-9a-z]{26}", hook["id"])
    assert hook["organizationId"] == own.organization
    assert (hook["url"], hook["events"]) == (inbox.url, ["contact.created"])
    assert (hook["status"], hook["statusReason"], hook["description"]) == ("active", None, None)
    assert hook["hasSecret"] is False
    for name in ("createdAt", "updatedAt"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", hook[name])
    assert await own.ok("GET", f"~/webhooks/{hook['id']}") == hook
    assert await own.ok("GET", "~/webhooks") == {"items": [hook]}


async def test_a_secret_is_shown_once_when_generated_and_on_request(own, inbox) -> None:
    given = await own.webhook(inbox.url, secret=OLD)
    assert list(given) == FIELDS
    assert given["hasSecret"] is True
    made = await own.webhook(inbox.url, generateSecret=True)
    assert made.pop("secret").startswith("whsec_")
    assert list(made) == FIELDS
    assert (await own.ok("GET", f"~/webhooks/{given['id']}/secret")) == {"secret": OLD}
    secret = (await own.ok("GET", f"~/webhooks/{made['id']}/secret"))["secret"]
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    unsigned = await own.webhook(inbox.url)
    assert (await own.call("GET", f"~/webhooks/{unsigned['id']}/secret"))[0] == 404


@pytest.mark.parametrize("secret", ["12345678", "ü" * 8, "x" * 256, "whsec_" + "A" * 44])
async def test_secrets_of_8_to_256_characters_sign(own, inbox, secret) -> None:
    await own.webhook(inbox.url, secret=secret)
    await own.emit()
    (got,) = await inbox.wait_for(1)
    assert got["X-Winnerr-Signature"] == own_signature(secret, got.body)
    key = secret.removeprefix("whsec_")
    standard = key if key != secret else base64.b64encode(secret.encode()).decode()
    StandardWebhook(standard).verify(got.body, got.headers)


async def test_a_patch_changes_what_it_names_and_delete_is_204(own, inbox) -> None:
    hook = await own.webhook(inbox.url, description="first")
    path = f"~/webhooks/{hook['id']}"
    changed = await own.ok("PATCH", path, {"events": ["*"], "description": None})
    assert (changed["events"], changed["description"]) == (["*"], None)
    assert (changed["url"], changed["createdAt"]) == (hook["url"], hook["createdAt"])
    assert (await own.ok("PATCH", path, {"status": "paused"}))["status"] == "paused"
    for method, below, body in (
        ("PATCH", "", {"secret": "12345678"}),
        ("PATCH", "", {"status": "disabled"}),
        ("PATCH", "", {"status": "paused", "replayCancelled": True}),
        ("PATCH", "", {"nonsense": 1}),
    ):
        assert (await own.call(method, path + below, body))[0] == 422
    assert await own.call("DELETE", path) == (204, None)
    for method in ("GET", "DELETE"):
        assert (await own.call(method, path))[0] == 404
    assert (await own.call("PATCH", path, {"status": "active"}))[0] == 404
    assert await own.ok("GET", "~/webhooks") == {"items": []}


async def test_of_another_organization_it_is_404_before_the_body_is_judged(own, inbox) -> None:
    hook = await own.webhook(inbox.url, secret=OLD)
    other = own.of(own.organization + "_b")
    for method, below in (
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/secret"), ("PUT", "/secret"),
        ("DELETE", "/secret"), ("POST", "/test"),
    ):  # fmt: skip
        body = b"{not json" if method in ("PATCH", "PUT", "POST") else None
        status, problem = await other.call(method, f"~/webhooks/{hook['id']}{below}", body)
        assert (status, problem["status"]) == (404, 404), (method, below)
    assert await own.ok("GET", f"~/webhooks/{hook['id']}") == hook


async def test_a_secret_overlaps_24_hours_unless_told_otherwise(own, inbox) -> None:
    hook = await own.webhook(inbox.url, secret=OLD)
    path = f"~/webhooks/{hook['id']}/secret"
    status, rotated = await own.call("PUT", path, {"secret": NEW})
    assert status == 200
    assert list(rotated) == ["overlapEndsAt"]
    ends = datetime.fromisoformat(rotated["overlapEndsAt"])
    assert abs(ends - datetime.now(UTC) - timedelta(days=1)) < timedelta(seconds=30)
    assert rotated["overlapEndsAt"].endswith("Z")
    assert await own.ok("GET", path) == {"secret": NEW}


async def test_another_rotation_during_an_overlap_replaces_the_new_secret(own, inbox) -> None:
    hook = await own.webhook(inbox.url, secret=OLD)
    path = f"~/webhooks/{hook['id']}/secret"
    await own.ok("PUT", path, {"secret": NEW})
    await own.ok("PUT", path, {"secret": NEWER})
    assert await own.ok("GET", path) == {"secret": NEWER}
    await own.emit()
    (got,) = await inbox.wait_for(1)
    assert got["X-Winnerr-Signature"] == own_signature(OLD, got.body)
    assert got["X-Winnerr-Signature-Next"] == own_signature(NEWER, got.body)
    signatures = got["webhook-signature"].split(" ")
    assert len(signatures) == 2
    signed = f"{got['webhook-id']}.{got['webhook-timestamp']}.".encode() + got.body
    for secret, signature in zip((OLD, NEWER), signatures, strict=True):
        digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
        assert signature == "v1," + base64.b64encode(digest).decode()


async def test_an_overlap_ends_by_itself(own, inbox, answer) -> None:
    hook = await own.webhook(inbox.url, secret=OLD)
    await own.emit()  # so that the sender knows the webhook well before its secret changes
    await inbox.wait_for(1)
    rotated = await own.ok(
        "PUT", f"~/webhooks/{hook['id']}/secret", {"secret": NEW, "overlapSeconds": 1}
    )
    inbox.answer = lambda r: answer(200 if "x-winnerr-signature-next" not in r.headers else 500)
    event = await own.emit()
    requests = await inbox.wait_for(
        1,
        lambda r: r["webhook-id"] == event["id"] and "x-winnerr-signature-next" not in r.headers,
    )
    assert requests[0]["X-Winnerr-Signature"] == own_signature(NEW, requests[0].body)
    assert " " not in requests[0]["webhook-signature"]
    assert datetime.fromisoformat(rotated["overlapEndsAt"]) <= datetime.now(UTC)


async def test_the_same_new_secret_without_overlap_ends_it_now(own, inbox) -> None:
    hook = await own.webhook(inbox.url, secret=OLD)
    path = f"~/webhooks/{hook['id']}/secret"
    await own.ok("PUT", path, {"secret": NEW})
    assert await own.ok("PUT", path, {"secret": NEW, "overlapSeconds": 0}) == {
        "overlapEndsAt": None
    }
    await own.emit()
    (got,) = await inbox.wait_for(1)
    assert got["X-Winnerr-Signature"] == own_signature(NEW, got.body)
    assert "x-winnerr-signature-next" not in got.headers


async def test_there_is_no_overlap_where_there_was_no_secret(own, inbox) -> None:
    hook = await own.webhook(inbox.url)
    path = f"~/webhooks/{hook['id']}/secret"
    made = await own.ok("PUT", path, {})
    assert made["overlapEndsAt"] is None
    assert made["secret"].startswith("whsec_")
    assert (await own.ok("GET", f"~/webhooks/{hook['id']}"))["hasSecret"] is True
    await own.emit()
    (got,) = await inbox.wait_for(1)
    assert got["X-Winnerr-Signature"] == own_signature(made["secret"], got.body)
    assert await own.call("DELETE", path) == (204, None)
    assert (await own.call("GET", path))[0] == 404
    assert (await own.ok("GET", f"~/webhooks/{hook['id']}"))["hasSecret"] is False
    await own.emit()
    _, got = await inbox.wait_for(2)
    assert not [name for name in got.headers if "signature" in name]
    assert {"webhook-id", "webhook-timestamp"} <= set(got.headers)


async def test_resuming_with_replay_cancelled_sends_what_the_pause_missed_once(own, inbox) -> None:
    hook = await own.webhook(inbox.url)
    path = f"~/webhooks/{hook['id']}"
    await own.ok("PATCH", path, {"status": "paused"})
    for _ in range(3):
        assert (await own.emit())["deliveries"] == 0
    await own.ok("PATCH", path, {"status": "active"})
    await own.emit("task.created")
    await inbox.wait_for(1)
    kept = await own.ok("GET", "~/deliveries?status=cancelled")
    assert len(kept["items"]) == 3
    assert {item["nextAttemptAt"] for item in kept["items"]} == {None}
    await own.ok("PATCH", path, {"status": "active", "replayCancelled": True})
    await own.until("~/deliveries?status=delivered", lambda page: len(page["items"]) == 4)
    assert len(inbox.requests) == 4


async def test_a_test_is_marked_and_is_no_part_of_replays(own, inbox, answer) -> None:
    hook = await own.webhook(inbox.url, events=["deal.closed_won"])
    inbox.answer = lambda _request: answer(410)
    status, sent = await own.call("POST", f"~/webhooks/{hook['id']}/test", {})
    assert status == 202
    assert list(sent) == ["deliveryId"]
    (got,) = await inbox.wait_for(1)
    assert got["X-Winnerr-Test"] == "true"
    assert got["X-Winnerr-Event"] == "deal.closed_won"
    assert list(got.json) == ["event", "timestamp", "organizationId", "data"]
    assert got.json["organizationId"] == own.organization
    delivery = await own.delivery(sent["deliveryId"], "failed")
    assert [a["trigger"] for a in delivery["attempts"]] == ["test"]
    assert (await own.ok("GET", f"~/webhooks/{hook['id']}"))["status"] == "active"
    assert await own.ok("POST", "~/replays", {}) == {"count": 0, "dryRun": False}
    inbox.answer = lambda _request: answer()
    await own.ok("POST", f"~/deliveries/{sent['deliveryId']}/replay")
    delivery = await own.delivery(sent["deliveryId"], "delivered")
    assert [a["attempt"] for a in delivery["attempts"]] == [1, 2]
    _, again = await inbox.wait_for(2)
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
async def test_a_url_that_must_not_be_is_422_at_url(own, url) -> None:
    status, problem = await own.call("POST", "~/webhooks", {"url": url, "events": ["*"]})
    assert status == 422
    assert [error["pointer"] for error in problem["errors"]] == ["/url"]
    assert "169.254" not in problem["detail"]


async def test_a_name_that_does_not_resolve_is_saved(own) -> None:
    status, hook = await own.call(
        "POST", "~/webhooks", {"url": "https://nowhere.invalid/hook", "events": ["*"]}
    )
    assert status == 201
    assert hook["status"] == "active"
