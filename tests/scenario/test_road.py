"""The path of an event, seen from outside: a real server, real receivers, no mocks."""

import asyncio
import hashlib
import hmac
import json
from itertools import pairwise

import pytest
from tests.crash.cluster import HURRIED
from tests.server import PAUSE
from tests.thorough import usually_sqlite

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "an old friend of mine"


async def test_an_event_reaches_its_receiver_as_promised(server, receiver) -> None:
    """The four keys in order, compact, data untouched; the promised headers, each exactly once."""
    hook = await server.webhook(receiver.url, secret=SECRET)
    raw = (
        b'{"event": "contact.created", "organizationId": "%b", "timestamp":'
        b' "2025-01-15T15:23:00.987+01:00", "data": { "n" : 1.10, "big": 12345678901234567890123,'
        b' "e": 1E400, "s": "\\u00e9\\/\xc3\xa9", "z": 1, "a": [ ] } }'
        % server.organization.encode()
    )
    accepted = await server.ok("POST", "/api/v1/events", raw)
    assert accepted == {"id": accepted["id"], "duplicate": False, "deliveries": 1}
    (got,) = await receiver.wait_for(1)
    assert got.body == (
        b'{"event":"contact.created","timestamp":"2025-01-15T14:23:00Z","organizationId":"%b",'
        b'"data":{"n":1.10,"big":12345678901234567890123,"e":1E400,"s":"\\u00e9\\/\xc3\xa9",'
        b'"z":1,"a":[]}}' % server.organization.encode()
    )
    assert got.method == "POST"
    assert got["Content-Type"] == "application/json"
    assert got["Content-Length"] == str(len(got.body))
    assert got["User-Agent"].startswith("Winnerr-Webhooks/")
    assert got["X-Winnerr-Event"] == "contact.created"
    assert got["X-Winnerr-Delivery"].startswith("dlv_")
    assert got["X-Winnerr-Webhook"] == hook["id"]
    assert got["X-Winnerr-Attempt"] == "1"
    assert got["webhook-id"] == accepted["id"]
    assert "x-winnerr-test" not in got.headers
    digest = hmac.new(SECRET.encode(), got.body, hashlib.sha256).hexdigest()
    assert got["X-Winnerr-Signature"] == f"sha256={digest}"

    log = await server.until("~/logs", lambda page: len(page["items"]) == 1)
    attempt = await server.ok("GET", f"~/logs/{log['items'][0]['id']}")
    assert attempt["outcome"] == "succeeded"
    assert attempt["request"]["body"] == got.body.decode()
    assert attempt["request"]["headers"]["X-Winnerr-Signature"] == f"sha256={digest}"
    assert attempt["response"]["status"] == 200
    assert attempt["response"]["body"] == "ok"
    assert attempt["deliveryStatus"] == "delivered"
    assert attempt["nextAttemptAt"] is None
    assert attempt["durationMs"] > 0


async def test_four_attempts_then_failed_then_one_replay_delivers(server, receiver, answer) -> None:
    """Byte-identical bodies, attempts 1 to 4, waits within the jitter, and the same delivery id."""
    schedule = [float(wait) for wait in server.settings["RETRY_SCHEDULE"].split(",")]
    await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(500, body=b"broken")
    best = [float("inf")] * len(schedule)
    for _ in range(4):  # a busy machine can delay a retry; nothing makes it early
        receiver.requests.clear()
        await server.emit()
        requests = await receiver.wait_for(4)
        assert len({request.body for request in requests}) == 1
        assert len({request["X-Winnerr-Delivery"] for request in requests}) == 1
        assert [request["X-Winnerr-Attempt"] for request in requests] == ["1", "2", "3", "4"]
        waits = [later.at - earlier.at for earlier, later in pairwise(requests)]
        assert all(wait >= 0.8 * planned for wait, planned in zip(waits, schedule, strict=True))
        best = list(map(min, best, waits))
        if all(wait <= 1.2 * planned + 0.25 for wait, planned in zip(best, schedule, strict=True)):
            break
    else:
        pytest.fail(f"a retry was too late each time: {best} s after the attempt before")

    delivery = await server.delivery(requests[0]["X-Winnerr-Delivery"], "failed")
    assert [a["attempt"] for a in delivery["attempts"]] == [1, 2, 3, 4]
    assert delivery["nextAttemptAt"] is None
    last = delivery["attempts"][-1]
    assert last["error"]["kind"] == "status"
    assert last["error"]["hint"]
    assert last["response"]["body"] == "broken"

    receiver.answer = lambda _request: answer()
    replayed = await server.ok("POST", f"~/logs/{last['id']}/replay")
    assert replayed == {"deliveryId": delivery["id"]}
    delivery = await server.delivery(delivery["id"], "delivered")
    assert [a["trigger"] for a in delivery["attempts"]] == ["automatic"] * 4 + ["replay"]
    assert receiver.requests[4]["X-Winnerr-Attempt"] == "5"
    assert receiver.requests[4]["X-Winnerr-Delivery"] == delivery["id"]
    assert receiver.requests[4].body == requests[0].body


