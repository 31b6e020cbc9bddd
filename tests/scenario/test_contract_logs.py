"""CONTRACT, Logs: what the running service shows of its attempts, and how it replays them."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

LISTED = [
    "id", "deliveryId", "eventId", "webhookId", "event", "attempt", "trigger", "outcome",
    "startedAt", "durationMs", "timings", "request", "response", "error", "deliveryStatus",
    "nextAttemptAt",
]  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def found(page):
    return [item["id"] for item in page["items"]]


async def settled(org, count: int, status: str = "delivered"):
    """Wait until `count` deliveries have this status; return them, newest first."""
    page = await org.until(
        f"~/deliveries?status={status}&limit=500", lambda page: len(page["items"]) == count
    )
    return page["items"]


async def test_an_attempt_has_exactly_the_promised_fields(server, receiver, answer) -> None:
    await server.webhook(receiver.url, secret="a secret of mine")
    receiver.answer = lambda r: answer(503 if r["X-Winnerr-Attempt"] == "1" else 200)
    event = await server.emit()
    (got, _) = await receiver.wait_for(2)
    await settled(server, 1)
    second, first = (await server.ok("GET", "~/logs"))["items"]
    assert list(first) == LISTED
    assert first["request"] == {"url": receiver.url}
    assert first["response"] == {"status": 503, "truncated": False}
    whole = await server.ok("GET", f"~/logs/{first['id']}")
    assert list(whole) == LISTED
    assert re.fullmatch(r"att_[0-9a-z]{26}", whole["id"])
    assert (whole["deliveryId"], whole["eventId"]) == (got["X-Winnerr-Delivery"], event["id"])
    assert (whole["attempt"], whole["trigger"], whole["outcome"]) == (1, "automatic", "failed")
    assert MOMENT.fullmatch(whole["startedAt"])
    assert set(whole["timings"]) == {"dnsMs", "connectMs", "tlsMs", "firstByteMs", "reconnected"}
    assert (whole["timings"]["dnsMs"], whole["timings"]["tlsMs"]) == (None, None)
    assert 0 < whole["timings"]["firstByteMs"] <= whole["durationMs"]
    assert list(whole["request"]) == ["url", "headers", "body"]
    assert {k.lower(): v for k, v in whole["request"]["headers"].items()} == got.headers
    assert whole["request"]["body"].encode() == got.body
    assert set(whole["response"]) == {"status", "headers", "body", "truncated"}
    assert set(whole["error"]) == {"kind", "message", "hint"}
    assert (whole["error"]["kind"], whole["error"]["message"]) == ("status", "503 Scripted")
    assert (whole["deliveryStatus"], whole["nextAttemptAt"]) == ("delivered", None)
    assert (second["attempt"], second["error"]) == (2, None)


async def test_waiting_for_a_retry_is_pending_with_its_time(server, receiver, answer) -> None:
    await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(429, {"Retry-After": "120"})
    await server.emit()
    page = await server.until("~/logs", lambda page: page["items"])
    (one,) = page["items"]
    assert one["deliveryStatus"] == "pending"
    assert MOMENT.fullmatch(one["nextAttemptAt"])
    wait = datetime.fromisoformat(one["nextAttemptAt"]) - datetime.now(UTC)
    assert timedelta(seconds=100) < wait <= timedelta(seconds=121)
    delivery = await server.ok("GET", f"~/deliveries/{one['deliveryId']}")
    assert list(delivery) == [
        "id", "eventId", "event", "webhookId", "status", "nextAttemptAt", "waitsFor", "attempts",
        "body",
    ]  # fmt: skip
    assert (delivery["status"], delivery["nextAttemptAt"]) == ("pending", one["nextAttemptAt"])
    assert delivery["body"].encode() == receiver.requests[0].body
    (listed,) = (await server.ok("GET", "~/deliveries"))["items"]
    assert listed == {k: v for k, v in delivery.items() if k not in ("attempts", "body")}


@pytest.mark.parametrize(
    "asked", ["7200", "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["seconds", "date"]
)
async def test_retry_after_is_believed_up_to_an_hour(server, receiver, answer, asked) -> None:
    await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(503, {"Retry-After": asked})
    await server.emit()
    page = await server.until("~/logs", lambda page: page["items"])
    wait = datetime.fromisoformat(page["items"][0]["nextAttemptAt"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < wait <= timedelta(minutes=60, seconds=1)


@pytest.mark.parametrize(
    ("status", "asked"), [(500, "3600"), (503, "-5"), (503, "NaN"), (503, "soon"), (429, "0")]
)
async def test_retry_after_elsewhere_or_nonsense_changes_nothing(
    server, receiver, answer, status, asked
) -> None:
    await server.webhook(receiver.url)
    receiver.answer = lambda r: answer(
        status if r["X-Winnerr-Attempt"] == "1" else 200, {"Retry-After": asked}
    )
    await server.emit()
    first, second = await receiver.wait_for(2)
    assert 0.16 <= second.at - first.at < 30


async def test_filters_of_the_log(server, receiver, answer) -> None:
    good = await server.webhook(receiver.url, events=["task.created"])
    bad = await server.webhook(receiver.url + "/bad", events=["call.missed"])
    statuses = iter((503, 404, 500, 429))
    receiver.answer = lambda r: answer(next(statuses) if r.path.endswith("bad") else 204)
    await server.emit("call.missed")
    (failed,) = await settled(server, 1, "failed")
    await server.emit("task.created")
    await settled(server, 1)
    everything = await server.ok("GET", "~/logs")
    seen = [(item["response"]["status"]) for item in everything["items"]]
    assert seen == [204, 429, 500, 404, 503]

    async def statuses_of(query: str) -> list[int]:
        return [
            i["response"]["status"] for i in (await server.ok("GET", f"~/logs?{query}"))["items"]
        ]

    assert await statuses_of(f"webhook={good['id']}") == [204]
    assert await statuses_of("event=call.missed") == [429, 500, 404, 503]
    assert await statuses_of("outcome=succeeded") == [204]
    assert await statuses_of(f"outcome=failed&webhook={bad['id']}") == [429, 500, 404, 503]
    assert await statuses_of("status=5xx") == [500, 503]
    assert await statuses_of("status=4XX") == [429, 404]
    assert await statuses_of("status=503") == [503]
    assert await statuses_of("status=200") == []
    assert await statuses_of("webhook=wh_00000000000000000000000000") == []
    at = everything["items"][2]["startedAt"]
    assert await statuses_of(f"since={at}") == [204, 429, 500]
    assert await statuses_of(f"until={at}") == [404, 503]

    async def deliveries(query: str) -> list[str]:
        return found(await server.ok("GET", f"~/deliveries?{query}"))

    assert await deliveries("status=failed") == [failed["id"]]
    assert await deliveries(f"webhook={bad['id']}") == [failed["id"]]
    assert await deliveries("event=call.missed") == [failed["id"]]
    assert len(await deliveries("")) == 2
    assert await deliveries("status=cancelled") == []
    future = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await deliveries(f"since={future}") == []
    assert len(await deliveries(f"until={future}")) == 2


async def test_a_search_finds_a_part_of_what_was_sent_answered_or_went_wrong(
    server, receiver, answer
) -> None:
    """In any case, other letters than ASCII too, however JSON wrote them."""
    hook = await server.webhook(receiver.url)
    receiver.answer = lambda r: answer(400, body=b"Quota EXCEEDED for r\xc3\xa9gion \xff 50%_done")
    sent = json.dumps({
        "event": "contact.created", "organizationId": server.organization,
        "data": {"name": "Jürgen Straße", "ref": "evt_01h455vb4pex5vsknk084sn02q"},
    }, ensure_ascii=False)  # fmt: skip
    event = await server.ok("POST", "/api/v1/events", sent.encode())
    await server.emit(data={"name": "Ülkü"})  # as \u00dc
    await settled(server, 2, "failed")
    everything = await server.ok("GET", "~/logs")
    of_first = [i["id"] for i in everything["items"] if i["eventId"] == event["id"]]
    of_second = [i["id"] for i in everything["items"] if i["eventId"] != event["id"]]
    both = [i["id"] for i in everything["items"]]
    one = next(i for i in everything["items"] if i["eventId"] != event["id"])
    for text, expected in {
        "jürgen": of_first,
        "JÜRGEN": of_first,
        "rgen str": of_first,
        "ülk": of_second,
        "ÜLK": of_second,
        "quota exceeded": both,
        "RÉGION": both,
        "50%_d": both,
        "5_%": [],
        "400 scripted": both,
        "no such text": [],
        event["id"]: of_first,
        hook["id"]: both,
        one["id"]: [one["id"]],
        one["deliveryId"]: of_second,
        event["id"][:-3]: of_first,
        event["id"].upper(): of_first,
        hook["id"][3:]: both,
        receiver.url: both,
    }.items():
        page = await server.ok("GET", "~/logs", params={"q": text})
        assert found(page) == expected, text


async def test_pages_follow_each_other_without_gap_or_repeat(server, receiver) -> None:
    await server.webhook(receiver.url)
    for _ in range(55):
        await server.emit()
    await settled(server, 55)
    for what in ("logs", "deliveries"):
        everything = found(await server.ok("GET", f"~/{what}?limit=500"))
        assert len(everything) == 55
        assert len(found(await server.ok("GET", f"~/{what}"))) == 50
        if what == "deliveries":
            assert everything == sorted(everything, reverse=True)
        walked, before = [], ""
        while True:
            page = await server.ok("GET", f"~/{what}?limit=20&before={before}")
            walked += found(page)
            if page["next"] is None:
                break
            before = page["next"]
        assert walked == everything
    # Attempts under way together may be recorded in another order than they began.
    await server.emit()
    await settled(server, 56)
    (newest,) = (await server.ok("GET", "~/logs?limit=1"))["items"]
    (delivery,) = (await server.ok("GET", "~/deliveries?limit=1"))["items"]
    assert newest["deliveryId"] == delivery["id"]


@pytest.mark.parametrize(
    "query",
    [
        "logs?limit=501", "logs?limit=0", "logs?before=x", "logs?outcome=x", "logs?status=600x",
        "logs?since=x", "logs?nonsense=1", "deliveries?status=503", "deliveries?q=x",
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_422_and_named(server, query) -> None:
    status, problem = await server.call("GET", "~/" + query)
    assert status == 422
    assert problem["errors"][0]["pointer"] == "/" + re.split(r"[?=]", query)[1]


async def test_replays_narrow_by_acceptance_since_inclusive_until_exclusive(
    server, receiver, answer
) -> None:
    await server.webhook(receiver.url, events=["task.created"])
    receiver.answer = lambda _request: answer(400)
    accepted: list[str] = []
    while len(set(accepted)) < 3:
        event = await server.emit("task.created")
        accepted.append((await server.ok("GET", f"~/events/{event['id']}"))["acceptedAt"])
    await settled(server, len(accepted), "failed")
    first, second, third = sorted(set(accepted))
    later = sum(at >= second for at in accepted)

    async def count(**fields) -> int:
        answer = await server.ok("POST", "~/replays", {"dryRun": True} | fields)
        assert answer["dryRun"] is True
        return answer["count"]

    assert await count() == len(accepted)
    assert await count(since=second) == later
    assert await count(until=second) == len(accepted) - later
    assert await count(since=first, until=third) == len(accepted) - accepted.count(third)
    assert await count(since=third, until=third) == 0
    assert await count(outcome="failed") == len(accepted)
    assert await count(outcome="cancelled") == 0
    assert await count(event="call.missed") == 0
    assert await count(webhook="wh_00000000000000000000000000") == 0
    receiver.answer = lambda _request: answer()
    status, replays = await server.call("POST", "~/replays", {"since": second})
    assert (status, replays) == (202, {"count": later, "dryRun": False})
    await settled(server, later)
    assert await count() == len(accepted) - later


async def test_replays_leave_webhooks_alone_that_are_not_active(server, receiver, answer) -> None:
    hook = await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(400)
    await server.emit()
    (failed,) = await settled(server, 1, "failed")
    attempts = await server.ok("GET", "~/logs")
    for change, word in (("paused", "paused"), ("deleted", "deleted")):
        if change == "deleted":
            await server.call("DELETE", f"~/webhooks/{hook['id']}")
        else:
            await server.ok("PATCH", f"~/webhooks/{hook['id']}", {"status": change})
        assert await server.ok("POST", "~/replays", {}) == {"count": 0, "dryRun": False}
        for path in (f"deliveries/{failed['id']}", f"logs/{attempts['items'][0]['id']}"):
            status, problem = await server.call("POST", f"~/{path}/replay")
            assert status == 409
            assert word in problem["detail"]
    assert (await server.call("POST", "~/deliveries/dlv_nonsense/replay"))[0] == 404
    assert (await server.call("POST", "~/logs/att_nonsense/replay"))[0] == 404


async def test_a_delivered_delivery_can_be_replayed_and_stays_delivered(
    server, receiver, answer
) -> None:
    await server.webhook(receiver.url)
    await server.emit()
    (one,) = await settled(server, 1)
    receiver.answer = lambda _request: answer(500)
    await server.ok("POST", f"~/deliveries/{one['id']}/replay")
    delivery = await server.until(f"~/deliveries/{one['id']}", lambda d: len(d["attempts"]) == 2)
    assert delivery["status"] == "delivered"
    assert [a["outcome"] for a in delivery["attempts"]] == ["succeeded", "failed"]
    assert await server.ok("POST", "~/replays", {"dryRun": True}) == {"count": 0, "dryRun": True}


async def test_reads_answer_head_and_paths_of_others_are_404(server, receiver) -> None:
    await server.webhook(receiver.url)
    await server.emit()
    (one,) = await settled(server, 1)
    headers = {"Authorization": f"Bearer {server.key}"}
    base = f"/api/v1/organizations/{server.organization}"
    for path in (f"{base}/logs", f"{base}/deliveries/{one['id']}", "/healthz", "/readyz"):
        async with server.session.head(path, headers=headers) as response:
            assert response.status == 200
            assert await response.read() == b""
    attempt = found(await server.ok("GET", "~/logs"))[0]
    other = server.of()
    for method, path in (
        ("GET", f"logs/{attempt}"), ("GET", f"deliveries/{one['id']}"),
        ("POST", f"logs/{attempt}/replay"), ("POST", f"deliveries/{one['id']}/replay"),
    ):  # fmt: skip
        assert (await other.call(method, f"~/{path}"))[0] == 404
