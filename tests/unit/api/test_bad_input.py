"""Every refusal names the field and says what to do, and changes nothing."""

import json
from typing import Any

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENT = {"event": "contact.created", "organizationId": "org_1", "data": {"id": "c1"}}
DRAFT = {"url": "http://127.0.0.1:9/hook", "events": ["contact.created"]}


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def deep(levels: int) -> bytes:
    data = b'{"a":' * levels + b"1" + b"}" * levels
    return b'{"event":"contact.created","organizationId":"org_1","data":' + data + b"}"


BAD_EVENTS = [
    ("no body", b"", 400, None, "JSON"),
    ("malformed JSON", b'{"event": ', 400, None, "JSON"),
    ("two values", b"{} {}", 400, None, "JSON"),
    ("not UTF-8", b'{"event": "\xff"}', 400, None, "UTF-8"),
    ("a UTF-16 body", json.dumps(EVENT).encode("utf-16"), 400, None, "UTF-8"),
    ("a list", [EVENT], 422, "", "object"),
    ("null", b"null", 422, "", "object"),
    ("event of wrong type", EVENT | {"event": 7}, 422, "/event", "string"),
    ("no event", without(EVENT, "event"), 422, "/event", "missing"),
    ("unknown event", EVENT | {"event": "contact.creatd"}, 422, "/event", "contact.created"),
    ("NUL in event", EVENT | {"event": "contact.created\0"}, 422, "/event", "contact.created"),
    ("unknown field", EVENT | {"organisationId": "x"}, 422, "/organisationId", "organizationId"),
    ("no data", without(EVENT, "data"), 422, "/data", "missing"),
    ("data is a list", EVENT | {"data": [1]}, 422, "/data", "object"),
    ("data is null", EVENT | {"data": None}, 422, "/data", "object"),
    ("nested 65 deep", deep(65), 422, "/data", "64"),
    ("nested 5,000 deep", deep(5_000), 422, "/data", "64"),
    ("nested 50,000 deep", b"[" * 50_000, 422, None, ""),
    ("too large", EVENT | {"data": {"a": "x" * (256 * 1024)}}, 413, None, "256 KiB"),
    ("bad timestamp", EVENT | {"timestamp": "yesterday"}, 422, "/timestamp", "2025"),
    ("no offset", EVENT | {"timestamp": "2025-01-15T14:23:00"}, 422, "/timestamp", ""),
    ("13 months", EVENT | {"timestamp": "2025-13-15T14:23:00Z"}, 422, "/timestamp", ""),
    ("timestamp as number", EVENT | {"timestamp": 1}, 422, "/timestamp", "2025"),
    ("no organization", without(EVENT, "organizationId"), 422, "/organizationId", "missing"),
    ("bad organization", EVENT | {"organizationId": "org 1"}, 422, "/organizationId", "A-Z"),
    ("empty organization", EVENT | {"organizationId": ""}, 422, "/organizationId", "64"),
    ("long organization", EVENT | {"organizationId": "o" * 65}, 422, "/organizationId", "64"),
    ("newline in organization", EVENT | {"organizationId": "o\n"}, 422, "/organizationId", ""),
    ("id of 300 characters", EVENT | {"id": "i" * 300}, 422, "/id", "255"),
    ("empty id", EVENT | {"id": ""}, 422, "/id", ""),
    ("id not ASCII", EVENT | {"id": "naïve"}, 422, "/id", "ASCII"),
    ("NUL in id", EVENT | {"id": "a\0b"}, 422, "/id", "ASCII"),
    ("lone surrogate in id", EVENT | {"id": "\ud800"}, 422, "/id", ""),
    (
        "lone surrogate in data",
        b'{"event":"contact.created","organizationId":"org_1","data":{"a":"\\udc00"}}',
        422,
        None,
        "surrogate",
    ),
]  # fmt: skip

