"""Webhooks in the REST API: their fields, states, secrets and test events."""

import base64
import json
import re
from pathlib import Path

import pytest
from tests.certificates import Authority

FIELDS = {
    "id", "organizationId", "url", "description", "events", "status", "statusReason",
    "hasSecret", "createdAt", "updatedAt", "name", "timeout", "retrySchedule",
    "removedEvents",
    "headers", "auth", "filter", "rateLimit", "ordered", "signing",
}  # fmt: skip
DRAFT = {"url": "http://127.0.0.1:9/hook", "events": ["deal.closed_won", "contact.created"]}


async def test_a_webhook_is_created_read_listed_and_deleted(api):
    status, made = await api.call("POST", "~/webhooks", DRAFT | {"description": " CRM "})
    assert status == 201
    assert made.keys() == FIELDS
    assert re.fullmatch(r"wh_[0-9a-z]{26}", made["id"])
    assert made["events"] == ["contact.created", "deal.closed_won"]
    assert (made["status"], made["statusReason"], made["hasSecret"]) == ("active", None, False)
    assert made["description"] == "CRM"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["createdAt"])
    path = f"~/webhooks/{made['id']}"
    assert await api.ok("GET", path) == made
    assert await api.ok("GET", "~/webhooks") == {"items": [made]}
    response, raw = await api.raw("DELETE", path)
    assert (response.status, raw) == (204, b"")
    assert (await api.call("GET", path))[0] == 404
    assert (await api.call("DELETE", path))[0] == 404
    assert await api.ok("GET", "~/webhooks") == {"items": []}
    assert api.node.changed == [made["id"]]


async def test_a_webhook_has_its_own_name_time_limit_and_schedule(api):
    made = await api.webhook(name=" CRM ", timeout=2.5, retrySchedule=[60, 0.5], status="paused")
    assert (made["name"], made["timeout"], made["status"]) == ("CRM", 2.5, "paused")
    assert made["retrySchedule"] == [60, 0.5]
    path = f"~/webhooks/{made['id']}"
    assert await api.ok("GET", path) == made
    changed = await api.ok("PATCH", path, {"retrySchedule": "long", "timeout": None})
    assert (changed["retrySchedule"], changed["timeout"]) == ("long", None)
    assert (changed["name"], changed["status"]) == ("CRM", "paused")
    cleared = await api.ok("PATCH", path, {"retrySchedule": [], "name": None})
    assert (cleared["retrySchedule"], cleared["name"]) == ([], None)
    assert (await api.ok("PATCH", path, {"retrySchedule": "standard"}))[
        "retrySchedule"
    ] == "standard"
    plain = await api.webhook()
    assert (plain["name"], plain["timeout"], plain["retrySchedule"]) == (None, None, "standard")


