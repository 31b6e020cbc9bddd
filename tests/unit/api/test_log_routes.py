"""The log, deliveries and replays in the REST API."""

import json

import pytest

ATTEMPT = {
    "id", "deliveryId", "eventId", "webhookId", "event", "attempt", "trigger", "outcome",
    "startedAt", "durationMs", "timings", "request", "response", "error", "deliveryStatus",
    "nextAttemptAt",
}  # fmt: skip


async def one_attempt(api, status=503, happened="retry", **fields):
    await api.webhook()
    await api.emit()
    (delivery,) = await api.claim()
    return await api.settle(delivery, status, happened=happened, **fields), delivery


async def test_an_attempt_shows_its_request_and_response_as_they_were(api):
    attempt_id, delivery = await one_attempt(
        api,
        response_head=b"Content-Type: text/plain\r\nSet-Cookie: a\r\nset-cookie: b\r\nX: \xff\r\n",
        response_body=b"busy \xff",
        truncated=True,
    )
    attempt = await api.ok("GET", f"~/logs/{attempt_id}")
    assert attempt.keys() == ATTEMPT
    assert attempt["timings"] == {
        "dnsMs": None, "connectMs": 1.0, "tlsMs": None, "firstByteMs": 6.9, "reconnected": False,
    }  # fmt: skip
    assert attempt["request"]["headers"] == {"Host": "127.0.0.1:9", "X-Winnerr-Attempt": "1"}
    assert attempt["request"]["body"].encode() == delivery.body
    assert attempt["response"] == {
        "status": 503,
        "truncated": True,
        "headers": {"Content-Type": "text/plain", "Set-Cookie": "a, b", "X": "\ufffd"},
        "body": "busy \ufffd",
    }
    assert attempt["error"].keys() == {"kind", "message", "hint"}
    assert attempt["error"]["kind"] == "status"
    assert attempt["error"]["hint"]
    assert (attempt["outcome"], attempt["deliveryStatus"]) == ("failed", "pending")
    assert attempt["startedAt"][-5] == "."
    assert attempt["nextAttemptAt"] > attempt["startedAt"]


async def test_a_success_has_no_error(api):
    good, _ = await one_attempt(api, 200, "success")
    attempt = await api.ok("GET", f"~/logs/{good}")
    assert (attempt["error"], attempt["nextAttemptAt"]) == (None, None)
    assert attempt["deliveryStatus"] == "delivered"


async def test_an_attempt_without_an_answer_has_no_response(api):
    attempt_id, _ = await one_attempt(api, None, "retry", kind="timeout")
    attempt = await api.ok("GET", f"~/logs/{attempt_id}")
    assert attempt["response"] is None
    assert attempt["error"]["kind"] == "timeout"


async def test_a_list_has_no_headers_and_bodies(api):
    attempt_id, _ = await one_attempt(api, response_body=b"busy")
    page = await api.ok("GET", "~/logs")
    assert page.keys() == {"items", "next"}
    (item,) = page["items"]
    assert item.keys() == ATTEMPT
    assert item["id"] == attempt_id
    assert item["request"] == {"url": "http://127.0.0.1:9/hook"}
    assert item["response"] == {"status": 503, "truncated": False}
    assert item["error"]["hint"]


async def test_each_filter_limits_the_log(api):
    attempt_id, delivery = await one_attempt(api, response_body=b"Very Busy")
    started = (await api.ok("GET", f"~/logs/{attempt_id}"))["startedAt"]
    for query, count in [
        ("", 1),
        ("webhook=&event=&outcome=&status=&q=&since=&until=&limit=&before=", 1),
        (f"webhook={delivery.webhook_id}", 1),
        ("webhook=wh_01kb2r7c900000001t5x9m3q7c", 0),
        ("event=contact.created", 1), ("event=deal.created", 0),
        ("outcome=failed", 1), ("outcome=succeeded", 0),
        ("status=503", 1), ("status=5xx", 1), ("status=5XX", 1), ("status=404", 0),
        ("q=very%20busy", 1), ("q=absent", 0), (f"q={delivery.id}", 1),
        (f"since={started}", 1), (f"until={started}", 0), ("since=2999-01-01T00:00:00Z", 0),
        (f"before={attempt_id}", 0),
    ]:  # fmt: skip
        page = await api.ok("GET", f"~/logs?{query}")
        assert (query, len(page["items"])) == (query, count)


async def test_following_next_lists_everything_once(api):
    await api.webhook()
    for _ in range(5):
        await api.emit()
    for delivery in await api.claim():
        await api.settle(delivery, 200, happened="success")
    for path in ("logs", "deliveries"):
        seen, before = [], ""
        while before is not None:
            page = await api.ok("GET", f"~/{path}?limit=2&before={before}")
            seen += [item["id"] for item in page["items"]]
            before = page["next"]
        assert seen == sorted(set(seen), reverse=True)
        assert len(seen) == 5


async def test_a_delivery_has_all_its_attempts_and_its_body(api):
    attempt_id, delivery = await one_attempt(api)
    answer = await api.ok("GET", f"~/deliveries/{delivery.id}")
    assert answer.keys() == {
        "id", "eventId", "event", "webhookId", "status", "attempts", "nextAttemptAt", "waitsFor",
        "body",
    }  # fmt: skip
    assert answer["body"].encode() == delivery.body
    assert [attempt["id"] for attempt in answer["attempts"]] == [attempt_id]
    assert answer["attempts"][0]["request"]["headers"]
    (listed,) = (await api.ok("GET", "~/deliveries?status=pending"))["items"]
    assert listed == {k: v for k, v in answer.items() if k not in ("attempts", "body")}
    assert (await api.ok("GET", "~/deliveries?status=failed"))["items"] == []