BAD_WEBHOOKS = [
    ("malformed JSON", b"{", 400, None, "JSON"),
    ("form data", b"url=https%3A%2F%2Fexample.com", 400, None, "JSON"),
    ("not UTF-8", b'{"url": "\xe4"}', 400, None, "UTF-8"),
    ("too large", b" " * 65_537, 413, None, "64 KiB"),
    ("nested deep", b"[" * 60_000, 422, "", "deep"),
    ("a string", b'"https://example.com"', 422, "", "object"),
    ("no url", without(DRAFT, "url"), 422, "/url", "missing"),
    ("url of wrong type", DRAFT | {"url": 1}, 422, "/url", "string"),
    ("url is null", DRAFT | {"url": None}, 422, "/url", "string"),
    ("not https", DRAFT | {"url": "ftp://example.com/"}, 422, "/url", "https"),
    ("no scheme", DRAFT | {"url": "example.com"}, 422, "/url", "https"),
    ("user info", DRAFT | {"url": "https://a:b@example.com/"}, 422, "/url", "user"),
    ("no host", DRAFT | {"url": "https:///path"}, 422, "/url", "host"),
    ("private address", DRAFT | {"url": "https://10.0.0.1/"}, 422, "/url", "public"),
    ("metadata address", DRAFT | {"url": "https://169.254.169.254/"}, 422, "/url", "public"),
    ("IPv6 loopback", DRAFT | {"url": "https://[::1]/"}, 422, "/url", "public"),
    ("decimal disguise", DRAFT | {"url": "https://2130706433/"}, 422, "/url", "four decimal"),
    ("hexadecimal disguise", DRAFT | {"url": "https://0x7f.1/"}, 422, "/url", "four decimal"),
    ("octal disguise", DRAFT | {"url": "https://0177.0.0.1/"}, 422, "/url", "four decimal"),
    ("a port below 1024", DRAFT | {"url": "https://93.184.215.14:22/"}, 422, "/url", "port"),
    ("too long", DRAFT | {"url": "https://example.com/" + "a" * 2048}, 422, "/url", "2,048"),
    ("NUL in url", DRAFT | {"url": "https://example.com/\0"}, 422, "/url", "control"),
    ("lone surrogate in url", DRAFT | {"url": "https://a/\ud800"}, 422, "/url", "surrogate"),
    ("no events", without(DRAFT, "events"), 422, "/events", "missing"),
    ("empty events", DRAFT | {"events": []}, 422, "/events", ""),
    ("unknown event", DRAFT | {"events": ["call.missed", "deal.wun"]}, 422, "/events/1", "deal."),
    ("event of wrong type", DRAFT | {"events": ["contact.created", 1]}, 422, "/events/1", "string"),
    ("events is a string", DRAFT | {"events": "*"}, 422, "/events", "list"),
    ("short secret", DRAFT | {"secret": "1234567"}, 422, "/secret", "8"),
    ("empty secret", DRAFT | {"secret": ""}, 422, "/secret", "8"),
    ("long secret", DRAFT | {"secret": "s" * 257}, 422, "/secret", "256"),
    ("whsec_ with bad base64", DRAFT | {"secret": "whsec_!!!!!!!!"}, 422, "/secret", "base64"),
    ("secret and generated", DRAFT | {"secret": "12345678", "generateSecret": True}, 422,
     "/generateSecret", "both"),
    ("description too long", DRAFT | {"description": "d" * 501}, 422, "/description", "500"),
    ("NUL in description", DRAFT | {"description": "a\0b"}, 422, "/description", "control"),
    ("half a pair", DRAFT | {"description": "\udfff"}, 422, "/description", "surrogate"),
    ("unknown field", DRAFT | {"descripton": "d"}, 422, "/descripton", "description"),
    ("odd unknown field", DRAFT | {"a/b~c": 1}, 422, "/a~1b~0c", "no field"),
]  # fmt: skip

BAD_PATCHES = [
    ("unknown status", {"status": "disabled"}, 422, "/status", "active"),
    ("status is null", {"status": None}, 422, "/status", "string"),
    ("events is null", {"events": None}, 422, "/events", "list"),
    ("empty events", {"events": []}, 422, "/events", ""),
    ("private address", {"url": "https://192.168.1.1/"}, 422, "/url", "public"),
    ("replay without status", {"replayCancelled": True}, 422, "/replayCancelled", "active"),
    ("replay while pausing", {"status": "paused", "replayCancelled": True}, 422,
     "/replayCancelled", "active"),
    ("a secret", {"secret": "12345678"}, 422, "/secret", "no field"),
    ("one good, one bad", {"description": "new", "status": "gone"}, 422, "/status", "active"),
]  # fmt: skip

BAD_SECRETS = [
    ("short", {"secret": "short"}, 422, "/secret", "8"),
    ("null", {"secret": None}, 422, "/secret", "string"),
    ("negative overlap", {"overlapSeconds": -1}, 422, "/overlapSeconds", "0"),
    ("endless overlap", {"overlapSeconds": 10**30}, 422, "/overlapSeconds", "30 days"),
    ("half a second", {"overlapSeconds": 0.5}, 422, "/overlapSeconds", "whole"),
]

BAD_TESTS = [
    ("unknown event", {"event": "contact.creatd"}, 422, "/event", "contact.created"),
    ("event of wrong type", {"event": 1}, 422, "/event", "string"),
    ("unknown field", {"events": ["contact.created"]}, 422, "/events", "event"),
]

BAD_QUERIES = [
    ("logs?limit=0", 422, "/limit", "500"),
    ("logs?limit=501", 422, "/limit", "500"),
    ("logs?limit=-1", 422, "/limit", "500"),
    ("logs?limit=٣", 422, "/limit", "500"),
    ("logs?before=nonsense", 422, "/before", "next"),
    ("logs?before=dlv_01kb2r8v5h0000001t5x9m3q7c0007", 422, "/before", "next"),
    ("logs?before=att_%00", 422, "/before", "next"),
    ("logs?outcome=maybe", 422, "/outcome", "succeeded"),
    ("logs?status=abc", 422, "/status", "5xx"),
    ("logs?status=99", 422, "/status", "5xx"),
    ("logs?since=yesterday", 422, "/since", "2025"),
    ("logs?" + "since=2025-01-15T14:23:00+01:00", 422, "/since", "%2B"),
    ("logs?until=2025-01-15", 422, "/until", "2025"),
    ("logs?event=contact.gone", 422, "/event", "contact."),
    ("logs?q=%00", 422, "/q", "NUL"),
    ("logs?" + "q=" + "a" * 201, 422, "/q", "200"),
    ("logs?q=%ff", 400, None, "UTF-8"),
    ("logs?limit=1&limit=2", 422, "/limit", "twice"),
    ("logs?limt=1", 422, "/limt", "limit"),
    ("deliveries?status=503", 422, "/status", "pending"),
    ("deliveries?before=nonsense", 422, "/before", "next"),
    ("deliveries?outcome=failed", 422, "/outcome", "no parameter"),
    ("webhooks?limit=1", 422, "/limit", "none"),
]

