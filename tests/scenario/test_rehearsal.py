"""Rehearsals over the API: real requests to another receiver, and nothing changes."""

import asyncio
import hashlib
import hmac
import random
from collections import Counter

import pytest
import pytest_asyncio
from tests.crash.cluster import HURRIED
from tests.receiver import Receiver
from tests.thorough import usually_sqlite

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "the-shared-secret"


@pytest.fixture
def program() -> list[str]:
    """The leases of a killed node end soon."""
    return list(HURRIED)


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
    # The webhook is not ordered, so its receiver may have had them in another order.
    recorded = sorted(receiver.requests, key=lambda one: one.json["data"]["n"])
    for got, real in zip(other.requests, recorded[1:], strict=True):
        assert got.body == real.body
        assert got["X-Winnerr-Delivery"] == real["X-Winnerr-Delivery"]
        assert "x-winnerr-test" not in got.headers
        expected = hmac.new(SECRET.encode(), got.body, hashlib.sha256).hexdigest()
        assert got["X-Winnerr-Signature"] == f"sha256={expected}"
    assert await server.ok("GET", "~/logs") == before
    assert (await server.ok("GET", f"~/webhooks/{hook['id']}"))["status"] == "active"


@usually_sqlite
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


@usually_sqlite
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


async def _nodes(make_server, count: int):
    """Servers of one cluster; with SQLite there is one."""
    first = await make_server(DELIVERY_TIMEOUT="1")
    if first.settings["DATABASE_URL"].startswith("sqlite"):
        return [first]
    shared = {name: first.settings[name] for name in ("DATABASE_URL", "ENCRYPTION_KEYS")}
    others = [await make_server(DELIVERY_TIMEOUT="1", **shared) for _ in range(count - 1)]
    return [first, *others]


async def _kill_while_it_rehearses(rng, nodes, other, last: int) -> int:
    """Kill all nodes, time and again, while requests are to come; return how often."""
    loop, kills = asyncio.get_running_loop(), 0
    while len(other.requests) + 10 < last:
        await other.wait_for(len(other.requests) + rng.randrange(1, 8))
        moment = loop.time() + rng.uniform(0, 0.02)
        while loop.time() < moment:
            await asyncio.sleep(0)  # an answer is stored within a millisecond: a timer is coarser
        await asyncio.gather(*(node.kill() for node in nodes))
        await asyncio.gather(*(node.start() for node in nodes))
        kills += 1
    return kills


@pytest.mark.parametrize("last", [30, pytest.param(100, marks=pytest.mark.chaos)])
@pytest.mark.timeout(600)
@pytest.mark.thorough
async def test_a_rehearsal_survives_kill_9_and_tries_every_event(
    last, make_server, receiver, other, answer
) -> None:
    """No recorded answer changes, and only what was in flight at a kill is sent twice."""
    rng = random.Random(last)
    nodes = await _nodes(make_server, 2)
    server = nodes[0]
    hook = await _sent(server, receiver, last)
    recorded = await server.ok("GET", f"~/logs?limit={last}")
    deliveries = await server.ok("GET", f"~/deliveries?limit={last}")

    async def slowly(request):
        await asyncio.sleep(0.01)  # else all is over before the first kill
        return answer(500 if request.json["data"]["n"] % 3 else 204)

    other.answer = slowly
    path = f"~/webhooks/{hook['id']}/rehearsals"
    started = await server.ok("POST", path, {"url": other.url, "last": last})
    kills = await _kill_while_it_rehearses(rng, nodes, other, last)
    assert kills > 2
    done = await server.until(
        f"~/rehearsals/{started['id']}", lambda found: found["status"] == "done"
    )
    answers = {one["deliveryId"]: one for one in done["answers"]}
    for delivery in deliveries["items"]:
        one = answers[delivery["id"]]
        assert (one["recorded"]["status"], one["recorded"]["outcome"]) == (200, "succeeded")
    tried = Counter(request["X-Winnerr-Delivery"] for request in other.requests)
    assert tried.keys() == answers.keys() == {one["id"] for one in deliveries["items"]}
    assert tried.total() - len(tried) <= kills
    for request in other.requests:
        expected = 500 if request.json["data"]["n"] % 3 else 204
        assert answers[request["X-Winnerr-Delivery"]]["rehearsed"]["status"] == expected
    assert await server.ok("GET", f"~/logs?limit={last}") == recorded
    assert await server.ok("GET", f"~/deliveries?limit={last}") == deliveries
    print(f"{kills} kills, {len(tried)} events tried, {tried.total() - len(tried)} of them again")
