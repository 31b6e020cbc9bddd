"""A call that begins like one before is taken without parsing it, and comes to the same."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.api.known import MAX_KNOWN, MOST_KNOWN, KnownHead, KnownHeads

START = b"POST /api/v1/events HTTP/1.1\r\n"
HEAD = START + b"Authorization: Bearer k\r\nContent-Length: 4\r\n\r\n"
CALL = HEAD + b"body"
KNOWN = KnownHead(b"Bearer k", 4)


def heads(*calls):
    known = KnownHeads(START)
    for call in calls:
        known.keep(call, KNOWN)
    return known


def test_a_head_that_was_kept_is_known_with_any_body_of_its_length():
    known = heads(CALL)
    assert known.find(CALL) == (KNOWN, b"body")
    assert known.find(HEAD + b"\r\n\r\n") == (KNOWN, b"\r\n\r\n")


@given(st.binary(max_size=8))
def test_only_a_whole_call_and_nothing_else_is_known(rest):
    found = heads(CALL).find(HEAD + rest)
    assert found == ((KNOWN, rest) if len(rest) == 4 else None)


@given(st.integers(0, len(CALL) - 1), st.integers(0, 255))
def test_a_head_with_another_byte_is_not_known(at, byte):
    other = CALL[:at] + bytes([byte]) + CALL[at + 1 :]
    found = heads(CALL).find(other)
    assert (found is not None) == (other[: len(HEAD)] == HEAD)


@pytest.mark.parametrize(
    "call",
    [
        b"\r\n" + CALL,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + CALL,
        CALL + CALL,
        CALL + b"!",
        CALL[:-1],
        CALL.replace(b"\r\nContent", b"\nContent"),
        CALL.replace(b"POST", b"PUT"),
        START + b"X: " + b"x" * MAX_KNOWN + b"\r\n\r\nbody",
        b"\r\n\r\n",
        b"",
    ],
)
def test_what_is_not_one_call_as_it_should_be_is_not_kept(call):
    assert heads(call).find(call) is None


def test_no_more_heads_are_kept_than_there_is_room_for():
    known = KnownHeads(START)
    calls = [START + b"N: %d\r\n\r\nbody" % number for number in range(MOST_KNOWN + 1)]
    for call in calls:
        known.keep(call, KNOWN)
    assert known.find(calls[0]) is None
    assert known.find(calls[-1]) == (KNOWN, b"body")


# On a server.


def call(api, *lines, data=None, key=None):
    body = json.dumps(
        {"event": "contact.created", "organizationId": "org_1", "data": data or {"id": "1"}}
    )
    head = (
        "POST /api/v1/events HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {key or api.key}",
        f"Content-Length: {len(body)}",
        *lines,
    )
    return "\r\n".join((*head, "", body)).encode()


async def answered(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


@pytest.fixture
async def line(api):
    """A connection whose server has seen the usual call twice: it knows key and head."""
    await api.webhook()
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    for _ in range(2):
        writer.write(call(api))
        assert (await answered(reader))[0] == 202
    yield reader, writer
    writer.close()
    await writer.wait_closed()


async def test_a_call_that_came_at_once_is_known_the_next_time(api, line):
    assert api.face.intake.begin_known(call(api)) is not None


async def test_each_known_call_stores_its_own_event(api, line):
    reader, writer = line
    ids = []
    for number in "234":
        writer.write(call(api, data={"id": number}))
        ids.append((await answered(reader))[1]["id"])
    stored = [await api.storage.event("org_1", one) for one in ids]
    assert [json.loads(event.body)["data"]["id"] for event in stored] == ["2", "3", "4"]


async def test_a_known_call_with_a_wrong_body_is_refused_and_the_next_one_is_taken(api, line):
    reader, writer = line
    wrong = call(api)[:-1] + b"]"
    writer.write(wrong)
    assert (await answered(reader))[0] == 400
    writer.write(call(api))
    assert (await answered(reader))[0] == 202


async def test_known_calls_in_a_row_are_all_answered_in_order(api, line):
    reader, writer = line
    writer.write(call(api) * 5)
    events = [(await answered(reader))[1]["id"] for _ in range(5)]
    assert events == sorted(set(events))


async def test_a_known_head_whose_key_was_revoked_is_refused(api):
    made = await api.keys.create("leaving")
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    for _ in range(3):
        writer.write(call(api, key=made.secret))
        assert (await answered(reader))[0] == 202
    await api.keys.revoke(made.key.id)
    api.services.clock.seconds += 5.1
    writer.write(call(api, key=made.secret))
    assert (await answered(reader))[0] == 401
    writer.close()
    await writer.wait_closed()


async def test_what_the_parser_refuses_is_not_known_the_next_time(api, line):
    """After a good call a bad one of the same length: it is no better when it comes again."""
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(call(api))
        assert (await answered(reader))[0] == 202
        writer.write(call(api, "Transfer-Encoding: chunked"))
        assert (await answered(reader))[0] == 400
        writer.close()
        await writer.wait_closed()
