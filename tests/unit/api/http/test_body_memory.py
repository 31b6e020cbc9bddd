"""Bodies that are being received (api/request_body.py): how much of them is held, and of whom."""

import asyncio
import contextlib
import json
import socket
import tracemalloc

import pytest

from winnerr_webhooks.api import request_body
from winnerr_webhooks.api.http.client_connection import SMALL_READ
from winnerr_webhooks.budgets import Budgets, derive
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config

KIB = 1024
SINGLE, BATCH = "/api/v1/events", "/api/v1/events/batch"
REFUSED_AFTER = 0.3


@pytest.fixture(autouse=True)
def refusals(monkeypatch):
    """Refusals come after a shorter time than usual."""
    monkeypatch.setattr(request_body, "REFUSED_AFTER", REFUSED_AFTER)


@pytest.fixture
def server(sqlite_path, request):
    """An API with limits for the bodies it receives: of one organization, and of all together."""
    running = request.getfixturevalue("run")

    def start(*, limit, share):
        bounds = derive(Config(), 20_000)
        bound = bounds.receiving_bytes._replace(limit=limit, quota=share)
        budgets = Budgets(bounds._replace(receiving_bytes=bound), SystemClock())
        return running(sqlite_path, budgets=budgets)

    return start


def event(size, organization="org_1"):
    data = {"text": "x" * size}
    return {"event": "contact.created", "organizationId": organization, "data": data}


def request(key, path, value, method="POST"):
    body = json.dumps(value).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextlib.asynccontextmanager
async def line_to(api):
    reader, writer = await api.connect()
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(reader):
    """Status, Retry-After and detail of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    headers = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
    body = json.loads(await reader.readexactly(int(headers["content-length"])))
    return int(head.split()[1]), headers.get("retry-after"), body.get("detail")


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def connection_to(api):
    """A socket without buffers of its own, so that memory is the server's."""
    one = socket.socket()
    one.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(one, ("127.0.0.1", api.port))
        yield one
    finally:
        one.close()


async def send_all(one, data):
    with contextlib.suppress(ConnectionError):
        await asyncio.get_running_loop().sock_sendall(one, data)


async def status_of(one):
    return int((await asyncio.get_running_loop().sock_recv(one, 4096)).split()[1])


@contextlib.asynccontextmanager
async def stalled(api, sent, count=1):
    """Uploads that lack their last byte, each as far as the server reads it."""
    budget = api.services.budgets.receiving_bytes
    async with contextlib.AsyncExitStack() as stack:
        opened = []
        for _ in range(count):
            before = budget.in_use, budget.refused
            opened.append(await stack.enter_async_context(line_to(api)))
            opened[-1][1].write(sent[:-1])
            await until(lambda before=before: (budget.in_use, budget.refused) != before)
        await until(lambda: budget.refused or budget.in_use >= count * len(sent) * 0.9)
        yield opened


async def is_known(api, key):
    """Let the server know a key, for the fast path."""
    async with line_to(api) as (reader, writer):
        writer.write(request(key, SINGLE, event(1)))
        assert (await answer(reader))[0] == 202


async def test_stalled_batches_of_one_key_refuse_nobody_elses(server):
    async with server(limit=1_000 * KIB, share=300 * KIB) as api:
        own = (await api.keys.create("stalls", "org_1")).secret
        other = (await api.keys.create("works", "org_2")).secret
        budget = api.services.budgets.receiving_bytes
        batch = [event(100 * KIB) for _ in range(2)]
        async with stalled(api, request(own, BATCH, batch), 8) as (*_, (refused, _)):
            assert budget.held_by("org_1") <= 300 * KIB
            status, retry_after, detail = await answer(refused)
            assert (status, retry_after) == (503, "5")
            assert "This key" in detail
            assert "too many bodies in flight" in detail
            async with line_to(api) as (reader, writer):
                writer.write(request(other, BATCH, [event(100 * KIB, "org_2")] * 2))
                assert (await answer(reader))[0] == 202
        await until(lambda: not budget.in_use)


async def test_beyond_all_bytes_everybody_is_asked_to_come_again(server):
    async with server(limit=150 * KIB, share=0) as api:
        sent = request(api.key, BATCH, [event(100 * KIB)])
        async with stalled(api, sent), line_to(api) as (reader, writer):
            writer.write(sent)
            status, retry_after, detail = await answer(reader)
            assert (status, retry_after) == (503, "5")
            assert detail.startswith("Too many bodies are being received at once.")


