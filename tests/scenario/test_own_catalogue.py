"""A catalogue of the product's own: read at the start, and again on SIGHUP."""

import asyncio
import json
import re
import signal
from pathlib import Path

import pytest
from tests.server import PAUSE
from tests.thorough import usually_sqlite

pytestmark = pytest.mark.asyncio(loop_scope="session")
GUIDE = Path(__file__).parents[2] / "docs/how-to/your-own-events.md"


def event(name: str, **more) -> dict:
    return {"name": name, "description": "It happened.", "example": {"id": "x"}, **more}


def write(path, *events: dict) -> None:
    path.write_text(json.dumps({"categories": [{"name": "Orders", "events": list(events)}]}))


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "events.json"
    write(path, event("order.paid"), event("order.sent"))
    return path


async def names(server) -> list[str]:
    catalog = await server.ok("GET", "/api/v1/event-types")
    return [one["name"] for category in catalog["items"] for one in category["events"]]


async def logged(server, text: str) -> dict:
    async with asyncio.timeout(30):
        while not (found := [line for line in server.log if text in line]):
            await asyncio.sleep(PAUSE)
    return json.loads(found[-1])


async def hang_up(server, text: str) -> dict:
    server.log.clear()
    server.process.send_signal(signal.SIGHUP)
    return await logged(server, text)


@usually_sqlite
async def test_only_events_of_the_file_are_accepted(make_server, receiver, catalogue):
    server = await make_server(EVENT_CATALOG=str(catalogue))
    assert await names(server) == ["order.paid", "order.sent"]
    hook = await server.webhook(receiver.url, events=["order.*"])
    await server.emit("order.paid")
    (got,) = await receiver.wait_for(1)
    assert got["X-Winnerr-Event"] == "order.paid"
    status, problem = await server.call("POST", "/api/v1/events", {
        "event": "contact.created", "organizationId": server.organization, "data": {},
    })  # fmt: skip
    assert (status, problem["errors"][0]["pointer"]) == (422, "/event")
    await server.ok("POST", f"~/webhooks/{hook['id']}/test", {})
    test = (await receiver.wait_for(2))[1]
    assert json.loads(test.body)["data"] == {"id": "x"}


@usually_sqlite
async def test_emit_sends_the_example_of_the_file(make_server, receiver, catalogue):
    server = await make_server(EVENT_CATALOG=str(catalogue))
    await server.webhook(receiver.url)
    server.settings["API_KEY"] = server.key
    words = ("--organization", server.organization, "--example")
    code, _, err = await server.command("emit", "order.sent", *words)
    assert (code, err) == (0, "")
    (got,) = await receiver.wait_for(1)
    assert json.loads(got.body)["data"] == {"id": "x"}
    code, out, err = await server.command("emit", "contact.created", *words)
    assert (code, out) == (2, "")
    assert "contact.created" in err


@pytest.mark.parametrize("adapter", ["sqlite"], scope="session")
async def test_the_catalogue_of_the_guide_is_one(make_server, catalogue):
    text = GUIDE.read_text("utf-8")
    variable = re.search(r"export WINNERR_WEBHOOKS_(\w+)=\S+\n", text)[1]
    catalogue.write_text(re.search("## The file" + r".*?```yaml\n(.*?)```", text, re.DOTALL)[1])
    server = await make_server(**{variable: str(catalogue)})
    assert await names(server) == ["order.paid", "order.lost"]


@usually_sqlite
async def test_an_event_type_that_left_is_refused_and_what_was_accepted_arrives(
    make_server, receiver, catalogue, answer
):
    server = await make_server(EVENT_CATALOG=str(catalogue))
    receiver.answer = lambda _request: answer(503)
    hook = await server.webhook(receiver.url, events=["order.paid", "order.sent"])
    assert hook["removedEvents"] == []
    await server.emit("order.paid")
    await receiver.wait_for(1)
    write(catalogue, event("order.sent"), event("order.returned"))
    line = await hang_up(server, "event catalogue read again")
    assert (line["added"], line["left"]) == (["order.returned"], ["order.paid"])

    status, problem = await server.call("POST", "/api/v1/events", {
        "event": "order.paid", "organizationId": server.organization, "data": {},
    })  # fmt: skip
    assert status == 422
    assert "was removed from the catalogue" in problem["errors"][0]["message"]
    receiver.answer = lambda _request: answer(200)
    await server.until("~/deliveries?status=delivered", lambda page: page["items"])
    found = await server.ok("GET", "~/logs?event=order.paid")
    assert found["items"]

    path = f"~/webhooks/{hook['id']}"
    kept = await server.ok("GET", path)
    assert (kept["events"], kept["removedEvents"]) == (["order.paid", "order.sent"], ["order.paid"])
    wanted = ["order.returned", "order.paid"]
    changed = await server.ok("PATCH", path, {"events": wanted})
    assert (changed["events"], changed["removedEvents"]) == (wanted, ["order.paid"])
    status, problem = await server.call(
        "POST", "~/webhooks", {"url": receiver.url, "events": ["order.paid"]}
    )
    assert (status, problem["errors"][0]["pointer"]) == (422, "/events/0")
    await server.ok("PATCH", path, {"events": ["order.returned"]})
    assert (await server.ok("GET", path))["removedEvents"] == []


