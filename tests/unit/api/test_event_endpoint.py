"""Sending events: one, many, again, and when it cannot be done."""

import json

import pytest

from winnerr_webhooks.domain.errors import Poisoned, Unavailable, Uncertain

EVENT = {"event": "contact.created", "organizationId": "org_1", "data": {"id": "c1"}}


async def test_an_accepted_event_is_stored_with_its_deliveries_and_can_be_read(api):
    hook = await api.webhook()
    await api.webhook(events=["deal.created"])
    sent = EVENT | {"timestamp": "2025-01-15T15:23:00.9+01:00", "id": "crm-8841"}
    status, answer = await api.call("POST", "/api/v1/events", sent)
    assert status == 202
    assert answer.keys() == {"id", "duplicate", "deliveries"}
    assert (answer["duplicate"], answer["deliveries"]) == (False, 1)
    event = await api.ok("GET", f"~/events/{answer['id']}")
    assert event["clientId"] == "crm-8841"
    assert event["acceptedAt"].endswith("Z")
    assert event["timestamp"] == "2025-01-15T14:23:00Z"
    assert (event["event"], event["organizationId"]) == ("contact.created", "org_1")
    assert event["data"] == {"id": "c1"}
    (delivery,) = event["deliveries"]
    assert delivery.keys() == {
        "id", "eventId", "event", "webhookId", "status", "nextAttemptAt", "waitsFor",
    }  # fmt: skip
    assert (delivery["webhookId"], delivery["status"]) == (hook["id"], "pending")


async def test_the_answer_carries_the_headers_of_every_json_answer(api):
    response, raw = await api.raw("POST", "/api/v1/events", EVENT)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Content-Length"] == str(len(raw))
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_data_is_kept_to_the_character(api):
    data = '{"n":1.10,"big":12345678901234567890123,"s":"\\u00e9é\\n","z":{},"a":[]}'
    raw = f' {{"event":"contact.created", "organizationId":"org_1", "data": {data} }} '
    accepted = await api.ok("POST", "/api/v1/events", raw.encode())
    _, event = await api.raw("GET", f"~/events/{accepted['id']}")
    assert f'"data":{data}'.encode() in event


async def test_the_same_id_again_is_a_duplicate_with_the_first_answer(api):
    await api.webhook()
    first = await api.emit(id="crm-1")
    again = await api.emit(id="crm-1", timestamp="2020-01-01T00:00:00Z")
    assert again == first | {"duplicate": True}
    assert len((await api.ok("GET", "~/deliveries"))["items"]) == 1


async def test_an_idempotency_key_is_the_same_as_an_id(api):
    headers = {"Idempotency-Key": "crm-2"}
    first = await api.ok("POST", "/api/v1/events", EVENT, headers=headers)
    again = await api.emit(id="crm-2")
    assert (again["id"], again["duplicate"]) == (first["id"], True)
    both = await api.call("POST", "/api/v1/events", EVENT | {"id": "other"}, headers=headers)
    assert (both[0], both[1]["errors"][0]["pointer"]) == (422, "/id")


@pytest.mark.parametrize("keys", [["a", "b"], ["a", "a", "b"], [""], ["a", ""]])
async def test_two_different_idempotency_keys_are_422(api, keys):
    for path in ("/api/v1/events", "/api/v1/events/batch"):
        for warm in (False, True):  # the way of a key that is not known yet, and the fast path
            key = (await api.keys.create("ours")).secret
            if warm:
                await api.call("POST", "/api/v1/events", EVENT, key=key)
            body = EVENT if path == "/api/v1/events" else [EVENT]
            headers = [("Idempotency-Key", value) for value in keys]
            status, answer = await api.call("POST", path, body, key=key, headers=headers)
            assert status == 422
            assert "Idempotency-Key" in answer["detail"]
    wrong = await api.call("POST", "/api/v1/events", EVENT, key="no", headers=headers)
    assert wrong[0] == 401


async def test_the_same_idempotency_key_twice_is_one(api):
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    first = await api.ok("POST", "/api/v1/events", EVENT, headers=headers)
    assert (await api.emit(id="a")) == first | {"duplicate": True}


async def test_the_same_id_with_the_same_values_is_a_duplicate_however_they_are_written(api):
    await api.webhook()
    start = '{"event":"contact.created","organizationId":"org_1","id":"crm-4","data":'
    first = await api.ok("POST", "/api/v1/events", (start + '{"a":"é","n":1}}').encode())
    other = (start + r'{"n":1.0,"a":"\u00e9"}}').encode()
    again = await api.ok("POST", "/api/v1/events", other)  # its key is known: the fast path
    assert again == first | {"duplicate": True}
    fresh = (await api.keys.create("ours")).secret
    assert await api.ok("POST", "/api/v1/events", other, key=fresh) == again
    batch = b"[%b,%b]" % (other, (start + '{"n":2,"a":"é"}}').encode())
    answer = await api.ok("POST", "/api/v1/events/batch", batch)
    assert answer["results"][0] == again
    assert answer["results"][1]["error"]["status"] == 409
    assert len((await api.ok("GET", "~/deliveries"))["items"]) == 1


async def test_the_same_id_with_other_data_is_409(api):
    await api.emit(id="crm-3")
    other = EVENT | {"id": "crm-3", "data": {"id": "c2"}}
    status, answer = await api.call("POST", "/api/v1/events", other)
    assert status == 409
    assert "new id" in answer["detail"]