@pytest.mark.parametrize("kind", ["attempt", "delivery"])
async def test_a_failed_delivery_is_replayed(api, kind):
    attempt_id, delivery = await one_attempt(api, happened="exhausted")
    path = f"~/logs/{attempt_id}" if kind == "attempt" else f"~/deliveries/{delivery.id}"
    status, answer = await api.call("POST", path + "/replay")
    assert (status, answer) == (202, {"deliveryId": delivery.id})
    assert api.node.due == 1
    (again,) = await api.claim()
    assert (again.id, again.trigger, again.attempt) == (delivery.id, "replay", 2)


async def test_a_delivery_that_waits_is_skipped_once(api):
    _, delivery = await one_attempt(api)
    path = f"~/deliveries/{delivery.id}"
    other = f"/api/v1/organizations/org_2/deliveries/{delivery.id}/skip"
    assert (await api.call("POST", other))[0] == 404
    response, raw = await api.raw("POST", path + "/skip")
    assert (response.status, raw, api.node.due) == (204, b"", 1)
    assert (await api.ok("GET", path))["status"] == "cancelled"
    status, answer = await api.call("POST", path + "/skip")
    assert (status, answer["detail"]) == (
        409, "The delivery has ended: there is nothing to skip.",
    )  # fmt: skip
    assert (await api.call("POST", path[:-4] + "0zzz/skip"))[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "logs/att_01kb2r7c900000001t5x9m3q7c", "logs/nonsense", "logs/%00",
        "deliveries/dlv_01kb2r7c900000001t5x9m3q7c0001", "deliveries/nonsense", "deliveries/%00",
    ],
)  # fmt: skip
async def test_reading_or_replaying_something_unknown_is_404(api, path):
    assert (await api.call("GET", f"~/{path}"))[0] == 404
    assert (await api.call("POST", f"~/{path}/replay"))[0] == 404
    assert api.node.due == 0


async def test_attempts_and_deliveries_of_another_organization_are_404(api):
    attempt_id, delivery = await one_attempt(api, happened="exhausted")
    other = "/api/v1/organizations/org_2"
    for path in (f"/logs/{attempt_id}", f"/deliveries/{delivery.id}"):
        assert (await api.call("GET", other + path))[0] == 404
        assert (await api.call("POST", f"{other}{path}/replay"))[0] == 404
    assert (await api.call("GET", f"{other}/events/{delivery.event_id}"))[0] == 404
    assert (await api.ok("GET", other + "/logs"))["items"] == []
    assert (await api.ok("GET", other + "/deliveries"))["items"] == []


@pytest.mark.parametrize("change", ["paused", "deleted"])
async def test_a_replay_to_a_stopped_webhook_is_409_with_advice(api, change):
    attempt_id, delivery = await one_attempt(api, happened="exhausted")
    path = f"~/webhooks/{delivery.webhook_id}"
    if change == "paused":
        await api.ok("PATCH", path, {"status": "paused"})
    else:
        await api.raw("DELETE", path)
    for replay in (f"~/logs/{attempt_id}/replay", f"~/deliveries/{delivery.id}/replay"):
        status, answer = await api.call("POST", replay)
        assert status == 409
        assert answer["detail"]


async def test_the_log_of_a_deleted_webhook_stays(api):
    attempt_id, delivery = await one_attempt(api, happened="exhausted")
    await api.raw("DELETE", f"~/webhooks/{delivery.webhook_id}")
    assert [one["id"] for one in (await api.ok("GET", "~/logs"))["items"]] == [attempt_id]


async def test_a_bulk_replay_counts_first_and_then_replays(api):
    await api.webhook()
    for _ in range(3):
        await api.emit()
    first, second, third = await api.claim()
    await api.settle(first, 500, happened="exhausted")
    await api.settle(second, 500, happened="exhausted")
    await api.settle(third, 200, happened="success")
    dry = await api.ok("POST", "~/replays", {"outcome": "failed", "dryRun": True})
    assert dry == {"count": 2, "dryRun": True}
    assert api.node.due == 0
    status, answer = await api.call("POST", "~/replays", {"webhook": first.webhook_id})
    assert (status, answer) == (202, {"count": 2, "dryRun": False})
    assert api.node.due == 1
    while await api.storage.run_job_slice():
        pass
    assert {one.id for one in await api.claim()} == {first.id, second.id}


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({}, 1), ({"event": "contact.created"}, 1), ({"event": "task.created"}, 0),
        ({"outcome": "cancelled"}, 0), ({"since": "2999-01-01T00:00:00Z"}, 0),
        ({"until": "2999-01-01T00:00:00+14:00"}, 1), ({"until": "2000-01-01T00:00:00Z"}, 0),
        ({"webhook": "wh_unknown"}, 0),
    ],
)  # fmt: skip
async def test_each_field_limits_a_bulk_replay(api, body, count):
    await one_attempt(api, happened="exhausted")
    answer = await api.ok("POST", "~/replays", body | {"dryRun": True})
    assert answer["count"] == count


async def test_a_signature_is_in_the_log_but_no_secret(api):
    made = await api.webhook(secret="very secret word")
    await api.emit()
    (delivery,) = await api.claim()
    await api.settle(delivery, 500, happened="retry")
    for path in ("logs", "deliveries", f"deliveries/{delivery.id}", "webhooks"):
        assert "very secret word" not in json.dumps(await api.ok("GET", f"~/{path}"))
    assert made["hasSecret"]
