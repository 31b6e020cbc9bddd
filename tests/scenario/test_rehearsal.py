"""Rehearsals over the API: real requests to another receiver, and nothing changes."""

import asyncio
import hashlib
import hmac

import pytest
import pytest_asyncio
from tests.receiver import Receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "the-shared-secret"


@pytest_asyncio.fixture(loop_scope="session")
async def other():
    """The receiver that is tried."""
    started = await Receiver().start()
    yield started
    await started.stop()


async def _sent(server, receiver, count: int = 3):
    hook = await server.webhook(receiver.url, secret=SECRET)
    for number in range(count):
        await server.emit(data={"n": number})
    await server.until("~/deliveries?status=delivered", lambda page: len(page["items"]) == count)
    return hook


async def test_a_rehearsal_sends_the_recorded_requests_and_compares_the_answers(
    make_server, receiver, other, answer
) -> None:
    server = await make_server()
    hook = await _sent(server, receiver)
    before = await server.ok("GET", "~/logs")
    other.answer = lambda _request: answer(500)
    path = f"~/webhooks/{hook['id']}/rehearsals"
    status, started = await server.call("POST", path, {"url": other.url, "last": 2})
    assert (status, started["status"], len(started["answers"])) == (202, "running", 2)
    done = await server.until(
        f"~/rehearsals/{started['id']}", lambda found: found["status"] == "done"
    )
    assert [one["rehearsed"]["status"] for one in done["answers"]] == [500, 500]
    assert [one["recorded"]["status"] for one in done["answers"]] == [200, 200]
    assert len(other.requests) == 2
    for got, real in zip(other.requests, receiver.requests[1:], strict=True):
        assert got.body == real.body
        assert got["X-Winnerr-Delivery"] == real["X-Winnerr-Delivery"]
        assert "x-winnerr-test" not in got.headers
        expected = hmac.new(SECRET.encode(), got.body, hashlib.sha256).hexdigest()
        assert got["X-Winnerr-Signature"] == f"sha256={expected}"
    assert await server.ok("GET", "~/logs") == before
    assert (await server.ok("GET", f"~/webhooks/{hook['id']}"))["status"] == "active"


async def test_a_url_that_may_not_be_reached_is_refused_and_410_disables_nothing(
    make_server, receiver, other, answer
) -> None:
    server = await make_server()
    hook = await _sent(server, receiver, 1)
    path = f"~/webhooks/{hook['id']}/rehearsals"
    for body, pointer in (
        ({"url": "http://10.0.0.1:8080/"}, "/url"),
        ({"url": "not a url"}, "/url"),
        ({"url": other.url, "last": 0}, "/last"),
        ({"url": other.url, "last": 101}, "/last"),
    ):
        status, problem = await server.call("POST", path, body)
        assert (status, problem["errors"][0]["pointer"]) == (422, pointer), body
    other.answer = lambda _request: answer(410)
    started = await server.ok("POST", path, {"url": other.url})
    done = await server.until(
        f"~/rehearsals/{started['id']}", lambda found: found["status"] == "done"
    )
    assert done["answers"][0]["rehearsed"]["error"] == "410 Scripted"
    assert (await server.ok("GET", f"~/webhooks/{hook['id']}"))["status"] == "active"


async def test_a_rehearsal_is_cancelled_and_another_may_begin(
    make_server, receiver, other, answer
) -> None:
    server = await make_server()
    hook = await _sent(server, receiver)
    gate = asyncio.Event()

    async def hold(_request):
        await gate.wait()
        return answer(200)

    other.answer = hold
    path = f"~/webhooks/{hook['id']}/rehearsals"
    started = await server.ok("POST", path, {"url": other.url})
    await other.wait_for(1)
    status, problem = await server.call("POST", path, {"url": other.url})
    assert (status, "cancel it" in problem["detail"]) == (409, True)
    cancelled = await server.ok("POST", f"~/rehearsals/{started['id']}/cancel")
    assert cancelled["status"] == "cancelled"
    gate.set()
    await server.until(
        f"~/rehearsals/{started['id']}", lambda found: found["answers"][0]["rehearsed"] is not None
    )
    assert len(other.requests) == 1
    second = await server.ok("POST", path, {"url": other.url, "last": 1})
    await server.until(f"~/rehearsals/{second['id']}", lambda found: found["status"] == "done")