BAD_REPLAYS = [
    ("no body", b"", 400, None, "empty"),
    ("unknown outcome", {"outcome": "succeeded"}, 422, "/outcome", "failed"),
    ("unknown event", {"event": "deal.wun"}, 422, "/event", "deal."),
    ("bad since", {"since": "soon"}, 422, "/since", "2025"),
    ("since as number", {"since": 1}, 422, "/since", "string"),
    ("dryRun as text", {"dryRun": "yes"}, 422, "/dryRun", "true or false"),
    ("unknown field", {"dryrun": True}, 422, "/dryrun", "dryRun"),
]


def each(table: list[Any]) -> Any:
    return pytest.mark.parametrize("row", table, ids=[row[0] for row in table])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def webhook(shared_api):
    """A webhook that must be unchanged after every test."""
    return await shared_api.webhook(secret="old secret")


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared_api, webhook):
    """The shared API; checks after each test that nothing was changed."""
    due, changed = shared_api.node.due, list(shared_api.node.changed)
    yield shared_api
    assert await shared_api.ok("GET", "~/webhooks") == {"items": [webhook]}
    secret = await shared_api.ok("GET", f"~/webhooks/{webhook['id']}/secret")
    assert secret == {"secret": "old secret"}
    assert (await shared_api.ok("GET", "~/deliveries"))["items"] == []
    assert (shared_api.node.due, shared_api.node.changed) == (due, changed)


async def refused(api: Any, method: str, path: str, row: Any) -> None:
    """Make the call of a row and check its refusal."""
    _, body, status, pointer, words = row
    code, answer = await api.call(method, path, body)
    assert code == status, answer
    if pointer is not None:
        assert answer["errors"][0]["pointer"] == pointer, answer
        assert words in answer["errors"][0]["message"]
    assert words in answer["detail"], answer


@each(BAD_EVENTS)
async def test_a_bad_event_is_refused(api, row):
    await refused(api, "POST", "/api/v1/events", row)


@each(BAD_WEBHOOKS)
async def test_a_bad_webhook_is_not_created(api, row):
    await refused(api, "POST", "~/webhooks", row)


@each(BAD_PATCHES)
async def test_a_bad_change_changes_nothing(api, webhook, row):
    await refused(api, "PATCH", f"~/webhooks/{webhook['id']}", row)


@each(BAD_SECRETS)
async def test_a_bad_secret_keeps_the_old_one(api, webhook, row):
    await refused(api, "PUT", f"~/webhooks/{webhook['id']}/secret", row)


@each(BAD_TESTS)
async def test_a_bad_test_sends_nothing(api, webhook, row):
    await refused(api, "POST", f"~/webhooks/{webhook['id']}/test", row)


@each(BAD_QUERIES)
async def test_a_bad_query_is_refused(api, row):
    query, *rest = row
    await refused(api, "GET", "~/" + query, (query, None, *rest))


@each(BAD_REPLAYS)
async def test_a_bad_replay_replays_nothing(api, row):
    await refused(api, "POST", "~/replays", row)


async def test_all_errors_of_a_webhook_are_reported_together(api):
    """So a form can mark every wrong field."""
    draft = {"url": "https://10.0.0.1/", "events": [], "secret": "x", "description": "a\nb"}
    _, answer = await api.call("POST", "~/webhooks", draft)
    pointers = [error["pointer"] for error in answer["errors"]]
    assert pointers == ["/url", "/events", "/description", "/secret"]


async def test_a_refused_address_is_never_named(api):
    """A customer must not learn the addresses of the internal network."""
    _, answer = await api.call("POST", "~/webhooks", DRAFT | {"url": "https://10.1.2.3/"})
    assert "10.1.2.3" not in json.dumps(answer)


async def test_an_announced_length_is_refused_before_the_body_comes(api):
    """The answer is 413 before any of the body arrives."""
    head = (
        f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n"
        "Content-Length: 10000000000\r\n\r\n"
    )
    reader, writer = await api.connect()
    writer.write(head.encode())
    assert b" 413 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_an_endless_chunked_body_is_refused_at_the_limit(api):
    """The server does not wait for the end of a body without a length."""
    reader, writer = await api.connect()
    writer.write(
        f"POST ~/webhooks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n".replace("~", "/api/v1/organizations/org_1").encode()
    )
    for _ in range(5):
        writer.write(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
    assert b" 413 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