@pytest.mark.parametrize("size", [20, 200], ids=["the fast path", "ASGI"])
async def test_stalled_single_events_are_counted_and_refused(server, size):
    async with server(limit=1_000 * KIB, share=300 * KIB) as api:
        budget = api.services.budgets.receiving_bytes
        await is_known(api, api.key)
        sent = request(api.key, SINGLE, event(size * KIB))
        async with stalled(api, sent, 300 // size + 1) as lines:
            reader, writer = lines[-1]
            assert (await answer(reader))[:2] == (503, "5")
            assert budget.in_use <= 300 * KIB
            # The rest of the refused body is dropped, and the connection goes on.
            writer.write(sent[-1:] + request(api.key, SINGLE, event(1)))
            assert (await answer(reader))[0] == 202
            # A body that comes whole is not held up by those that do not.
            async with line_to(api) as (other_reader, other):
                other.write(request(api.key, SINGLE, event(1)))
                assert (await answer(other_reader))[0] == 202
            # The first ones end well.
            lines[0][1].write(sent[-1:])
            assert (await answer(lines[0][0]))[0] == 202
        await until(lambda: not budget.in_use)


@pytest.mark.parametrize(("path", "size"), [(SINGLE, 20), (SINGLE, 200), (BATCH, 7_000)])
async def test_a_body_without_room_is_refused_after_a_while_and_not_read_until_then(
    server, path, size
):
    """A caller that comes again at once gets little of the machine by it."""
    async with server(limit=10 * KIB, share=0) as api, line_to(api) as (_, writer):
        await is_known(api, api.key)
        budget = api.services.budgets.receiving_bytes
        value = event(size * KIB) if path == SINGLE else [event(size * KIB // 100)] * 100
        sent = request(api.key, path, value)
        loop = asyncio.get_running_loop()
        async with line_to(api) as (reader, refused):
            began = loop.time()
            refused.write(sent[:-1])
            await until(lambda: budget.refused)
            assert budget.in_use == 0
            (connection,) = [
                one
                for one in api.connections
                if one.transport.get_extra_info("peername") == refused.get_extra_info("sockname")
            ]
            await until(lambda: not connection.transport.is_reading())
            assert (await answer(reader))[:2] == (503, "5")
            assert loop.time() - began >= REFUSED_AFTER / 2
        # One that leaves meanwhile leaves nothing behind.
        writer.write(sent[:-1])
        await until(lambda: budget.refused == 2)
        writer.transport.abort()
        await until(lambda: not api.connections)


@pytest.mark.parametrize("size", [20, 200])
async def test_a_kept_connection_holds_no_body_that_is_answered(server, size):
    async with server(limit=1_000 * KIB, share=300 * KIB) as api, line_to(api) as (reader, writer):
        sent = request(api.key, SINGLE, event(size * KIB))
        for pieces in ((sent,), (sent[:-10], sent[-10:])):
            for piece in pieces:
                writer.write(piece)
            assert (await answer(reader))[0] == 202
        (connection,) = [
            one
            for one in api.connections
            if one.transport.get_extra_info("peername") == writer.get_extra_info("sockname")
        ]
        assert connection.request is None
        assert not connection._received


@pytest.mark.parametrize("is_good", [True, False], ids=["good key", "bad key"])
async def test_while_a_key_is_looked_up_hardly_any_of_a_body_is_held(server, is_good, monkeypatch):
    """Afterwards, what is held is counted for the key's owner, or dropped."""
    count = 100
    async with server(limit=64_000 * KIB, share=2_000 * KIB) as api:
        budget = api.services.budgets.receiving_bytes
        may_answer = asyncio.Event()
        look_up = api.storage.key_by_hash

        async def slow_look_up(*arguments, **options):
            await may_answer.wait()
            return await look_up(*arguments, **options)

        monkeypatch.setattr(api.storage, "key_by_hash", slow_look_up)
        key = (await api.keys.create("new", "org_1")).secret
        sent = memoryview(request(key if is_good else "wwk_" + "A" * 43, SINGLE, event(200 * KIB)))
        async with contextlib.AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(connection_to(api)) for _ in range(count)]
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                sending = [asyncio.create_task(send_all(one, sent[:-1])) for one in opened]
                await until(lambda: sum(one._read_paused for one in api.connections) == count)
                held, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert held - before < count * (SMALL_READ + 16 * KIB)
            assert not budget.in_use
            may_answer.set()
            await asyncio.gather(*sending)
            if not is_good:
                assert [await status_of(one) for one in opened] == [401] * count
            else:
                await until(lambda: budget.refused > count // 2)
                assert budget.held_by("org_1") <= 2_000 * KIB
            await until(lambda: not any(one._received for one in api.connections))
        await until(lambda: not budget.in_use)


async def test_a_refused_key_leaves_nothing_of_its_body(api):
    """Whatever comes of it after the answer is dropped, and the connection goes on."""
    async with line_to(api) as (reader, writer):
        sent = request("wwk_" + "A" * 43, BATCH, [event(100 * KIB)] * 3)
        writer.write(sent[:-1])
        assert (await answer(reader))[0] == 401
        (connection,) = api.connections
        assert connection.request is None
        writer.write(sent[-1:] + request(api.key, SINGLE, event(1)))
        assert (await answer(reader))[0] == 202


async def test_other_bodies_count_too(server):
    async with server(limit=1_000 * KIB, share=30 * KIB) as api:
        budget = api.services.budgets.receiving_bytes
        path = "/api/v1/organizations/org_1/webhooks"
        webhook = {"url": "http://127.0.0.1:9/hook", "events": ["*"]}
        sent = request(api.key, path, webhook | {"description": "x" * 20 * KIB})
        async with stalled(api, sent), line_to(api) as (reader, writer):
            writer.write(sent[:-1])
            assert (await answer(reader))[0] == 503
        await until(lambda: not budget.in_use)


async def test_a_batch_is_read_in_slices_between_which_others_are_served(api):
    """While one is read, a single event that came after it begins is answered before it."""
    batch = [event(8 * KIB) for _ in range(900)]
    await is_known(api, api.key)
    turns = 0
    loop = asyncio.get_running_loop()
    reading = api.http_app.events._check_all

    async def watched(items, caller):
        nonlocal turns
        is_done = False

        def turn():
            nonlocal turns
            turns += 1
            if not is_done:
                loop.call_soon(turn)

        loop.call_soon(turn)
        try:
            return await reading(items, caller)
        finally:
            is_done = True

    api.http_app.events._check_all = watched
    async with line_to(api) as (reader, writer):
        writer.write(request(api.key, BATCH, batch))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202 ")
    assert turns >= 18
