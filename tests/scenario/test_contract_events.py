"""CONTRACT, Events: what the running service answers to those who send them."""

import io
import json
import re
from datetime import UTC, datetime

import pytest

from winnerr_webhooks.domain.default_catalog import CATALOG

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVENTS = "/api/v1/events"
BATCH = "/api/v1/events/batch"
KIB = 1024


def event(org, **fields):
    return {"event": "contact.created", "organizationId": org.organization, "data": {}} | fields


def nested(depth: int) -> dict[str, object]:
    """An object `depth` levels deep, itself the first."""
    data: dict[str, object] = {}
    for _ in range(depth - 1):
        data = {"d": data}
    return data


def padded(org, size: int) -> bytes:
    """An event of exactly `size` bytes."""
    empty = json.dumps(event(org, data={"x": ""})).encode()
    return empty.replace(b'"x": ""', b'"x": "%b"' % (b"x" * (size - len(empty))))


async def test_the_answer_is_202_with_three_fields(server, receiver) -> None:
    await server.webhook(receiver.url)
    await server.webhook(receiver.url, events=["contact.created", "task.created"])
    await server.webhook(receiver.url, events=["task.created"])
    status, answer = await server.call("POST", EVENTS, event(server))
    assert status == 202
    assert answer == {"id": answer["id"], "duplicate": False, "deliveries": 2}
    assert re.fullmatch(r"evt_[0-9a-z]{26}", answer["id"])


async def test_an_event_no_webhook_wants_is_kept(server) -> None:
    accepted = await server.emit(data={"n": 1.50})
    assert accepted["deliveries"] == 0
    kept = await server.ok("GET", f"~/events/{accepted['id']}")
    assert kept["deliveries"] == []
    assert kept["event"] == "contact.created"
    assert kept["organizationId"] == server.organization
    assert kept["data"] == {"n": 1.5}


async def test_without_a_timestamp_it_is_now_in_whole_seconds(server) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    accepted = await server.emit()
    kept = await server.ok("GET", f"~/events/{accepted['id']}")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", kept["timestamp"])
    assert before <= datetime.fromisoformat(kept["timestamp"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2025-01-15T14:23:00Z", "2025-01-15T14:23:00Z"),
        ("2025-01-15T14:23:00.999999999Z", "2025-01-15T14:23:00Z"),
        ("2025-01-01T00:30:00+05:45", "2024-12-31T18:45:00Z"),
        ("2024-12-31T20:00:00-08:00", "2025-01-01T04:00:00Z"),
        ("2025-01-15t14:23:00z", "2025-01-15T14:23:00Z"),
        ("2025-01-15T14:23:00-00:00", "2025-01-15T14:23:00Z"),
    ],
)
async def test_any_offset_becomes_z_and_fractions_are_cut(server, sent, kept) -> None:
    accepted = await server.emit(timestamp=sent)
    assert (await server.ok("GET", f"~/events/{accepted['id']}"))["timestamp"] == kept


@pytest.mark.parametrize(
    "sent", ["2025-01-15", "2025-01-15T14:23:00", "2025-02-30T00:00:00Z", 1736951000, ""]
)
async def test_what_is_no_time_is_422_at_timestamp(server, sent) -> None:
    status, problem = await server.call("POST", EVENTS, event(server, timestamp=sent))
    assert status == 422
    assert [error["pointer"] for error in problem["errors"]] == ["/timestamp"]


async def test_an_idempotency_key_header_does_what_an_id_does(server) -> None:
    key = {"Idempotency-Key": "crm 1~"}
    first = await server.ok("POST", EVENTS, event(server), headers=key)
    assert first["duplicate"] is False
    again = await server.ok("POST", EVENTS, event(server, id="crm 1~"))
    assert again == first | {"duplicate": True}
    both = await server.ok("POST", EVENTS, event(server, id="crm 1~"), headers=key)
    assert both == first | {"duplicate": True}
    status, problem = await server.call("POST", EVENTS, event(server, id="other"), headers=key)
    assert status == 422
    assert problem["errors"]


