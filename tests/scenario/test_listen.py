"""`winnerr-webhooks listen`: the real command, a real server and a real local receiver."""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from tests.crash.cluster import KEYS
from tests.loss import Proxy
from tests.receiver import PATIENCE, Answer, Receiver
from tests.scenario.listening import Listening, connected, signature
from tests.thorough import usually_sqlite

pytestmark = pytest.mark.asyncio(loop_scope="session")

one_database = pytest.mark.parametrize("adapter", ["sqlite"], scope="session")
"""For tests of the command, to which the server's database makes no difference."""


@pytest.fixture
def program() -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("hurried_listeners.py"))]


@pytest_asyncio.fixture(loop_scope="session")
async def listen():
    """Start `listen` beside a server."""
    started: list[Listening] = []

    async def start(server, forward_to: str, *words: str, **settings: str) -> Listening:
        started.append(Listening(server, forward_to, *words, **settings))
        return await started[-1].start()

    yield start
    for one in started:
        await one.close()


async def test_a_delivery_arrives_as_at_a_webhook_and_its_answer_is_in_the_log(
    make_server, receiver, listen
) -> None:
    server = await make_server()
    receiver.answer = lambda _request: Answer(201, {"X-Mine": "yes"}, b"thanks")
    listening = await listen(server, receiver.url + "?from=crm")
    assert (await server.emit())["deliveries"] == 1
    (request,) = await receiver.wait_for(1)
    (line,) = await listening.until("delivery")
    assert (request.method, request.path) == ("POST", "/hook?from=crm")
    assert request.json["data"] == {"id": "contact_xyz"}
    assert request["X-Winnerr-Signature"] == signature(listening.secret, request.body)
    assert request["X-Winnerr-Delivery"] == line["deliveryId"]
    assert (line["status"], line["event"], line["error"]) == (201, "contact.created", None)
    delivery = await server.delivery(line["deliveryId"], "delivered")
    (attempt,) = delivery["attempts"]
    assert (attempt["trigger"], attempt["outcome"]) == ("listen", "succeeded")
    assert attempt["request"]["url"] == receiver.url + "?from=crm"
    assert attempt["request"]["headers"]["Host"] == request["Host"]
    assert attempt["response"]["headers"]["X-Mine"] == "yes"
    assert attempt["response"]["body"] == "thanks"
    assert attempt["durationMs"] == pytest.approx(line["durationMs"], abs=0.01)
    assert (await server.ok("GET", "~/webhooks"))["items"] == []


@usually_sqlite
async def test_a_failure_is_not_repeated_until_somebody_replays_it(
    make_server, receiver, listen
) -> None:
    server = await make_server()
    receiver.answer = lambda _request: Answer(500 if len(receiver.requests) == 1 else 200)
    listening = await listen(server, receiver.url)
    await server.emit()
    (line,) = await listening.until("delivery")
    assert line["status"] == 500
    failed = await server.delivery(line["deliveryId"], "failed")
    assert failed["nextAttemptAt"] is None
    await server.ok("POST", f"~/deliveries/{line['deliveryId']}/replay")
    lines = await listening.until("delivery", 2)
    assert [(one["attempt"], one["status"]) for one in lines] == [(1, 500), (2, 200)]
    delivered = await server.delivery(line["deliveryId"], "delivered")
    assert [one["trigger"] for one in delivered["attempts"]] == ["listen", "listen"]
    assert len(receiver.requests) == 2


@one_database
async def test_it_listens_only_for_what_it_is_told_and_keeps_its_secret(
    make_server, receiver, listen
) -> None:
    server = await make_server()
    listening = await listen(server, receiver.url, "--events", "deal.created,deal.closed_won")
    assert (await server.emit())["deliveries"] == 0
    assert (await server.emit("deal.created"))["deliveries"] == 1
    await receiver.wait_for(1)
    listening.send(signal.SIGTERM)
    assert await listening.ended() == (0, "")
    again = await listen(server, receiver.url)
    assert again.secret == listening.secret
    assert (await server.emit())["deliveries"] == 1


@one_database
@pytest.mark.thorough
async def test_those_with_the_same_key_share_and_copies_get_all(
    make_server, receiver, receivers, listen
) -> None:
    server, copied = await make_server(), await receivers()
    shared = [await listen(server, receiver.url), await listen(server, receiver.url)]
    copy = await listen(server, copied.url, "--copy")
    assert copy.secret != shared[0].secret == shared[1].secret
    receiver.answer = lambda _request: later()

    async def later() -> Answer:
        await asyncio.wait_for(all_came.wait(), PATIENCE)
        return Answer()

    all_came = asyncio.Event()
    for _ in range(16):  # more than one may hold unanswered
        assert (await server.emit())["deliveries"] == 2
    requests = await receiver.wait_for(16)
    all_came.set()
    await copied.wait_for(16)
    for one in shared:
        assert len(await one.until("delivery", 8)) == 8
    assert len(await copy.until("delivery", 16)) == 16
    assert len({request["X-Winnerr-Delivery"] for request in requests}) == 16


