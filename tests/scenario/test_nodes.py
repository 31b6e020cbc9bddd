"""Roles and processes on one PostgreSQL database, seen from outside."""

import asyncio
import json
import os
import re
import signal
from contextlib import suppress

import aiohttp
import pytest
import pytest_asyncio
from tests.loss import IN_TIME, Proxy
from tests.scenario.listening import Listening
from tests.server import PAUSE

KEYS = "k1:" + "A" * 43 + "="
OTHER_KEYS = "k2:" + "B" * 42 + "E="

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    # Each test names its database itself, so that none has to run twice.
    pytest.mark.parametrize("adapter", ["sqlite"], scope="session"),
]


@pytest.fixture
def make_node(postgres_url, make_server):
    """Start nodes on one database."""

    async def make(**settings: str):
        return await make_server(DATABASE_URL=postgres_url, ENCRYPTION_KEYS=KEYS, **settings)

    return make


async def deliveries(node, status: str, count: int):
    return await node.until(
        f"~/deliveries?status={status}&limit=500", lambda page: len(page["items"]) == count
    )


def pids(node, number: int) -> list[int]:
    """The pids of the process with this number, one for each time it was ready."""
    lines = [json.loads(line) for line in node.log if '"worker process is ready"' in line]
    return [line["pid"] for line in lines if line["process"] == number]


async def ready(node, number: int, times: int) -> None:
    """Wait until the process with this number has been ready that many times."""
    async with asyncio.timeout(60):
        while len(pids(node, number)) < times:
            with suppress(aiohttp.ClientConnectionError):  # to the one that is gone
                await node.ok("GET", "~/webhooks")
            await asyncio.sleep(PAUSE)


async def figures(node) -> dict[str, float]:
    async with node.session.get("/metrics") as response:
        text = await response.text()
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name.removeprefix("winnerr_webhooks_"): float(value) for name, value in pairs}


@pytest.mark.thorough
async def test_an_api_node_accepts_and_a_delivery_node_delivers(make_node, receiver) -> None:
    api = await make_node(ROLE="api")
    hook = await api.webhook(receiver.url, secret="a secret of mine")
    for n in range(20):
        assert (await api.emit(id=f"crm-{n}"))["deliveries"] == 1
    assert (await api.emit(id="crm-0"))["duplicate"] is True
    assert (await figures(api))["pending"] == 20
    assert receiver.requests == []
    deliver = await make_node(ROLE="deliver")
    await deliveries(api, "delivered", 20)
    assert len({request["X-Winnerr-Delivery"] for request in receiver.requests}) == 20
    await api.ok("POST", f"~/webhooks/{hook['id']}/test", {})
    await receiver.wait_for(21)
    page = await api.ok("GET", "~/logs?limit=1")
    await api.ok("POST", f"~/logs/{page['items'][0]['id']}/replay")
    await receiver.wait_for(22)
    await api.ok("PATCH", f"~/webhooks/{hook['id']}", {"url": receiver.url + "/new"})
    await api.emit()
    (last,) = (await receiver.wait_for(1, lambda request: request.path == "/hook/new"))[:1]
    assert last["X-Winnerr-Signature"]
    async with asyncio.timeout(60):  # an attempt counts once its answer was read
        while (shown := await figures(deliver))['attempts_total{kind="",outcome="succeeded"}'] < 23:
            await asyncio.sleep(PAUSE)
    assert shown['attempts_total{kind="",outcome="succeeded"}'] == 23
    assert shown["events_accepted_total"] == 0
    assert await deliver.terminate() == 0
    assert await api.terminate() == 0


async def test_a_delivery_node_answers_probes_only_and_says_so(make_node) -> None:
    node = await make_node(ROLE="deliver")
    for path in ("/healthz", "/readyz", "/metrics"):
        async with node.session.get(path) as response:
            assert response.status == 200
    for method, path in (("POST", "/api/v1/events"), ("GET", "/settings/webhooks")):
        status, problem = await node.call(method, path, {} if method == "POST" else None)
        assert status == 404
        assert "This node only delivers" in problem["detail"]