async def test_a_webhook_fails_only_after_the_last_retry_of_its_own_schedule(
    server, receivers, answer
) -> None:
    """Given webhooks with five retries, with none, and with a time limit of a second.

    Then each has its own number of attempts, and a receiver that hangs has its own second.
    """
    many, none, slow = [await receivers() for _ in range(3)]
    many.answer = none.answer = lambda _request: answer(500)
    slow.answer = lambda _request: answer(hang=True)
    await server.webhook(many.url, retrySchedule=[0.05] * 5)
    await server.webhook(none.url, retrySchedule=[])
    await server.webhook(slow.url, retrySchedule=[0.05], timeout=1)
    await server.emit()
    for receiver, count in ((many, 6), (none, 1), (slow, 2)):
        requests = await receiver.wait_for(count)
        delivery = await server.delivery(requests[0]["X-Winnerr-Delivery"], "failed")
        assert len(delivery["attempts"]) == len(receiver.requests) == count
    assert [one["error"]["message"] for one in delivery["attempts"]] == [
        "The receiver did not answer in time (1 s)."
    ] * 2


async def test_only_subscribed_webhooks_of_the_organization_get_an_event(server, receivers) -> None:
    one, two, three = await receivers(), await receivers(), await receivers()
    await server.webhook(one.url, events=["deal.closed_won"])
    await server.webhook(two.url, events=["*"])
    await server.of().webhook(three.url)
    assert (await server.emit("deal.closed_won"))["deliveries"] == 2
    assert (await server.emit("task.created"))["deliveries"] == 1
    await two.wait_for(2)
    assert [r["X-Winnerr-Event"] for r in await one.wait_for(1)] == ["deal.closed_won"]
    assert three.requests == []


async def test_a_repeat_with_the_same_id_is_answered_and_not_sent_again(server, receiver) -> None:
    await server.webhook(receiver.url)
    first = await server.emit(id="crm-1")
    again = await server.emit(id="crm-1", timestamp="2020-01-01T00:00:00Z")
    assert again == first | {"duplicate": True}
    status, problem = await server.call(
        "POST",
        "/api/v1/events",
        {
            "event": "contact.created",
            "organizationId": server.organization,
            "data": {"x": 1},
            "id": "crm-1",
        },
    )
    assert status == 409
    assert problem["title"]
    second = await server.emit(id="crm-2")
    await receiver.wait_for(2)
    assert {r["webhook-id"] for r in receiver.requests} == {first["id"], second["id"]}


async def test_retry_after_lengthens_the_wait_but_never_shortens_it(
    server, receiver, answer
) -> None:
    await server.webhook(receiver.url)
    receiver.answer = lambda r: answer(
        429 if r["X-Winnerr-Attempt"] == "1" else 200, {"Retry-After": "1"}
    )
    await server.emit()
    first, second = await receiver.wait_for(2)
    assert second.at - first.at >= 1.0