@one_database
async def test_with_a_webhook_it_has_its_events_and_secret_and_takes_nothing_from_it(
    make_server, receiver, receivers, listen
) -> None:
    server, real = await make_server(), await receivers()
    hook = await server.webhook(real.url, events=["deal.created"], secret="a secret of mine")
    listening = await listen(server, receiver.url, "--webhook", hook["id"])
    assert listening.secret == "a secret of mine"
    assert (await server.emit("contact.created"))["deliveries"] == 0
    assert (await server.emit("deal.created"))["deliveries"] == 2
    (local,), (remote,) = await receiver.wait_for(1), await real.wait_for(1)
    assert local.body == remote.body
    assert local["X-Winnerr-Signature"] == remote["X-Winnerr-Signature"]
    assert local["X-Winnerr-Delivery"] != remote["X-Winnerr-Delivery"]


# --- interruptions ---


@usually_sqlite
async def test_it_goes_on_after_the_server_was_killed_and_started_again(
    make_server, receiver, listen
) -> None:
    server = await make_server()
    listening = await listen(server, receiver.url)
    await server.emit()
    await listening.until("delivery")
    await server.kill()
    await listening.until("lost")
    await server.start()
    await server.emit()
    await listening.until("delivery", 2)
    assert len(receiver.requests) == 2
    await server.terminate()
    await server.start()
    await server.emit()
    await listening.until("delivery", 3)
    assert len({request["X-Winnerr-Delivery"] for request in receiver.requests}) == 3
    assert len(receiver.requests) == 3


@usually_sqlite
@pytest.mark.thorough
async def test_an_answer_that_the_killed_server_never_got_is_reported_and_not_sent_again(
    make_server, receiver, listen
) -> None:
    server = await make_server()
    answered = asyncio.Event()

    async def slow() -> Answer:
        await answered.wait()
        return Answer(202)

    receiver.answer = lambda _request: slow()
    listening = await listen(server, receiver.url)
    await server.emit()
    (request,) = await receiver.wait_for(1)
    await server.kill()
    answered.set()
    await listening.until("lost")
    await server.start()
    (line,) = await listening.until("delivery")
    assert (line["status"], line["attempt"]) == (202, 1)
    delivery = await server.delivery(request["X-Winnerr-Delivery"], "delivered")
    assert len(delivery["attempts"]) == 1
    assert len(receiver.requests) == 1


@usually_sqlite
@pytest.mark.thorough
async def test_after_sleep_it_gets_what_came_meanwhile_and_holds_nobody_up(
    make_server, receiver, receivers, listen
) -> None:
    server, other = await make_server(), await receivers()
    await server.webhook(other.url)
    listening = await listen(server, receiver.url)
    listening.send(signal.SIGSTOP)
    for _ in range(20):
        await server.emit()
    await other.wait_for(20)  # while eight are offered to the one that sleeps
    await connected(server, 0)  # it was given up
    listening.send(signal.SIGCONT)
    await listening.until("delivery", 20)
    assert len(receiver.requests) == 20
    assert len({request["X-Winnerr-Delivery"] for request in receiver.requests}) == 20
    health = (await server.ok("GET", "~/webhooks"))["items"]
    assert [one["status"] for one in health] == ["active"]


@one_database
@pytest.mark.thorough
async def test_it_notices_a_network_that_is_gone_without_a_word_and_comes_back(
    make_server, receiver, listen
) -> None:
    server = await make_server()
    network = await Proxy(server.port).start()
    try:
        listening = await listen(
            server, receiver.url, PUBLIC_URL=f"http://127.0.0.1:{network.port}"
        )
        network.freeze()
        await server.emit()
        (lost, *_) = await listening.until("lost")
        assert "silent" in lost["reason"] or "No answer" in lost["reason"]
        network.hang_up()
        network.thaw()
        await listening.until("delivery")
        await server.emit()
        await listening.until("delivery", 2)
        assert len(receiver.requests) == 2
    finally:
        await network.stop()


@one_database
@pytest.mark.thorough
async def test_it_waits_for_a_receiver_that_is_being_restarted(
    make_server, receiver, listen
) -> None:
    server = await make_server()
    listening = await listen(server, receiver.url)
    await receiver.stop()
    await server.emit()
    await asyncio.wait_for(refusals(receiver), PATIENCE)
    await receiver.start()
    (line,) = await listening.until("delivery")
    assert line["status"] == 200
    assert len(receiver.requests) == 1


async def refusals(receiver: Receiver) -> None:
    """Return once the receiver's port is free to listen on, as after its process has ended."""
    while True:
        with suppress(OSError):
            probe = await asyncio.start_server(lambda *_: None, "127.0.0.1", receiver.port)
            probe.close()
            await probe.wait_closed()
            return
        await asyncio.sleep(0.01)