async def test_a_delivery_node_that_stops_hands_its_work_over_at_once(
    make_node, receiver, answer
) -> None:
    """Long before its leases run out: they last a minute, and this test waits twenty seconds."""
    api = await make_node(ROLE="api")
    first = await make_node(ROLE="deliver", DELIVERY_TIMEOUT="15")
    await api.webhook(receiver.url)
    let_go = asyncio.Event()

    async def slow(_request):
        await let_go.wait()
        return answer(200)

    receiver.answer = slow
    for _ in range(12):
        await api.emit()
    await receiver.wait_for(4)
    stopping = asyncio.ensure_future(first.terminate())
    second = await make_node(ROLE="deliver", DELIVERY_TIMEOUT="15")
    await receiver.wait_for(8)
    let_go.set()
    await deliveries(api, "delivered", 12)
    assert await stopping == 0
    assert len(receiver.requests) == 12, "nothing twice"
    assert await second.terminate() == 0


async def test_processes_share_the_work_and_any_of_them_may_be_killed(
    make_node, receiver, receivers
) -> None:
    """The events of `listen` come from either process, whichever has its stream."""
    node = await make_node(PROCESSES="2")
    await node.webhook(receiver.url)
    await ready(node, 2, 1)
    for n in range(50):
        await node.emit(id=f"crm-{n}")
    await deliveries(node, "delivered", 50)
    both = {f'events_accepted_total{{process="{n}"}}' for n in (1, 2)}
    async with asyncio.timeout(60):
        while not both <= (shown := await figures(node)).keys():
            # One that a busy machine keeps from answering in time is left out.
            await asyncio.sleep(PAUSE)
    assert sum(shown[name] for name in both) == 50
    assert shown["pending"] == 0
    local = await receivers()
    listening = await Listening(node, local.url).start()  # its stream is on one of the processes
    try:
        os.kill(pids(node, 2)[0], signal.SIGKILL)
        await ready(node, 2, 2)
        for n in range(50, 80):
            await node.emit(id=f"crm-{n}")
        await deliveries(node, "delivered", 110)
        forwarded = await listening.until("delivery", 30)
    finally:
        await listening.close()
    assert len({line["deliveryId"] for line in forwarded}) == len(local.requests) == 30
    assert len(pids(node, 1)) == 1
    assert await node.terminate() == 0
    assert len([line for line in node.log if "listens on" in line]) == 1


@pytest.mark.thorough
async def test_a_process_can_be_renewed_and_no_call_is_refused(make_node, receiver) -> None:
    """SIGTERM to one process: it finishes, and a fresh one takes its place.

    A caller whose idle connection it closes at the very moment of a call repeats that call.
    """
    node = await make_node(PROCESSES="2")
    await node.webhook(receiver.url)
    for n in range(120):
        if n == 20:
            os.kill(pids(node, 1)[0], signal.SIGTERM)
        if n == 60:
            await ready(node, 1, 2)
            os.kill(pids(node, 2)[0], signal.SIGTERM)
        try:
            await node.emit(id=f"crm-{n}")
        except aiohttp.ClientConnectionError:
            await node.emit(id=f"crm-{n}")
    await ready(node, 2, 2)
    await deliveries(node, "delivered", 120)
    assert len(receiver.requests) == 120
    assert await node.terminate() == 0


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(postgres_server):
    one = await Proxy(postgres_server.port).start()
    yield one
    await one.stop()


