"""Webhooks in the REST API: their fields, states, options and tests."""

import json
import re
from pathlib import Path

import pytest
from tests.unit.api.webhook_json import DRAFT, FIELDS


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