@one_database
@pytest.mark.thorough
async def test_a_receiver_that_stays_down_is_a_failure_to_replay(
    make_server, receiver, listen
) -> None:
    server = await make_server()
    listening = await listen(server, receiver.url)
    await receiver.stop()
    await server.emit()
    (line,) = await listening.until("delivery")
    assert (line["status"], line["error"]["kind"]) == (None, "connect")
    delivery = await server.delivery(line["deliveryId"], "failed")
    assert delivery["attempts"][0]["error"]["kind"] == "connect"
    await receiver.start()
    await server.ok("POST", f"~/deliveries/{line['deliveryId']}/replay")
    await listening.until("delivery", 2)
    await server.delivery(line["deliveryId"], "delivered")


# --- the end, and refusals ---


@one_database
async def test_a_revoked_key_ends_it_with_a_sentence(make_server, receiver, listen) -> None:
    server = await make_server()
    listening = await listen(server, receiver.url)
    _, listed, _ = await server.command("keys", "list")
    key_id = listed.splitlines()[1].split()[0]
    await server.command("keys", "revoke", key_id)
    code, errors = await listening.ended()
    assert code == 77
    assert errors == "winnerr-webhooks: The API key was revoked.\n"


REFUSED = [
    (["--forward-to", "http://192.0.2.1/"], 2, "--allow-external"),
    (["--forward-to", "http://2130706433/"], 2, "decimal"),
    (["--forward-to", "localhost:3000"], 2, "URL"),
    (["--forward-to", "http://localhost/", "--events", ","], 2, "--events"),
    (["--forward-to", "http://localhost/", "--events", "deal.made"], 1, "deal.made"),
    (["--forward-to", "http://localhost/", "--webhook", "wh_1"], 1, "no webhook"),
    (["--forward-to", "http://localhost/", "--key", "wwk_wrong"], 77, "does not work"),
]


@one_database
async def test_what_cannot_work_is_refused_at_once(make_server, subtests) -> None:
    server = await make_server()
    server.settings["API_KEY"] = server.key
    server.settings["PUBLIC_URL"] = f"http://127.0.0.1:{server.port}"
    for words, code, says in REFUSED:
        with subtests.test(words=words):
            done = await server.command("listen", "--organization", "org_1", *words)
            assert (done[0], done[1]) == (code, "")
            assert says in done[2]
            assert len(done[2].splitlines()) == 1


@usually_sqlite
async def test_a_stream_is_not_open_to_others_and_answers_are_checked(
    make_server, receiver, listen
) -> None:
    server = await make_server()
    await listen(server, receiver.url)
    opened = await server.ok(
        "POST", "/api/v1/listeners", {"forwardTo": receiver.url, "organizationId": "org_1"}
    )
    path = f"~/listeners/{opened['id']}"
    other = await server.new_key("org_2")
    assert (await server.call("GET", f"{path}/stream?forwardTo=http://x/", key=other))[0] == 404
    assert (await server.call("GET", f"{path}/stream"))[0] == 422
    report = {"stream": "lst_1", "deliveryId": "dlv_1", "durationMs": 1.0, "status": 200}
    assert (await server.call("POST", f"{path}/answers", report))[0] == 421
    for wrong in (
        {"status": None},
        {"status": 99},
        {"durationMs": -1},
        {"failure": {"kind": "status", "message": "", "phase": "send"}},
        {"responseBody": "A" * 32 * 1024},
    ):
        assert (await server.call("POST", f"{path}/answers", report | wrong))[0] == 422
    hook = await server.webhook(receiver.url)
    stream = f"~/listeners/{hook['id']}/stream?forwardTo=http://x/"
    assert (await server.call("GET", stream))[0] == 404


# --- several nodes ---


@one_database
@pytest.mark.thorough
async def test_two_nodes_serve_one_listener_and_answers_find_the_stream(
    make_server, postgres_url, receiver, listen
) -> None:
    """Connections alternate between the nodes, so the first call goes to the wrong one."""
    shared = {"DATABASE_URL": postgres_url, "ENCRYPTION_KEYS": KEYS}
    nodes = [await make_server(**shared, ROLE=role) for role in ("all", "api", "deliver")]
    turns = 0

    async def alternate(reader, writer) -> None:
        nonlocal turns
        turns += 1
        port = nodes[turns % 2].port
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)

        async def pass_on(source, sink) -> None:
            with suppress(ConnectionError):
                while data := await source.read(1 << 16):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pass_on(reader, other_writer), pass_on(other_reader, writer))

    balancer = await asyncio.start_server(alternate, "127.0.0.1", 0)
    port = balancer.sockets[0].getsockname()[1]
    listening = await listen(nodes[0], receiver.url, PUBLIC_URL=f"http://127.0.0.1:{port}")
    for node in (nodes[0], nodes[1]) * 10:
        await node.emit()
    lines = await listening.until("delivery", 20)
    assert {line["status"] for line in lines} == {200}
    assert len({line["deliveryId"] for line in lines}) == len(receiver.requests) == 20
    balancer.close()