async def test_what_a_person_asks_for_does_not_wait_for_a_receiver_that_asked_for_a_pause(
    server, receiver, answer
) -> None:
    hook = await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(503, {"Retry-After": "1800"})
    event = await server.emit()
    await receiver.wait_for(1)
    held = await server.until("~/logs", lambda page: page["items"])
    second = await server.emit()  # waits with the lane
    delivery_id = held["items"][0]["deliveryId"]
    receiver.answer = lambda _request: answer()
    await server.ok("POST", f"~/deliveries/{delivery_id}/replay")
    await server.delivery(delivery_id, "delivered")
    replay = (await receiver.wait_for(1, lambda r: r["X-Winnerr-Attempt"] == "2"))[0]
    assert replay["webhook-id"] == event["id"]
    await server.until(
        f"~/events/{second['id']}", lambda e: e["deliveries"][0]["status"] == "delivered"
    )

    receiver.answer = lambda _request: answer(503, {"Retry-After": "1800"})
    await server.emit()
    await server.until("~/logs?status=503", lambda page: len(page["items"]) == 2)
    receiver.answer = lambda _request: answer()
    sent = await server.ok("POST", f"~/webhooks/{hook['id']}/test", {})
    await server.delivery(sent["deliveryId"], "delivered")


async def test_a_pause_that_a_receiver_asked_for_is_kept(server, receiver, answer) -> None:
    """Also when the webhook was made a moment ago: its server creation is no edit."""
    await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(503, {"Retry-After": "1800"})
    await server.emit()
    await server.until("~/logs", lambda page: page["items"])
    started = asyncio.get_running_loop().time()
    second = await server.emit()
    while asyncio.get_running_loop().time() < started + 2.5:  # two looks for changed webhooks
        kept = await server.ok("GET", f"~/events/{second['id']}")
        assert kept["deliveries"][0]["status"] == "pending"
        await asyncio.sleep(PAUSE)
    assert len(receiver.requests) == 1


async def test_a_redirect_is_a_failure_that_names_the_url_to_use(server, receivers, answer) -> None:
    here, there = await receivers(), await receivers()
    here.answer = lambda _request: answer(301, {"Location": there.url})
    await server.webhook(here.url)
    await server.emit()
    page = await server.until("~/logs", lambda page: page["items"])
    assert page["items"][0]["outcome"] == "failed"
    assert there.url in page["items"][0]["error"]["hint"]
    assert there.requests == []


async def test_a_failed_test_is_not_retried(server, receiver, answer) -> None:
    hook = await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(500)
    sent = await server.ok("POST", f"~/webhooks/{hook['id']}/test", {})
    await server.delivery(sent["deliveryId"], "failed")
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("program", [HURRIED])
async def test_many_failed_deliveries_are_replayed_by_filter_also_across_a_restart(
    make_server, receiver, answer
) -> None:
    server = await make_server(RETRY_SCHEDULE="")
    await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(500)
    event = {"event": "task.created", "organizationId": "org_1", "data": {}}
    batch = await server.ok("POST", "/api/v1/events/batch", [event] * 300)
    assert [result["deliveries"] for result in batch["results"]] == [1] * 300
    await receiver.wait_for(300)
    await server.until(
        "~/deliveries?status=failed&limit=500", lambda page: len(page["items"]) == 300
    )
    assert await server.ok("POST", "~/replays", {"dryRun": True}) == {
        "count": 300,
        "dryRun": True,
    }
    receiver.answer = lambda _request: answer()
    replays = await server.ok("POST", "~/replays", {"outcome": "failed"})
    assert replays == {"count": 300, "dryRun": False}
    await server.kill()
    await server.start()
    await server.until(
        "~/deliveries?status=delivered&limit=500", lambda page: len(page["items"]) == 300
    )
    replayed = [r for r in receiver.requests if r["X-Winnerr-Attempt"] == "2"]
    assert len({r["X-Winnerr-Delivery"] for r in replayed}) == 300