async def test_the_example_of_the_reference_is_accepted(api):
    """It stands in docs/reference/webhooks.md."""
    text = (Path(__file__).parents[3] / "docs/reference/webhooks.md").read_text()
    example = json.loads(re.findall(r"^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[0])
    made = await api.webhook(**example | {"url": DRAFT["url"]})
    assert made["retrySchedule"] == example["retrySchedule"]


async def test_the_examples_of_authentication_are_accepted(api):
    """They stand in docs/how-to/authenticate-to-your-receiver.md."""
    text = (Path(__file__).parents[3] / "docs/how-to/authenticate-to-your-receiver.md").read_text()
    examples = re.findall(r"^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for example in map(json.loads, examples):
        made = await api.webhook(**example)
        assert made["auth"] == {"type": example["auth"]["type"]}


async def test_headers_and_authentication_are_never_given_back(api):
    auth = {"type": "basic", "username": "crm", "password": "pa ss"}
    made = await api.webhook(headers={"X-Tenant": "acme"}, auth=auth)
    assert (made["headers"], made["auth"]) == ({"X-Tenant": "•••"}, {"type": "basic"})
    path = f"~/webhooks/{made['id']}"
    assert await api.ok("GET", path) == made
    kept = await api.ok("PATCH", path, {"headers": made["headers"] | {"X-New": "n"}})
    assert kept["headers"] == {"X-Tenant": "•••", "X-New": "•••"}
    assert kept["auth"] == {"type": "basic"}
    status, answer = await api.call("PATCH", path, {"url": "http://127.0.0.2:9/hook"})
    assert (status, answer["errors"][0]["pointer"]) == (422, "/url")
    none = await api.ok(
        "PATCH", path, {"url": "http://127.0.0.2:9/hook", "headers": None, "auth": None}
    )
    assert (none["headers"], none["auth"]) == ({}, None)


async def test_a_webhook_signs_with_ed25519_and_shows_its_public_key_only(api):
    made = await api.webhook(signing="ed25519")
    assert (made["signing"], made["hasSecret"]) == ("ed25519", True)
    assert "secret" not in made
    path = f"~/webhooks/{made['id']}"
    shown = await api.ok("GET", f"{path}/secret")
    assert list(shown) == ["publicKey"]
    assert shown["publicKey"].startswith("whpk_")
    rotated = await api.ok("PUT", f"{path}/secret", {})
    assert list(rotated) == ["overlapEndsAt", "publicKey"]
    assert rotated["publicKey"] != shown["publicKey"]
    assert await api.ok("GET", f"{path}/secret") == {"publicKey": rotated["publicKey"]}
    back = await api.ok("PATCH", path, {"signing": "hmac"})
    assert back["signing"] == "hmac"
    assert (await api.ok("GET", f"{path}/secret"))["secret"].startswith("whsec_")
    again = await api.ok("PATCH", path, {"signing": "ed25519", "name": "CRM"})
    assert (again["signing"], again["name"]) == ("ed25519", "CRM")
    assert (await api.ok("PATCH", path, {"signing": "ed25519"}))["updatedAt"] == again["updatedAt"]
    await api.call("DELETE", f"{path}/secret")
    unsigned = await api.ok("GET", path)
    assert (unsigned["signing"], unsigned["hasSecret"]) == ("hmac", False)
    signed = await api.ok("PATCH", path, {"signing": "ed25519"})
    assert (signed["signing"], signed["hasSecret"]) == ("ed25519", True)


async def test_a_key_of_ones_own_can_be_brought(api):
    key = "whsk_" + base64.b64encode(bytes(range(32))).decode()
    made = await api.webhook(signing="ed25519", secret=key)
    shown = await api.ok("GET", f"~/webhooks/{made['id']}/secret")
    assert shown == {"publicKey": "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="}


async def test_keys_and_secrets_are_not_mistaken_for_each_other(api):
    key = "whsk_" + base64.b64encode(bytes(range(32))).decode()
    for wrong, pointer in (
        ({"signing": "rsa"}, "/signing"),
        ({"secret": key}, "/secret"),
        ({"secret": "whpk_" + key[5:]}, "/secret"),
        ({"signing": "ed25519", "secret": "an old friend"}, "/secret"),
        ({"signing": "ed25519", "secret": key[:-4]}, "/secret"),
        ({"signing": "ed25519", "secret": "whsk_é"}, "/secret"),
    ):
        status, answer = await api.call("POST", "~/webhooks", DRAFT | wrong)
        assert (status, [one["pointer"] for one in answer["errors"]]) == (422, [pointer]), wrong
        assert key[5:] not in str(answer)


async def test_a_token_url_that_does_not_resolve_is_saved(api):
    auth = {
        "type": "oauth2",
        "tokenUrl": "https://no-such-name.invalid/token",
        "clientId": "crm",
        "clientSecret": "s3cret",
        "scope": "events.write",
    }
    made = await api.webhook(auth=auth)
    assert made["auth"] == {"type": "oauth2"}
    changed = await api.ok("PATCH", f"~/webhooks/{made['id']}", {"auth": auth | {"scope": "x"}})
    assert changed["auth"] == {"type": "oauth2"}
    status, answer = await api.call(
        "PATCH", f"~/webhooks/{made['id']}", {"auth": auth | {"tokenUrl": "https://10.1.1.1/"}}
    )
    assert (status, answer["errors"][0]["pointer"]) == (422, "/auth/tokenUrl")


async def test_a_client_certificate_needs_https_and_its_own_key(api, tmp_path):
    authority = Authority(tmp_path)
    alice, bob = authority.issue("alice"), authority.issue("bob")
    https = {"url": "https://127.0.0.1:9/hook"}
    made = await api.webhook(auth=alice.auth, headers={"Authorization": "x"}, **https)
    assert made["auth"] == {"type": "mtls"}
    path = f"~/webhooks/{made['id']}"
    swapped = alice.auth | {"privateKey": bob.key}
    plain = await api.webhook()
    for wrong, pointer, call in (
        ({"auth": swapped}, "/auth/privateKey", ("PATCH", path)),
        (https | {"auth": swapped}, "/auth/privateKey", ("POST", "~/webhooks")),
        ({"auth": alice.auth}, "/auth/type", ("POST", "~/webhooks")),
        ({"auth": alice.auth}, "/auth/type", ("PATCH", f"~/webhooks/{plain['id']}")),
        ({"url": DRAFT["url"], "auth": alice.auth}, "/auth/type", ("PATCH", path)),
    ):
        draft = DRAFT | wrong if call[0] == "POST" else wrong
        if call[0] == "PATCH" and "url" in wrong:
            draft = draft | {"headers": None}
        status, answer = await api.call(*call, draft)
        assert (status, [one["pointer"] for one in answer["errors"]]) == (422, [pointer]), wrong
        assert bob.key.splitlines()[1] not in str(answer)


async def test_wrong_headers_and_credentials_are_refused_with_their_places(api):
    basic = {"type": "basic", "username": "u", "password": "p"}
    oauth2 = {
        "type": "oauth2",
        "tokenUrl": "http://127.0.0.1:9/token",
        "clientId": "crm",
        "clientSecret": "s3cret",
    }
    for wrong, pointer in (
        ({"headers": {"X-A": "1", "x-a": "2"}}, "/headers/x-a"),
        ({"headers": {f"X-{n}": "v" for n in range(21)}}, "/headers"),
        ({"headers": {"X-A": 1}}, "/headers"),
        ({"headers": {"X A": "v"}}, "/headers/X A"),
        ({"headers": {"": "v"}}, "/headers/"),
        ({"headers": {"X-A": "a\r\nHost: b"}}, "/headers/X-A"),
        ({"headers": {"X-A": "naïve"}}, "/headers/X-A"),
        ({"headers": {"X-A": " v"}}, "/headers/X-A"),
        ({"headers": {"X-A": ""}}, "/headers/X-A"),
        ({"headers": {"X-A": "v" * 4_097}}, "/headers/X-A"),
        ({"headers": {"X-A": "•••"}}, "/headers/X-A"),
        ({"headers": {"hOsT": "v"}}, "/headers/hOsT"),
        ({"headers": {"Content-Length": "1"}}, "/headers/Content-Length"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "/headers/Transfer-Encoding"),
        ({"headers": {"Keep-Alive": "1"}}, "/headers/Keep-Alive"),
        ({"headers": {"x-winnerr-event": "v"}}, "/headers/x-winnerr-event"),
        ({"headers": {"X-Winnerr-Else": "v"}}, "/headers/X-Winnerr-Else"),
        ({"headers": {"webhook-else": "v"}}, "/headers/webhook-else"),
        ({"headers": {"Authorization": "v"}, "auth": basic}, "/headers/Authorization"),
        ({"auth": {"type": "digest"}}, "/auth/type"),
        ({"auth": {"username": "u"}}, "/auth/type"),
        ({"auth": {"type": "basic", "username": "u"}}, "/auth/password"),
        ({"auth": basic | {"token": "t"}}, "/auth/token"),
        ({"auth": basic | {"username": "a:b"}}, "/auth/username"),
        ({"auth": basic | {"password": "a\nb"}}, "/auth/password"),
        ({"auth": {"type": "bearer", "token": "a b"}}, "/auth/token"),
        ({"auth": {"type": "bearer", "token": ""}}, "/auth/token"),
        ({"auth": "basic"}, "/auth"),
        ({"auth": oauth2 | {"tokenUrl": "https://10.0.0.1/token"}}, "/auth/tokenUrl"),
        ({"auth": oauth2 | {"tokenUrl": "https://169.254.169.254/"}}, "/auth/tokenUrl"),
        ({"auth": oauth2 | {"tokenUrl": "ftp://login.example/"}}, "/auth/tokenUrl"),
        ({"auth": oauth2 | {"tokenUrl": "https://a:b@login.example/"}}, "/auth/tokenUrl"),
        ({"auth": oauth2 | {"tokenUrl": ""}}, "/auth/tokenUrl"),
        ({"auth": {k: v for k, v in oauth2.items() if k != "tokenUrl"}}, "/auth/tokenUrl"),
        ({"auth": {k: v for k, v in oauth2.items() if k != "clientId"}}, "/auth/clientId"),
        ({"auth": oauth2 | {"clientId": "naïve"}}, "/auth/clientId"),
        ({"auth": oauth2 | {"clientSecret": ""}}, "/auth/clientSecret"),
        ({"auth": oauth2 | {"clientSecret": "a\nb"}}, "/auth/clientSecret"),
        ({"auth": oauth2 | {"scope": 'a "b"'}}, "/auth/scope"),
        ({"auth": oauth2 | {"scope": "a  b"}}, "/auth/scope"),
        ({"auth": oauth2 | {"token": "t"}}, "/auth/token"),
        ({"auth": basic | {"scope": "a"}}, "/auth/scope"),
        ({"auth": {"type": "mtls", "certificate": "x"}}, "/auth/privateKey"),
        ({"auth": {"type": "mtls", "privateKey": "x"}}, "/auth/certificate"),
        ({"auth": {"type": "mtls", "certificate": "x", "privateKey": "x"}}, "/auth/certificate"),
        ({"auth": oauth2 | {"certificate": "x"}}, "/auth/certificate"),
        ({"auth": oauth2, "headers": {"Authorization": "v"}}, "/headers/Authorization"),
    ):
        status, answer = await api.call("POST", "~/webhooks", DRAFT | wrong)
        assert (status, [one["pointer"] for one in answer["errors"]]) == (422, [pointer]), wrong
    _, answer = await api.call("POST", "~/webhooks", DRAFT | {"auth": basic | {"usernam": "u"}})
    assert "did you mean `username`" in answer["detail"]
    assert (await api.webhook(headers={"Authorization": "Own x", "Cookie": "a=b"}))["headers"]


async def test_a_filter_keeps_its_digits_and_is_refused_at_its_place(api):
    raw = b'{"url": "http://127.0.0.1:9/hook", "events": ["*"], "filter": %b}'
    response, answer = await api.raw(
        "POST", "~/webhooks", raw % b'{"data": {"n": {"$lt": 1e400, "$gt": 1.50}}}'
    )
    assert response.status == 201
    assert b'"filter":{"data":{"n":{"$lt":1e400,"$gt":1.50}}}' in answer
    path = f"~/webhooks/{json.loads(answer)['id']}"
    assert b"1.50" in (await api.raw("GET", path))[1]
    status, answer = await api.call("PATCH", path, {"filter": {"data": {"$gtt": 1}}})
    assert (status, answer["errors"][0]["pointer"]) == (422, "/filter/data/$gtt")
    for wrong in ("won", [], {}, {"dat": 1}, 5):
        status, answer = await api.call("PATCH", path, {"filter": wrong})
        assert status == 422
        assert answer["errors"][0]["pointer"].startswith("/filter")
    assert (await api.ok("PATCH", path, {"filter": None}))["filter"] is None
    status, answer = await api.call("POST", "~/webhooks", b'{"url": "x", "filter": {,}}')
    assert status == 400


async def test_a_rate_limit_is_from_a_tenth_to_a_thousand_attempts_a_second(api):
    made = await api.webhook(rateLimit={"perSecond": 0.1})
    path = f"~/webhooks/{made['id']}"
    assert (await api.ok("GET", path))["rateLimit"] == {"perSecond": 0.1}
    changed = await api.ok("PATCH", path, {"rateLimit": {"perSecond": 1000}})
    assert changed["rateLimit"] == {"perSecond": 1000}
    assert (await api.ok("PATCH", path, {"name": "CRM"}))["rateLimit"] == {"perSecond": 1000}
    for wrong, pointer, remedy in (
        ({"perSecond": 0}, "/rateLimit/perSecond", "leave it out"),
        ({"perSecond": 0.099}, "/rateLimit/perSecond", "from 0.1 to 1000"),
        ({"perSecond": 1000.5}, "/rateLimit/perSecond", "from 0.1 to 1000"),
        ({"perSecond": -5}, "/rateLimit/perSecond", "from 0.1 to 1000"),
        ({"perSecond": "5"}, "/rateLimit/perSecond", ""),
        ({"perSecond": None}, "/rateLimit/perSecond", ""),
        (5, "/rateLimit", ""),
    ):
        for call in (("POST", "~/webhooks", DRAFT), ("PATCH", path, {})):
            status, answer = await api.call(*call[:2], call[2] | {"rateLimit": wrong})
            assert (status, answer["errors"][0]["pointer"]) == (422, pointer), wrong
            assert remedy in answer["errors"][0]["message"]
    status, answer = await api.call("PATCH", path, {"rateLimit": {}})
    assert status == 422
    assert (await api.ok("PATCH", path, {"rateLimit": None}))["rateLimit"] is None


async def test_an_order_is_all_or_nothing_or_by_a_path(api):
    made = await api.webhook(ordered="data.id")
    path = f"~/webhooks/{made['id']}"
    assert (await api.ok("GET", path))["ordered"] == "data.id"
    for order in (True, "event", "data.contact.id-2", "organizationId", False):
        assert (await api.ok("PATCH", path, {"ordered": order}))["ordered"] == order
    assert (await api.webhook())["ordered"] is False
    wrongs = (
        "", "id", "data.", "data..id", "data.0", "data. id", "data.a b", "/data/id", "$.data.id",
        "event.x", "data" + ".a" * 9, "data." + "a" * 200, None, 1, ["data.id"], {},
    )  # fmt: skip
    for wrong in wrongs:
        for call in (("POST", "~/webhooks", DRAFT), ("PATCH", path, {})):
            status, answer = await api.call(*call[:2], call[2] | {"ordered": wrong})
            assert (status, answer["errors"][0]["pointer"]) == (422, "/ordered"), wrong
    assert "such as `data.id`" in answer["errors"][0]["message"] or wrong == {}


async def test_a_filter_is_tested_over_the_last_events_of_the_organization(api):
    ids = []
    for number in range(3):
        for event in ("contact.created", "deal.created"):
            body = {"event": event, "organizationId": "org_1", "data": {"n": number}}
            ids.append((await api.ok("POST", "/api/v1/events", body))["id"])
    path, text = "~/webhooks/filter-test", {"data": {"n": {"$gte": 1}}}
    assert await api.ok("POST", path, {"filter": text}) == {
        "tested": 6, "matched": 4, "examples": ids[:1:-1],
    }  # fmt: skip
    assert await api.ok("POST", path, {"filter": text, "events": ["deal.*"], "last": 2}) == {
        "tested": 2, "matched": 2, "examples": [ids[5], ids[3]],
    }  # fmt: skip
    for wrong, pointer in (
        ({}, "/filter"),
        ({"filter": {"x": 1}}, "/filter/x"),
        ({"filter": text, "last": 0}, "/last"),
        ({"filter": text, "events": ["deal.nothing"]}, "/events/0"),
    ):
        status, answer = await api.call("POST", path, wrong)
        assert (status, answer["errors"][0]["pointer"]) == (422, pointer), wrong


async def test_wrong_options_are_refused_with_their_places(api):
    for wrong, pointer in (
        ({"name": "x" * 81}, "/name"),
        ({"timeout": 0}, "/timeout"),
        ({"timeout": "5"}, "/timeout"),
        ({"retrySchedule": "never"}, "/retrySchedule"),
        ({"retrySchedule": None}, "/retrySchedule"),
        ({"retrySchedule": [60, 0]}, "/retrySchedule/1"),
        ({"retrySchedule": [60, "60"]}, "/retrySchedule/1"),
        ({"retrySchedule": [604_800] * 20}, "/retrySchedule"),
        ({"status": "disabled"}, "/status"),
    ):
        status, answer = await api.call("POST", "~/webhooks", DRAFT | wrong)
        assert (status, [one["pointer"] for one in answer["errors"]]) == (422, [pointer]), wrong
    assert await api.ok("GET", "~/webhooks") == {"items": []}


async def test_all_events_are_shown_as_a_star(api):
    assert (await api.webhook(events=["*"]))["events"] == ["*"]


async def test_a_webhook_over_the_limit_is_refused_with_advice(api):
    for _ in range(3):
        await api.webhook()
    status, answer = await api.call("POST", "~/webhooks", DRAFT)
    assert status == 409
    assert "delete one" in answer["detail"]
    assert len((await api.ok("GET", "~/webhooks"))["items"]) == 3


async def test_a_given_secret_is_stored_and_shown_only_when_asked_for(api):
    made = await api.webhook(secret="päss word ☃")
    assert made["hasSecret"]
    assert made.keys() == FIELDS
    path = f"~/webhooks/{made['id']}/secret"
    assert await api.ok("GET", path) == {"secret": "päss word ☃"}


async def test_a_generated_secret_is_in_the_answer_of_the_creation(api):
    made = await api.webhook(generateSecret=True)
    assert made.keys() == FIELDS | {"secret"}
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made["secret"])
    path = f"~/webhooks/{made['id']}"
    assert await api.ok("GET", path + "/secret") == {"secret": made["secret"]}
    assert (await api.ok("GET", path)).keys() == FIELDS


async def test_secrets_rotate_with_an_overlap(api):
    made = await api.webhook()
    path = f"~/webhooks/{made['id']}/secret"
    assert (await api.call("GET", path))[0] == 404
    assert await api.ok("PUT", path, {"secret": "first secret"}) == {"overlapEndsAt": None}
    rotated = await api.ok("PUT", path)
    assert rotated["secret"].startswith("whsec_")
    assert rotated["overlapEndsAt"].endswith("Z")
    assert await api.ok("GET", path) == {"secret": rotated["secret"]}
    ended = {"secret": rotated["secret"], "overlapSeconds": 0}
    assert await api.ok("PUT", path, ended) == {"overlapEndsAt": None}
    (target,) = await api.storage.targets([made["id"]])
    assert (target.secret, target.next_secret) == (rotated["secret"], None)
    assert (await api.raw("DELETE", path))[0].status == 204
    assert (await api.raw("DELETE", path))[0].status == 204
    assert (await api.call("GET", path))[0] == 404
    assert not (await api.ok("GET", f"~/webhooks/{made['id']}"))["hasSecret"]
    assert api.node.changed == [made["id"]] * 5


async def test_a_patch_changes_only_the_fields_it_has(api):
    made = await api.webhook(description="old")
    path = f"~/webhooks/{made['id']}"
    changed = await api.ok(
        "PATCH", path, {"url": "http://127.0.0.1:10/", "events": ["task.created"]}
    )
    assert (changed["url"], changed["events"]) == ("http://127.0.0.1:10/", ["task.created"])
    assert changed["description"] == "old"
    assert (await api.ok("PATCH", path, {"description": None}))["description"] is None
    assert api.node.changed == [made["id"]] * 2


async def test_an_empty_patch_changes_nothing(api):
    made = await api.webhook()
    assert await api.ok("PATCH", f"~/webhooks/{made['id']}", {}) == made
    assert api.node.changed == []


async def test_a_webhook_is_paused_and_resumed_by_its_status(api):
    made = await api.webhook()
    path = f"~/webhooks/{made['id']}"
    assert (await api.ok("PATCH", path, {"status": "paused"}))["status"] == "paused"
    accepted = await api.emit()
    assert accepted["deliveries"] == 0
    (missed,) = (await api.ok("GET", "~/deliveries"))["items"]
    assert missed["status"] == "cancelled"
    resumed = await api.ok("PATCH", path, {"status": "active", "replayCancelled": True})
    assert resumed["status"] == "active"
    while await api.storage.run_job_slice():
        pass
    (replayed,) = await api.claim()
    assert (replayed.id, replayed.trigger) == (missed["id"], "automatic")


async def test_a_test_event_is_one_delivery_also_while_the_webhook_is_paused(api):
    made = await api.webhook(events=["deal.closed_won", "task.created"])
    path = f"~/webhooks/{made['id']}"
    await api.ok("PATCH", path, {"status": "paused"})
    status, answer = await api.call("POST", path + "/test")
    assert (status, answer.keys()) == (202, {"deliveryId"})
    delivery = await api.ok("GET", f"~/deliveries/{answer['deliveryId']}")
    assert (delivery["event"], delivery["webhookId"]) == ("deal.closed_won", made["id"])
    assert delivery["status"] == "pending"
    other = await api.ok("POST", path + "/test", {"event": "call.missed"})
    delivery = await api.ok("GET", f"~/deliveries/{other['deliveryId']}")
    assert delivery["event"] == "call.missed"
    assert '"organizationId":"org_1"' in delivery["body"]


async def test_a_test_event_for_all_events_is_the_first_of_the_catalogue(api):
    made = await api.webhook()
    answer = await api.ok("POST", f"~/webhooks/{made['id']}/test", {})
    delivery = await api.ok("GET", f"~/deliveries/{answer['deliveryId']}")
    assert delivery["event"] == "contact.created"


async def test_a_test_event_of_an_unknown_type_is_refused(api):
    made = await api.webhook()
    status, answer = await api.call("POST", f"~/webhooks/{made['id']}/test", {"event": "nope"})
    assert (status, answer["errors"][0]["pointer"]) == (422, "/event")
    assert (await api.ok("GET", "~/deliveries"))["items"] == []


@pytest.mark.parametrize("webhook", ["wh_none", "wh_01kb2r7c900000001t5x9m3q7c", "%00", "evt_1"])
async def test_an_unknown_webhook_is_404(api, webhook):
    for method in ("GET", "PATCH", "DELETE"):
        assert (await api.call(method, f"~/webhooks/{webhook}", b"not json"))[0] == 404


async def test_every_get_also_answers_head(api):
    response, raw = await api.raw("HEAD", "~/webhooks")
    assert (response.status, raw) == (200, b"")
    assert response.headers["Content-Length"] == str(len(b'{"items":[]}'))


async def test_a_wrong_method_is_405_with_the_allowed_ones(api):
    response, _ = await api.raw("PUT", "~/webhooks", {})
    assert response.status == 405
    assert {"GET", "HEAD", "POST"} <= set(response.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/api/v1/nope", "~/nope", "~/webhooks/a/b"]
)
async def test_an_unknown_path_is_a_404_problem(api, path):
    status, answer = await api.call("GET", path)
    assert (status, answer["type"]) == (404, "/api/docs#not-found")


async def test_no_answer_may_be_cached_or_sniffed(api):
    for path in ("~/webhooks", "~/nope", "/healthz"):
        response, _ = await api.raw("GET", path)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert not [name for name in response.headers if name.startswith("Access-Control")]


async def test_a_body_is_read_as_json_whatever_its_content_type(api):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _ = await api.call("POST", "~/webhooks", DRAFT, headers=headers)
    assert status == 201


async def test_a_test_can_have_data_of_its_own_which_arrives_as_it_was_sent(api):
    made = await api.webhook()
    path = f"~/webhooks/{made['id']}/test"
    raw = b'{"event": "deal.created", "data": {"z": 1.50, "a": [1, 2], "big": 123456789012345678}}'

    started = await api.ok("POST", path, raw)

    delivery = await api.ok("GET", f"~/deliveries/{started['deliveryId']}")
    assert delivery["body"].endswith('"data":{"z":1.50,"a":[1,2],"big":123456789012345678}}')
    for wrong in (b'{"data": [1]}', b'{"data": null}', b'{"data": "x"}'):
        status, problem = await api.call("POST", path, wrong)
        assert status == 422
        assert problem["errors"][0]["pointer"] == "/data"