async def test_a_database_that_no_answer_comes_from_is_told_of_within_2_s(
    postgres_server, postgres_url, proxy, make_server
) -> None:
    """Every call, whenever it comes; and an event that was refused for certain is not stored."""
    url = postgres_url.replace(f":{postgres_server.port}/", f":{proxy.port}/")
    node = await make_server(DATABASE_URL=url, ENCRYPTION_KEYS=KEYS)
    event = {"event": "contact.created", "organizationId": "org_1", "data": {"id": "contact_xyz"}}
    loop = asyncio.get_running_loop()
    problems, waits = {}, []

    async def caller(place: int) -> None:
        for number in range(3):
            id_ = f"call-{place}-{number}"
            began = loop.time()
            headers = {"Authorization": f"Bearer {node.key}", "Idempotency-Key": id_}
            async with node.session.post("/api/v1/events", json=event, headers=headers) as answer:
                assert answer.status == 503
                assert int(answer.headers["Retry-After"]) > 0
                problems[id_] = (await answer.json())["type"]
            waits.append(loop.time() - began)

    await node.emit(id="before")
    proxy.freeze()
    await asyncio.gather(*(caller(place) for place in range(8)))
    assert max(waits) < IN_TIME
    proxy.thaw()
    proxy.hang_up()
    async with asyncio.timeout(60):
        while (await node.call("POST", "/api/v1/events", event | {"id": "after"}))[0] == 503:
            await asyncio.sleep(PAUSE)
    for id_, problem in problems.items():
        again = await node.emit(id=id_)
        assert not again["duplicate"] or problem.endswith("#uncertain")


async def test_settings_that_do_not_fit_stop_all_processes_with_one_line(make_node) -> None:
    node = await make_node()
    await node.webhook("http://127.0.0.1:9/", secret="a secret of mine")
    node.settings |= {"ENCRYPTION_KEYS": OTHER_KEYS, "PROCESSES": "3"}
    code, out, err = await node.command("serve", "--port", "0")
    assert (code, out) == (os.EX_CONFIG, "")
    (line,) = err.splitlines()
    assert line.startswith("winnerr-webhooks: WINNERR_WEBHOOKS_ENCRYPTION_KEYS: ")


@pytest.mark.thorough
async def test_processes_that_cannot_load_the_api_end_the_start_and_are_not_restarted(
    make_node, tmp_path, monkeypatch
) -> None:
    (tmp_path / "litestar.py").write_text("raise ImportError('the framework is broken')")
    node = await make_node()
    node.settings["PROCESSES"] = "2"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    code, _, err = await node.command("serve", "--port", "0")
    assert code == 1
    assert "the framework is broken" in err
    assert "is restarted" not in err


async def test_keys_and_links_need_the_database_only_and_migrate_says_which(make_node) -> None:
    node = await make_node()
    secret = node.settings["DATABASE_URL"].rpartition("@")[0].rpartition(":")[2]
    del node.settings["ENCRYPTION_KEYS"]
    assert (await node.command("keys", "list"))[0] == 0
    assert (await node.command("login-link", "--organization", "org_1"))[0] == 0
    code, out, err = await node.command("migrate")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"postgresql://127\.0\.0\.1:\d+/\w+ is ready for this version\.\n", out)
    assert secret not in out
    code, _, err = await node.command("serve", "--port", "0")
    assert code == os.EX_CONFIG
    assert "WINNERR_WEBHOOKS_ENCRYPTION_KEYS" in err


async def test_an_sqlite_database_moves_to_postgresql_and_goes_on_there(
    empty_postgres_url, make_server, receiver, answer
) -> None:
    old = await make_server(RETRY_SCHEDULE="2")
    hook = await old.webhook(receiver.url, secret="a secret of mine")
    receiver.answer = lambda _request: answer(503)
    event = await old.emit(id="crm-1")
    await old.until("~/logs", lambda page: page["items"])
    await old.terminate()
    receiver.answer = lambda _request: answer(200)
    source = old.settings["DATABASE_URL"]
    code, out, err = await old.command("migrate", "--from", source, "--to", empty_postgres_url)
    assert code == 0, err
    assert "event: 1 of 1 rows copied and checked" in out
    (keys,) = [
        line
        for line in (old.folder / "test.db.keys").read_text().splitlines()
        if not line.startswith("#")
    ]
    new = await make_server(DATABASE_URL=empty_postgres_url, ENCRYPTION_KEYS=keys)
    new.key = old.key
    await deliveries(new, "delivered", 1)
    last = receiver.requests[-1]
    assert (last["X-Winnerr-Attempt"], last["webhook-id"]) == ("2", event["id"])
    secret = await new.ok("GET", f"~/webhooks/{hook['id']}/secret")
    assert secret == {"secret": "a secret of mine"}
    assert (await new.emit(id="crm-1"))["duplicate"] is True