async def test_sigterm_finishes_what_is_under_way_and_sends_nothing_twice(
    make_server, receiver, answer
) -> None:
    server = await make_server(DELIVERY_TIMEOUT="50")
    await server.webhook(receiver.url)
    go = asyncio.Event()

    async def slow(_request):
        await go.wait()
        return answer()

    receiver.answer = slow
    for _ in range(12):
        await server.emit()
    await receiver.wait_for(4)
    stopping = asyncio.create_task(server.terminate())
    await asyncio.wait_for(_refuses(server), 60)
    go.set()
    assert await stopping == 0
    await server.start()
    await server.until("~/deliveries?status=delivered", lambda page: len(page["items"]) == 12)
    ids = [request["X-Winnerr-Delivery"] for request in receiver.requests]
    assert len(ids) == len(set(ids)) == 12


async def _refuses(server) -> None:
    """Return when the stopping server takes no new connection."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        except ConnectionError:
            return
        writer.close()


@usually_sqlite
async def test_hanging_receivers_cost_the_others_nothing(make_server, receivers, answer) -> None:
    server = await make_server(DELIVERY_TIMEOUT="40")
    hanging, healthy = await receivers(), await receivers()
    hanging.answer = lambda _request: answer(hang=True)
    for _ in range(5):
        await server.webhook(hanging.url, events=["task.created"])
    await server.webhook(healthy.url, events=["task.completed"])
    for _ in range(40):
        await server.emit("task.created")
    started = asyncio.get_running_loop().time()
    for _ in range(40):
        await server.emit("task.completed")
    await healthy.wait_for(40)
    assert asyncio.get_running_loop().time() - started < 30.0  # before one hanging attempt ends


async def test_metrics_count_what_happened_and_need_no_key(make_server, receiver) -> None:
    server = await make_server()
    await server.webhook(receiver.url)
    await server.emit()
    await server.until("~/logs", lambda page: page["items"])
    async with server.session.get("/metrics") as response:
        text = await response.text()
    assert response.status == 200
    assert "winnerr_webhooks_events_accepted_total 1.0" in text
    for path, expected in (("/healthz", 200), ("/readyz", 200)):
        async with server.session.get(path) as response:
            assert response.status == expected


async def test_a_key_of_an_organization_sees_that_organization_only(server, receiver) -> None:
    other = server.of()
    key = await server.new_key(other.organization)
    hook = await server.webhook(receiver.url)
    assert (await server.call("GET", f"~/webhooks/{hook['id']}", key=key))[0] == 404
    event = {"event": "task.created", "organizationId": server.organization, "data": {}}
    assert (await server.call("POST", "/api/v1/events", event, key=key))[0] == 403
    assert await other.ok("GET", "~/webhooks", key=key) == {"items": []}
    assert json.dumps(hook).count("secret") == 0


@usually_sqlite
@pytest.mark.parametrize("logs", ["/dev/full", "a pipe that nobody reads"])
@pytest.mark.thorough
async def test_logs_that_cannot_be_written_cost_nobody_an_attempt(
    logs, make_server, receiver, answer
) -> None:
    """Given logs on a full disk, or in a pipe whose reader has died.

    When attempts fail and are retried, then all of them are made and recorded.
    """
    server = await make_server()
    await server.terminate()
    script = 'exec "$@" 2>/dev/full' if logs == "/dev/full" else 'exec "$@" 2> >(exec true)'
    server.program = ["bash", "-c", script, "bash", *server.program]
    await server.start()
    receiver.answer = lambda request: answer(503 if request["x-winnerr-attempt"] == "1" else 200)
    await server.webhook(receiver.url)
    events = [await server.emit() for _ in range(5)]
    for event in events:
        await server.delivery(f"dlv_{event['id'][4:]}0001", "delivered")
    page = await server.ok("GET", "~/logs?limit=50")
    assert sorted(one["outcome"] for one in page["items"]) == ["failed"] * 5 + ["succeeded"] * 5
    await server.until("/metrics", lambda text: b"winnerr_webhooks_unrecorded 0.0\n" in text)
