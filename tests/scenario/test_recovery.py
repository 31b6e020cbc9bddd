"""Recoveries over the API: what a webhook missed is sent again, and the figures are exact."""

import asyncio
import hashlib
import hmac

import pytest
from tests.crash.cluster import HURRIED
from tests.thorough import usually_sqlite

pytestmark = pytest.mark.asyncio(loop_scope="session")

SINCE = {"since": "2020-01-01T00:00:00Z"}


@pytest.fixture
def program() -> list[str]:
    """The leases of a killed node end soon."""
    return list(HURRIED)


async def _missed(server, receiver, answer, count: int, **fields):
    """A webhook that missed `count` events while its receiver was down."""
    receiver.answer = lambda _request: answer(503)
    hook = await server.webhook(receiver.url, **fields)
    body = [
        {"event": "contact.created", "organizationId": server.organization, "data": {"n": number}}
        for number in range(count)
    ]
    for start in range(0, count, 100):
        await server.ok("POST", "/api/v1/events/batch", body[start : start + 100])
    await server.until(
        "~/deliveries?status=pending",
        lambda page: not page["items"],
    )
    receiver.requests.clear()
    return hook


async def _job(server, job_id: str, *, to_come: int = 0):
    return await server.until(f"~/jobs/{job_id}", lambda job: job["progress"]["toCome"] <= to_come)


def _figures(job) -> tuple[int, int, int, dict[str, int]]:
    progress = job["progress"]
    not_sent = {one["reason"]: one["count"] for one in progress["notSent"]}
    return progress["toCome"], progress["delivered"], progress["failedAgain"], not_sent


@usually_sqlite
async def test_a_recovery_sends_what_was_missed_with_retries(make_server, receiver, answer) -> None:
    server = await make_server(RETRY_SCHEDULE="0.1,0.1")
    hook = await _missed(server, receiver, answer, 3)
    path = f"~/webhooks/{hook['id']}/recoveries"
    plan = await server.ok("POST", path, SINCE | {"dryRun": True})
    assert plan == {
        "count": 3,
        "arrived": 0,
        "arrivedIsPartial": False,
        "expectedSeconds": None,
        "jobId": None,
        "dryRun": True,
    }
    seen: dict[str, int] = {}

    def second_time_lucky(request):
        seen[request["X-Winnerr-Delivery"]] = seen.get(request["X-Winnerr-Delivery"], 0) + 1
        return answer(200 if seen[request["X-Winnerr-Delivery"]] == 3 else 503)

    receiver.answer = second_time_lucky
    status, started = await server.call("POST", path, SINCE)
    assert (status, started["count"]) == (202, 3)
    job = await _job(server, started["jobId"])
    assert (job["status"], _figures(job)) == ("done", (0, 3, 0, {}))
    assert set(seen.values()) == {3}
    listed = await server.ok("GET", f"~/jobs?webhook={hook['id']}")
    assert listed["items"] == [job]
    nothing = await server.ok("POST", path, SINCE)
    assert (nothing["count"], nothing["arrived"], nothing["jobId"]) == (0, 3, None)


@pytest.mark.thorough
async def test_a_killed_server_goes_on_with_its_recovery_and_counts_exactly(
    make_server, receiver, answer
) -> None:
    server = await make_server(RETRY_SCHEDULE="0.1", DISABLE_AFTER_DAYS="0")
    hook = await _missed(server, receiver, answer, 400)
    sick: set[str] = set()

    def some_fail(request):
        delivery = request["X-Winnerr-Delivery"]
        if delivery in sick or len(sick) < 40:
            sick.add(delivery)
            return answer(503)
        return answer(200)

    receiver.answer = some_fail
    started = await server.ok("POST", f"~/webhooks/{hook['id']}/recoveries", SINCE)
    for wanted in (60, 200):
        await receiver.wait_for(wanted)
        await server.kill()
        await server.start()
    job = await _job(server, started["jobId"])
    assert _figures(job) == (0, 360, 40, {})
    delivered = await server.ok("GET", "~/deliveries?status=delivered&limit=500")
    failed = await server.ok("GET", "~/deliveries?status=failed&limit=500")
    assert len(delivered["items"]) == 360
    assert {one["id"] for one in failed["items"]} == sick


@usually_sqlite
async def test_a_cancelled_recovery_says_what_was_sent(make_server, receiver, answer) -> None:
    server = await make_server(RETRY_SCHEDULE="0.1", WEBHOOK_CONCURRENCY="1")
    hook = await _missed(server, receiver, answer, 60)
    gate = asyncio.Event()

    async def slowly(_request):
        if len(receiver.requests) > 20:
            await gate.wait()
        return answer(200)

    receiver.answer = slowly
    started = await server.ok("POST", f"~/webhooks/{hook['id']}/recoveries", SINCE)
    await receiver.wait_for(21)
    job = await server.ok("POST", f"~/jobs/{started['jobId']}/cancel")
    assert job["status"] == "cancelled"
    await _job(server, started["jobId"])
    gate.set()
    job = await server.until(
        f"~/jobs/{started['jobId']}",
        lambda job: job["progress"]["delivered"] == len(receiver.requests),
    )
    to_come, delivered, failed, not_sent = _figures(job)
    assert (to_come, failed, delivered + not_sent["stopped"]) == (0, 0, 60)
    assert delivered >= 21
    again = await server.ok("POST", f"~/jobs/{started['jobId']}/cancel")
    assert again["status"] == "cancelled"


@usually_sqlite
async def test_a_secret_that_is_rotated_meanwhile_signs_what_is_still_to_come(
    make_server, receiver, answer
) -> None:
    server = await make_server(RETRY_SCHEDULE="0.1", WEBHOOK_CONCURRENCY="1")
    hook = await _missed(server, receiver, answer, 2, secret="the-old-secret")
    receiver.answer = lambda _request: answer(200)
    await server.ok(
        "PUT",
        f"~/webhooks/{hook['id']}/secret",
        {"secret": "the-new-secret", "overlapSeconds": 0},
    )
    await server.ok("POST", f"~/webhooks/{hook['id']}/recoveries", SINCE)
    for got in await receiver.wait_for(2):
        expected = hmac.new(b"the-new-secret", got.body, hashlib.sha256).hexdigest()
        assert got["X-Winnerr-Signature"] == f"sha256={expected}"


@usually_sqlite
async def test_wrong_input_is_named(make_server, receiver, answer) -> None:
    server = await make_server()
    hook = await server.webhook(receiver.url)
    path = f"~/webhooks/{hook['id']}/recoveries"
    for body, pointer in (
        ({}, "/since"),
        ({"since": "yesterday"}, "/since"),
        (SINCE | {"until": "2019-01-01T00:00:00Z"}, "/until"),
        (SINCE | {"outcome": "failed"}, "/outcome"),
    ):
        status, problem = await server.call("POST", path, body)
        assert (status, problem["errors"][0]["pointer"]) == (422, pointer), body
    other = server.of()
    assert (await other.call("POST", path, SINCE))[0] == 404
    assert (await server.call("GET", "~/jobs/job_" + "0" * 26))[0] == 404
    assert (await server.call("POST", "~/jobs/nonsense/cancel"))[0] == 404
    await server.ok("PATCH", f"~/webhooks/{hook['id']}", {"status": "paused"})
    status, problem = await server.call("POST", path, SINCE)
    assert (status, "set it active" in problem["detail"]) == (409, True)