async def test_the_repeat_gets_the_first_answer_though_webhooks_came_since(
    server, receiver
) -> None:
    first = await server.emit(id="a")
    await server.webhook(receiver.url)
    assert await server.emit(id="a") == first | {"duplicate": True}
    assert (await server.ok("GET", "~/deliveries"))["items"] == []


@pytest.mark.parametrize("change", [{"event": "contact.updated"}, {"data": {"other": 1}}])
async def test_the_same_id_with_another_event_or_data_is_409(server, change) -> None:
    await server.emit(id="a")
    status, problem = await server.call("POST", EVENTS, event(server, id="a") | change)
    assert status == 409
    assert problem["detail"]


async def test_a_repeat_is_told_by_its_values_not_by_how_they_are_written(server) -> None:
    def raw(data: bytes) -> bytes:
        head = json.dumps({k: v for k, v in event(server, id="a").items() if k != "data"})
        return head[:-1].encode() + b', "data":' + data + b"}"

    first = await server.ok("POST", EVENTS, raw(b'{"n":1.0,"m":[1,2]}'))
    for written in (b'{ "n" : 1.0,\n "m": [1, 2] }', b'{"m":[1,2],"\\u006e":1}'):
        again = await server.ok("POST", EVENTS, raw(written))
        assert again == first | {"duplicate": True}
    assert (await server.call("POST", EVENTS, raw(b'{"n":1.0,"m":[2,1]}')))[0] == 409


async def test_an_id_is_the_organizations_own(server) -> None:
    first = await server.emit(id="shared")
    other = await server.emit(id="shared", organizationId=server.organization + "_b")
    assert other["duplicate"] is False
    assert other["id"] != first["id"]


@pytest.mark.parametrize("client_id", ["x", "x" * 255, " !~"])
async def test_an_id_is_1_to_255_printable_characters(server, client_id) -> None:
    assert (await server.emit(id=client_id))["duplicate"] is False


async def test_an_unknown_event_names_the_nearest(server) -> None:
    status, problem = await server.call("POST", EVENTS, event(server, event="contact.create"))
    assert status == 422
    assert problem["errors"][0]["pointer"] == "/event"
    assert "contact.created" in problem["errors"][0]["message"]


async def test_256_kib_are_taken_and_a_byte_more_is_413(server) -> None:
    assert (await server.call("POST", EVENTS, padded(server, 256 * KIB)))[0] == 202
    status, problem = await server.call("POST", EVENTS, padded(server, 256 * KIB + 1))
    assert (status, problem["status"]) == (413, 413)


async def test_data_may_be_64_deep(server) -> None:
    assert (await server.call("POST", EVENTS, event(server, data=nested(64))))[0] == 202
    status, problem = await server.call("POST", EVENTS, event(server, data=nested(65)))
    assert status == 422
    assert problem["errors"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", 400),
        (b"", 400),
        (b'{"event":"\xff"}', 400),
        (b"[]", 422),
        (b'{"event":"contact.created","organizationId":"o","data":{"a":"\\ud800"}}', 422),
        (b'{"event":"contact.created","organizationId":"o","data":[]}', 422),
        (b'{"event":"contact.created","organizationId":"o","data":{},"extra":1}', 422),
        (b'{"event":"contact.created","organizationId":"a.b","data":{}}', 422),
    ],
)
async def test_a_refusal_is_a_problem(server, body, expected) -> None:
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    async with server.session.post(EVENTS, data=body, headers=headers) as response:
        assert response.status == expected
        assert response.content_type == "application/problem+json"
        problem = await response.json()
    assert {"type", "title", "status", "detail"} <= set(problem)
    assert problem["status"] == expected
    if expected == 422:
        assert all(set(error) == {"pointer", "message"} for error in problem["errors"])
        assert problem["errors"]


async def test_a_batch_answers_in_order_and_takes_the_valid_ones(server, receiver) -> None:
    await server.webhook(receiver.url)
    bad, conflicting = event(server, event="x"), event(server, id="a", data={"n": 1})
    answer = await server.ok(
        "POST",
        BATCH,
        [event(server, id="a"), bad, event(server, id="a"), conflicting, event(server), 7],
    )
    first, refused, again, conflict, last, number = answer["results"]
    assert first == {"id": first["id"], "duplicate": False, "deliveries": 1}
    assert refused["error"]["status"] == 422
    assert refused["error"]["errors"][0]["pointer"].endswith("/event")
    assert again == first | {"duplicate": True}
    assert conflict["error"]["status"] == 409
    assert last["deliveries"] == 1
    assert number["error"]["status"] == 422
    assert {r["webhook-id"] for r in await receiver.wait_for(2)} == {first["id"], last["id"]}