async def test_a_batch_answers_each_event_in_its_place(api):
    await api.webhook()
    key = (await api.keys.create("ours", "org_1")).secret
    await api.emit(id="taken")
    batch = [
        EVENT,
        EVENT | {"event": "contact.creatd"},
        EVENT | {"organizationId": "org_2"},
        EVENT | {"id": "one"},
        EVENT | {"id": "one"},
        EVENT | {"id": "taken", "data": {}},
        7,
    ]
    status, answer = await api.call("POST", "/api/v1/events/batch", batch, key=key)
    assert status == 202
    results = answer["results"]
    assert len(results) == len(batch)
    assert results[0]["deliveries"] == 1
    assert results[3]["id"] == results[4]["id"]
    assert [results[3]["duplicate"], results[4]["duplicate"]] == [False, True]
    statuses = [result.get("error", {}).get("status") for result in results]
    assert statuses == [None, 422, 403, None, None, 409, 422]
    assert results[1]["error"].keys() == {"type", "title", "status", "detail", "errors"}
    assert len((await api.ok("GET", "~/deliveries"))["items"]) == 3


@pytest.mark.parametrize("parameter", ["", "; charset=utf-8"])
async def test_a_batch_may_come_as_lines(api, parameter):
    lines = "\n".join(json.dumps(EVENT | {"id": f"line-{n}"}) for n in range(3)) + "\n"
    headers = {"Content-Type": "application/x-ndjson" + parameter}
    answer = await api.ok("POST", "/api/v1/events/batch", lines.encode(), headers=headers)
    assert [result["duplicate"] for result in answer["results"]] == [False] * 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[", 400), (b"", 400), (b'["\xff"]', 400), (b"{}", 422),
        (json.dumps([EVENT] * 1001).encode(), 413), (b"[]", 422), (b" " * (8 * 1024**2 + 1), 413),
    ],
)  # fmt: skip
async def test_a_batch_that_is_none_is_refused_whole(api, body, status):
    await api.webhook()
    assert (await api.call("POST", "/api/v1/events/batch", body))[0] == status
    assert (await api.ok("GET", "~/deliveries"))["items"] == []


async def test_a_thousand_events_are_one_batch(api):
    answer = await api.ok("POST", "/api/v1/events/batch", [EVENT] * 1000)
    assert len({result["id"] for result in answer["results"]}) == 1000


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/events/batch"])
async def test_overload_is_503_and_says_when_to_come_back(api, path):
    api.node.error = Unavailable("Too much is waiting.", 7)
    body = EVENT if path.endswith("events") else [EVENT, EVENT]
    response, raw = await api.raw("POST", path, body)
    assert (response.status, response.headers["Retry-After"]) == (503, "7")
    assert json.loads(raw)["detail"] == "Too much is waiting."


async def test_a_database_lost_in_the_middle_is_told_apart(api):
    api.node.error = Uncertain("It may have been accepted; repeat it with the same id.")
    status, answer = await api.call("POST", "/api/v1/events", EVENT)
    assert (status, answer["type"]) == (503, "/api/docs#uncertain")
    status, answer = await api.call("POST", "/api/v1/events/batch", [EVENT])
    assert (status, answer["type"]) == (503, "/api/docs#uncertain")


async def test_an_event_the_storage_cannot_take_is_the_callers_not_a_500(api):
    api.node.error = Poisoned("no")
    assert (await api.call("POST", "/api/v1/events", EVENT))[0] == 422


async def test_a_fault_of_ours_shows_an_id_and_nothing_else(api, monkeypatch):
    async def broken(_event):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(api.node, "accept", broken)
    for path in ("/api/v1/events",):
        status, answer = await api.call("POST", path, EVENT)
        assert status == 500
        assert "err_" in answer["detail"]
        assert "secret detail" not in json.dumps(answer)


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/events/batch"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_events_are_only_posted(api, path, method):
    response, raw = await api.raw(method, path)
    assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert response.content_type == "application/problem+json"
    assert bool(raw) == (method != "HEAD")


async def test_an_unknown_parameter_is_refused_here_too(api):
    assert (await api.call("POST", "/api/v1/events?dryRun=1", EVENT))[0] == 422


async def test_an_idempotency_key_says_nothing_about_a_batch(api):
    headers = {"Idempotency-Key": "k"}
    status, problem = await api.call("POST", "/api/v1/events/batch", [EVENT], headers=headers)
    assert status == 422
    assert "own `id`" in problem["errors"][0]["message"]


async def test_a_body_in_many_pieces_is_one_body(api):
    async def pieces():
        for byte in json.dumps(EVENT).encode():
            yield bytes([byte])

    async with api.session.post(
        "/api/v1/events", data=pieces(), headers={"Authorization": f"Bearer {api.key}"}
    ) as response:
        assert response.status == 202


async def test_a_caller_that_hangs_up_in_its_body_sends_nothing(api):
    await api.webhook()
    _, writer = await api.connect()
    writer.write(
        f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n"
        "Content-Length: 100\r\n\r\n{".encode()
    )
    writer.close()
    await writer.wait_closed()
    assert (await api.ok("GET", "~/deliveries"))["items"] == []


async def test_the_catalogue_has_twenty_events_in_six_categories_each_with_an_example(api):
    answer = await api.ok("GET", "/api/v1/event-types")
    names = [item["category"] for item in answer["items"]]
    assert names == ["Contacts", "Deals", "Calls", "Tasks", "Emails", "Workflows"]
    types = [one for item in answer["items"] for one in item["events"]]
    assert len(types) == 20
    for one in types:
        assert one["description"]
        assert one["example"].keys() == {"event", "timestamp", "organizationId", "data"}
        assert one["example"]["event"] == one["name"]
        assert (await api.call("POST", "/api/v1/events", one["example"]))[0] == 202
