"""The fast path of `POST /api/v1/events`, compared with the ASGI call."""

import asyncio
import json

import pytest

from winnerr_webhooks.storage.values import DeliveryFilter

GOOD = {"event": "contact.created", "organizationId": "org_1", "data": {"id": "c1"}}


def request(api, body, *lines, length=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (
        "POST /api/v1/events HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {api.key}",
        f"Content-Length: {len(raw) if length is None else length}",
        *lines,
    )
    return "\r\n".join((*head, "", "")).encode() + raw


async def answer(reader):
    """Status, headers but Date, and body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    status, *lines = head.strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert headers.pop("date").endswith("gmt")
    body = await reader.readexactly(int(headers["content-length"]))
    return status, headers, body


async def asgi_answer(api, body):
    """The answer over ASGI: a connection that asks to be closed does not take the fast path."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(request(api, body, "Connection: close"))
    status, headers, answered = await answer(reader)
    assert headers.pop("connection") == "close"
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    return status, headers, answered


async def stored(api):
    """How many deliveries there are: one an event."""
    return len((await api.storage.deliveries(DeliveryFilter(organization="org_1"))).items)


@pytest.fixture
async def line(api):
    """A connection whose server knows the key: from now on calls take the fast path."""
    await api.webhook()
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(request(api, GOOD))
    await answer(reader)
    yield reader, writer
    writer.close()
    await writer.wait_closed()


async def test_an_event_is_stored_once_whatever_becomes_of_its_connection(api, line):
    reader, writer = line
    before = await stored(api)
    for _ in range(3):
        writer.write(request(api, GOOD))
        assert (await answer(reader))[0] == "http/1.1 202 accepted"
    writer.close()
    await writer.wait_closed()
    assert await stored(api) == before + 3
    assert (await asgi_answer(api, GOOD))[0] == "http/1.1 202 accepted"
    assert await stored(api) == before + 4


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        b"{",
        b"\xff",
        GOOD | {"event": "contact.creatde"},
        GOOD | {"data": 3},
        GOOD | {"extra": 1},
        GOOD | {"organizationId": "no such"},
    ],
    ids=["good", "not JSON", "not UTF-8", "unknown event", "no object", "extra field", "bad id"],
)
async def test_both_paths_answer_alike(api, line, body):
    reader, writer = line
    writer.write(request(api, body))
    fast = await answer(reader)
    over_asgi = await asgi_answer(api, body)
    if fast[0].endswith("202 accepted"):
        assert json.loads(fast[2]).keys() == json.loads(over_asgi[2]).keys()
        assert fast[:2] == over_asgi[:2]
    else:
        assert fast == over_asgi


async def test_calls_sent_without_waiting_are_answered_in_order(api, line):
    reader, writer = line
    ids = [f"in-order-{number}" for number in range(5)]
    writer.write(b"".join(request(api, GOOD | {"id": one}) for one in ids))
    events = []
    for _ in ids:
        status, _, body = await answer(reader)
        assert status == "http/1.1 202 accepted"
        events.append(json.loads(body)["id"])
    assert events == sorted(set(events))
    writer.write(request(api, GOOD | {"id": ids[0]}))
    assert json.loads((await answer(reader))[2]) | {"deliveries": 1} == {
        "id": events[0],
        "duplicate": True,
        "deliveries": 1,
    }


async def test_a_body_in_pieces_and_one_that_breaks_off(api, line):
    reader, writer = line
    whole = request(api, GOOD)
    for piece in (whole[:30], whole[30:-20], whole[-20:-1]):
        writer.write(piece)
        await writer.drain()
    before = await stored(api)
    writer.write(whole[-1:])
    assert (await answer(reader))[0] == "http/1.1 202 accepted"
    assert await stored(api) == before + 1
    writer.write(whole[:-1])
    writer.close()
    await writer.wait_closed()
    await api.call("GET", "/api/v1/event-types")  # the server has seen the end by now
    assert await stored(api) == before + 1


async def test_a_body_too_long_for_it_takes_the_asgi_answer(api, line):
    reader, writer = line
    writer.write(request(api, GOOD | {"data": {"text": "x" * 100_000}}))
    assert (await answer(reader))[0] == "http/1.1 202 accepted"
    writer.write(request(api, GOOD | {"data": {"text": "x" * 300_000}}))
    assert (await answer(reader))[0].startswith("http/1.1 413")


async def test_white_space_after_a_header_is_not_part_of_it(api, line):
    """An Idempotency-Key stays the same, and `Expect` still gets a 100."""
    reader, writer = line
    ids = []
    for header in ("Idempotency-Key: crm-1", "Idempotency-Key: crm-1 \t"):
        writer.write(request(api, GOOD, header))
        ids.append(json.loads((await answer(reader))[2])["id"])
    assert ids[0] == ids[1]
    raw = request(api, GOOD, "Expect: 100-continue ")
    end = raw.index(b"\r\n\r\n") + 4
    writer.write(raw[:end])
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    writer.write(raw[end:])
    assert (await answer(reader))[0] == "http/1.1 202 accepted"


async def test_a_length_may_begin_with_any_number_of_zeros(api, line):
    reader, writer = line
    raw = json.dumps(GOOD).encode()
    writer.write(request(api, raw, length=f"{'0' * 5_000}{len(raw)}"))
    assert (await answer(reader))[0] == "http/1.1 202 accepted"