async def test_a_batch_as_ndjson_takes_each_line_for_itself(server) -> None:
    lines = [json.dumps(event(server)).encode(), b"{not json", json.dumps(event(server)).encode()]
    status, answer = await server.call(
        "POST",
        BATCH,
        b"\n".join(lines) + b"\n",
        headers={"Content-Type": "application/x-ndjson; charset=utf-8"},
    )
    assert status == 202
    assert [sorted(result) for result in answer["results"]] == [
        ["deliveries", "duplicate", "id"],
        ["error"],
        ["deliveries", "duplicate", "id"],
    ]
    assert answer["results"][1]["error"]["status"] == 400


async def test_a_batch_has_up_to_1000_events(server) -> None:
    status, answer = await server.call("POST", BATCH, [event(server)] * 1000)
    assert (status, len(answer["results"])) == (202, 1000)
    status, problem = await server.call("POST", BATCH, [event(server)] * 1001)
    assert status == 413
    assert "1,000" in problem["detail"]


async def test_a_batch_has_up_to_8_mib(server) -> None:
    json_type = {"Content-Type": "application/json"}
    whole = b"[" + b",".join([padded(server, 250 * KIB)] * 32) + b"]"
    status, answer = await server.call("POST", BATCH, data=io.BytesIO(whole), headers=json_type)
    assert status == 202
    assert all("id" in result for result in answer["results"])
    more = whole.ljust(8 * KIB * KIB + 1)
    assert (await server.call("POST", BATCH, data=io.BytesIO(more), headers=json_type))[0] == 413


async def test_one_event_of_a_batch_that_is_too_large_is_its_own_413(server) -> None:
    body = b"[" + padded(server, 256 * KIB + 1) + b"," + padded(server, 1000) + b"]"
    answer = await server.ok("POST", BATCH, body)
    assert answer["results"][0]["error"]["status"] == 413
    assert answer["results"][1]["duplicate"] is False


async def test_the_stored_event_shows_its_deliveries(server, receiver) -> None:
    hook = await server.webhook(receiver.url)
    accepted = await server.emit()
    (got,) = await receiver.wait_for(1)
    kept = await server.until(
        f"~/events/{accepted['id']}", lambda e: e["deliveries"][0]["status"] == "delivered"
    )
    (delivery,) = kept["deliveries"]
    assert delivery == {
        "id": got["X-Winnerr-Delivery"],
        "eventId": accepted["id"],
        "event": "contact.created",
        "webhookId": hook["id"],
        "status": "delivered",
        "nextAttemptAt": None,
        "waitsFor": None,
    }
    assert (await server.call("GET", "~/events/evt_nonsense"))[0] == 404
    other = server.of()
    assert (await other.call("GET", f"~/events/{accepted['id']}"))[0] == 404


async def test_the_catalogue_has_20_events_in_6_categories(server) -> None:
    answer = await server.ok("GET", "/api/v1/event-types")
    listed = {c["category"]: [e["name"] for e in c["events"]] for c in answer["items"]}
    assert list(listed) == ["Contacts", "Deals", "Calls", "Tasks", "Emails", "Workflows"]
    assert [name for names in listed.values() for name in names] == list(CATALOG.names)
    assert len(CATALOG.names) == 20
    for category in answer["items"]:
        for one in category["events"]:
            assert set(one) == {"name", "description", "example", "schema", "deprecated"}
            assert (one["schema"], one["deprecated"]) == (None, None)
            assert list(one["example"]) == ["event", "timestamp", "organizationId", "data"]
            assert one["example"]["event"] == one["name"]


async def test_event_ids_sort_by_acceptance(server) -> None:
    ids = [(await server.emit())["id"] for _ in range(20)]
    assert ids == sorted(ids)
