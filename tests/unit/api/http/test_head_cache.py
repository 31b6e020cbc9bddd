"""Heads that are equal to earlier ones are not parsed again, and mean the same."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.api.http.head_cache import MAX_HEAD, MAX_HEADS, CachedHead, HeadCache

HEAD = b"POST /api/v1/events HTTP/1.1\r\nAuthorization: Bearer k\r\nContent-Length: 4\r\n\r\n"
CACHED = CachedHead(b"Bearer k", 4)


def cache_of(*heads):
    cache = HeadCache()
    for head in heads:
        cache.keep(head, CACHED)
    return cache


def test_a_kept_head_is_found_with_any_body_of_its_length():
    cache = cache_of(HEAD)
    assert cache.find(HEAD + b"body") == (CACHED, b"body")
    assert cache.find(HEAD + b"\r\n\r\n") == (CACHED, b"\r\n\r\n")


@given(st.binary(max_size=8))
def test_only_one_whole_request_and_nothing_else_is_found(rest):
    found = cache_of(HEAD).find(HEAD + rest)
    assert found == ((CACHED, rest) if len(rest) == 4 else None)


@given(st.integers(0, len(HEAD) - 1), st.integers(0, 255))
def test_a_head_with_another_byte_is_not_found(at, byte):
    other = HEAD[:at] + bytes([byte]) + HEAD[at + 1 :]
    found = cache_of(HEAD).find(other + b"body")
    assert (found is not None) == (other == HEAD)


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"\r\n" + HEAD + b"body", HEAD + HEAD + b"body"]
)
def test_anything_else_is_not_found(data):
    assert cache_of(HEAD).find(data) is None


def test_a_large_head_is_not_kept():
    head = HEAD.replace(b"k\r\n", b"k" * MAX_HEAD + b"\r\n")
    assert cache_of(head).find(head + b"body") is None


def test_the_cache_is_bounded():
    heads = [b"N: %d\r\n\r\n" % number for number in range(MAX_HEADS + 1)]
    cache = cache_of(*heads)
    assert cache.find(heads[0] + b"body") is None
    assert cache.find(heads[-1] + b"body") == (CACHED, b"body")


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
    """A connection whose server has seen the usual call twice: it has cached key and head."""
    await api.webhook()
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    for _ in range(2):
        writer.write(call(api))
        assert (await answered(reader))[0] == 202
    yield reader, writer
    writer.close()
    await writer.wait_closed()


async def test_a_head_that_came_at_once_is_cached(api, line):
    assert api.server.state.fast_path._heads.find(call(api)) is not None


async def test_each_cached_head_stores_its_own_event(api, line):
    reader, writer = line
    ids = []
    for number in "234":
        writer.write(call(api, data={"id": number}))
        ids.append((await answered(reader))[1]["id"])
    stored = [await api.storage.event("org_1", one) for one in ids]
    assert [json.loads(event.body)["data"]["id"] for event in stored] == ["2", "3", "4"]


async def test_a_cached_head_with_a_wrong_body_is_refused_and_the_next_one_is_taken(api, line):
    reader, writer = line
    wrong = call(api)[:-1] + b"]"
    writer.write(wrong)
    assert (await answered(reader))[0] == 400
    writer.write(call(api))
    assert (await answered(reader))[0] == 202


async def test_cached_heads_in_a_row_are_all_answered_in_order(api, line):
    reader, writer = line
    writer.write(call(api) * 5)
    events = [(await answered(reader))[1]["id"] for _ in range(5)]
    assert events == sorted(set(events))


async def test_a_cached_head_whose_key_was_revoked_is_refused(api):
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


async def test_what_the_parser_refuses_is_not_cached(api, line):
    """A bad call after a good one of the same length is refused each time."""
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(call(api))
        assert (await answered(reader))[0] == 202
        writer.write(call(api, "Transfer-Encoding: chunked"))
        assert (await answered(reader))[0] == 400
        writer.close()
        await writer.wait_closed()