@usually_sqlite
async def test_no_call_is_lost_while_the_file_is_read_again(make_server, receiver, catalogue):
    server = await make_server(EVENT_CATALOG=str(catalogue))
    await server.webhook(receiver.url)
    done = asyncio.Event()
    accepted = 0

    async def emit() -> None:
        nonlocal accepted
        while not done.is_set():
            await server.emit("order.paid")
            accepted += 1

    emitting = [asyncio.create_task(emit()) for _ in range(4)]
    for number in range(5):
        write(catalogue, event("order.paid"), event(f"order.{number}"))
        line = await hang_up(server, "event catalogue read again")
        assert line["added"] == [f"order.{number}"]
        async with asyncio.timeout(30):
            before = accepted
            while accepted < before + len(emitting):
                await names(server)
    done.set()
    await asyncio.gather(*emitting)
    await receiver.wait_for(accepted)


@usually_sqlite
async def test_a_mistake_changes_nothing_and_is_one_line_with_place_and_remedy(
    make_server, catalogue
):
    server = await make_server(EVENT_CATALOG=str(catalogue))
    catalogue.write_text(catalogue.read_text().replace("order.sent", "Order Sent"))
    line = await hang_up(server, "event catalogue has a mistake")
    assert (line["file"], line["line"]) == (str(catalogue), 1)
    assert line["place"] == "categories[0].events[1].name"
    assert "has to be 1 to 128 of a-z 0-9" in line["mistake"]
    catalogue.unlink()
    assert "cannot be read" in (await hang_up(server, "event catalogue has a mistake"))["mistake"]
    assert await names(server) == ["order.paid", "order.sent"]
    await server.emit("order.sent")


@pytest.mark.parametrize("adapter", ["sqlite"], scope="session")
async def test_a_wrong_file_stops_the_start_with_one_line(make_server, catalogue):
    catalogue.write_text("categories:\n- name: Orders\n  events: 7\n")
    with pytest.raises(RuntimeError) as caught:
        await make_server(EVENT_CATALOG=str(catalogue))
    (line,) = str(caught.value).removeprefix("serve ended: ").splitlines()
    assert f"WINNERR_WEBHOOKS_EVENT_CATALOG: {catalogue}:3: categories[0].events" in line


@pytest.mark.parametrize("adapter", ["postgres"], scope="session")
@pytest.mark.thorough
async def test_every_process_reads_the_file_again(make_server, catalogue):
    server = await make_server(EVENT_CATALOG=str(catalogue), PROCESSES="3")

    async def all_say(text: str) -> None:
        async with asyncio.timeout(60):
            while sum(text in line for line in server.log) < 3:
                await asyncio.sleep(PAUSE)

    await all_say("worker process is ready")
    write(catalogue, event("order.returned"))
    server.process.send_signal(signal.SIGHUP)
    await all_say("event catalogue read again")
    for _ in range(30):
        assert await names(server) == ["order.returned"]
    assert await server.terminate() == 0


@pytest.mark.parametrize("adapter", ["postgres"], scope="session")
async def test_a_node_that_only_delivers_reads_it_again_too(make_server, catalogue):
    node = await make_server(EVENT_CATALOG=str(catalogue), ROLE="deliver")
    write(catalogue, event("order.returned"))
    node.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(30):
        while not any("event catalogue read again" in line for line in node.log):
            async with node.session.get("/healthz") as response:
                assert response.status == 200
            await asyncio.sleep(PAUSE)
    assert await node.terminate() == 0


AMOUNT = {
    "type": "object",
    "required": ["id"],
    "properties": {"amount": {"type": "number", "minimum": 0}},
}
WRONG = {"id": "x", "amount": -1}
MESSAGE = "This value is less than the minimum of 0."


@usually_sqlite
async def test_wrong_data_is_refused_with_a_pointer_in_a_batch_as_well(make_server, catalogue):
    write(catalogue, event("order.paid", schema=AMOUNT), event("order.sent"))
    server = await make_server(EVENT_CATALOG=str(catalogue), VALIDATE_DATA="reject")
    good, bad = (
        {"event": "order.paid", "organizationId": server.organization, "data": data}
        for data in ({"id": "x", "amount": 0}, WRONG)
    )
    status, problem = await server.call("POST", "/api/v1/events", bad)
    assert (status, problem["detail"]) == (422, MESSAGE)
    assert problem["errors"] == [{"pointer": "/data/amount", "message": MESSAGE}]
    answer = await server.ok("POST", "/api/v1/events/batch", [good, bad, good])
    first, second, third = answer["results"]
    assert second["error"]["errors"] == problem["errors"]
    assert {"id", "duplicate", "deliveries"} == set(first) == set(third)
    await server.emit("order.sent", data=WRONG)


@usually_sqlite
async def test_wrong_data_is_accepted_counted_and_shown_on_the_event(
    make_server, receiver, catalogue
):
    write(catalogue, event("order.paid", schema=AMOUNT))
    server = await make_server(EVENT_CATALOG=str(catalogue), VALIDATE_DATA="warn")
    await server.webhook(receiver.url)
    accepted = await server.emit("order.paid", data=WRONG)
    await receiver.wait_for(1)
    shown = await server.ok("GET", f"~/events/{accepted['id']}")
    assert shown["dataErrors"] == [{"pointer": "/data/amount", "message": MESSAGE}]
    fine = await server.emit("order.paid")
    assert (await server.ok("GET", f"~/events/{fine['id']}"))["dataErrors"] == []
    async with server.session.get("/metrics") as response:
        assert "winnerr_webhooks_events_with_wrong_data_total 1.0" in await response.text()
