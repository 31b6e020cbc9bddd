"""CONTRACT, The request a receiver gets, and what its answers come to."""

import asyncio
import socket
import ssl
import struct
from collections import Counter
from contextlib import asynccontextmanager

import pytest
import trustme

import winnerr_webhooks

pytestmark = pytest.mark.asyncio(loop_scope="session")

KIB = 1024


class Scripted:
    """A receiver on the level of bytes: what it was sent, and exactly these bytes back."""

    def __init__(self, answer: bytes, *, reset: bool = False) -> None:
        self._answer = answer
        self._reset = reset
        self.heads: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            if self._reset:  # no lingering: the kernel sends RST
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            writer.write(self._answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def scripted(answer: bytes, *, reset: bool = False, tls: ssl.SSLContext | None = None):
    one = Scripted(answer, reset=reset)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    one.url = f"http{'s' if tls else ''}://127.0.0.1:{port}/hook?a=1&b=%20"
    yield one
    server.close()
    await server.wait_closed()


async def first_attempt(org):
    """The whole first attempt of the organization, once it is in the log."""
    page = await org.until("~/logs", lambda page: page["items"])
    return await org.ok("GET", f"~/logs/{page['items'][-1]['id']}")


async def test_the_request_has_the_promised_headers_each_once_and_no_other(server) -> None:
    async with scripted(b"HTTP/1.1 204 No Content\r\n\r\n") as receiver:
        hook = await server.webhook(receiver.url, secret="a secret of mine")
        event = await server.emit("deal.closed_won")
        attempt = await first_attempt(server)
    line, *headers = receiver.heads[0].decode().removesuffix("\r\n\r\n").split("\r\n")
    assert line == "POST /hook?a=1&b=%20 HTTP/1.1"
    names = Counter(header.partition(":")[0] for header in headers)
    assert set(names.values()) == {1}
    expected = {
        "Host", "Content-Type", "Content-Length", "User-Agent", "X-Winnerr-Event",
        "X-Winnerr-Delivery", "X-Winnerr-Webhook", "X-Winnerr-Attempt", "X-Winnerr-Signature",
        "webhook-id", "webhook-timestamp", "webhook-signature",
    }  # fmt: skip
    assert expected <= set(names) <= expected | {"Accept", "Accept-Encoding", "Connection"}
    sent = dict(header.split(": ", 1) for header in headers)
    assert sent["User-Agent"] == f"Winnerr-Webhooks/{winnerr_webhooks.__version__}"
    assert sent["X-Winnerr-Webhook"] == hook["id"]
    assert sent["webhook-id"] == event["id"]
    assert sent["webhook-timestamp"].isdigit()
    assert attempt["request"]["headers"] == sent
    assert attempt["outcome"] == "succeeded"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_a_success(server, receiver, answer, status) -> None:
    await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(status, body=b"")
    await server.emit()
    attempt = await first_attempt(server)
    assert (attempt["outcome"], attempt["error"]) == ("succeeded", None)
    assert attempt["response"]["status"] == status


@pytest.mark.parametrize("status", [300, 304, 307, 400, 401, 404, 410, 429, 500, 503, 599])
async def test_every_other_status_fails_the_attempt(server, receiver, answer, status) -> None:
    await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(status, {"Location": receiver.url}, body=b"")
    await server.emit()
    attempt = await first_attempt(server)
    assert attempt["outcome"] == "failed"
    assert attempt["error"]["kind"] == "status"
    assert attempt["error"]["hint"]


@pytest.mark.parametrize(
    "answer_bytes",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nonly",
    ],
)
async def test_a_body_that_breaks_off_after_a_2xx_is_a_success(server, answer_bytes) -> None:
    async with scripted(answer_bytes) as receiver:
        await server.webhook(receiver.url)
        await server.emit()
        attempt = await first_attempt(server)
    assert (attempt["outcome"], attempt["error"]) == ("succeeded", None)
    assert attempt["deliveryStatus"] == "delivered"
    assert attempt["response"]["body"].startswith("only")
    assert attempt["response"]["truncated"] is True


@pytest.mark.parametrize(
    "rest",
    [
        b"X: y\r\nX-Half",
        b"X: y\r\n" * 200 + b"\r\n",
        b"X: y\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        b"X: y\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"X : y\r\nContent-Length: 2\r\n\r\nok",
        b"X: y\nContent-Length: 2\n\nok",
        b"X: y\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
    ],
)
async def test_a_2xx_status_line_is_a_success_whatever_follows_it(server, rest) -> None:
    async with scripted(b"HTTP/1.1 200 OK\r\n" + rest) as receiver:
        await server.webhook(receiver.url)
        await server.emit()
        attempt = await first_attempt(server)
    assert (attempt["outcome"], attempt["error"]) == ("succeeded", None)
    assert attempt["deliveryStatus"] == "delivered"
    assert attempt["response"]["status"] == 200
    assert {key.lower(): value for key, value in attempt["response"]["headers"].items()}[
        "x"
    ].startswith("y")


async def test_the_first_16_kib_of_an_answer_are_kept(server, receiver, answer) -> None:
    await server.webhook(receiver.url)
    sizes = {"0": 16 * KIB, "1": 16 * KIB + 1}
    receiver.answer = lambda r: answer(body=b"x" * sizes[r.json["data"]["n"]])
    for n, truncated in (("0", False), ("1", True)):
        event = await server.emit(data={"n": n})
        page = await server.until("~/logs", lambda page, n=n: len(page["items"]) > int(n))
        item = next(i for i in page["items"] if i["eventId"] == event["id"])
        whole = await server.ok("GET", f"~/logs/{item['id']}")
        assert whole["response"]["truncated"] is truncated
        assert whole["response"]["body"] == "x" * 16 * KIB


async def test_what_came_back_is_shown_as_it_was(server) -> None:
    """Repeated headers are joined, what is no UTF-8 shows as U+FFFD."""
    answer = (
        b"HTTP/1.1 500 Oh\r\nX-Seen: a\r\nx-other: 1\r\nX-SEEN: b\r\nContent-Length: 5\r\n\r\n"
        b"a\xff\xc3\xa4b"
    )
    async with scripted(answer) as receiver:
        await server.webhook(receiver.url)
        await server.emit()
        attempt = await first_attempt(server)
    response = attempt["response"]
    assert response["headers"] == {"X-Seen": "a, b", "x-other": "1", "Content-Length": "5"}
    assert response["body"] == "a\ufffdäb"
    assert attempt["error"]["message"] == "500 Oh"


async def test_a_receiver_that_does_not_answer_in_time_is_a_timeout(
    server, receiver, answer
) -> None:
    await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(hang=True)
    await server.emit()
    attempt = await first_attempt(server)
    assert (attempt["outcome"], attempt["response"]) == ("failed", None)
    assert attempt["error"]["kind"] == "timeout"
    assert "within 2 seconds" in attempt["error"]["hint"]
    assert attempt["durationMs"] >= 1900
    assert attempt["timings"]["firstByteMs"] is None


async def test_a_closed_port_is_a_connect_failure(server, receiver) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        await server.webhook(f"http://127.0.0.1:{unused.getsockname()[1]}/")
        await server.emit()
        attempt = await first_attempt(server)
    assert (attempt["error"]["kind"], attempt["response"]) == ("connect", None)
    assert attempt["timings"]["firstByteMs"] is None


async def test_an_unknown_host_is_a_dns_failure(server) -> None:
    await server.webhook("https://receiver.invalid/hook")
    await server.emit()
    attempt = await first_attempt(server)
    assert (attempt["error"]["kind"], attempt["response"]) == ("dns", None)
    assert "receiver.invalid" in attempt["error"]["hint"]
    assert attempt["timings"]["connectMs"] is None


async def test_a_certificate_nobody_vouches_for_is_a_tls_failure(server) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with scripted(b"HTTP/1.1 200 OK\r\n\r\n", tls=context) as receiver:
        await server.webhook(receiver.url)
        await server.emit()
        attempt = await first_attempt(server)
    assert (attempt["error"]["kind"], attempt["response"]) == ("tls", None)
    assert "certificate" in attempt["error"]["hint"].lower()
    assert receiver.heads == []


@pytest.mark.parametrize(
    ("answer_bytes", "reset", "kind"),
    [
        (b"", True, "reset"),
        (b"", False, "reset"),
        (b"HTTP/1.1 200 O", False, "reset"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", False, "protocol"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", False, "protocol"),
    ],
)
async def test_no_usable_answer_is_a_reset_or_a_protocol_error(
    server, answer_bytes, reset, kind
) -> None:
    async with scripted(answer_bytes, reset=reset) as receiver:
        await server.webhook(receiver.url)
        await server.emit()
        attempt = await first_attempt(server)
    assert (attempt["error"]["kind"], attempt["response"]) == (kind, None)
    assert attempt["error"]["message"]
    assert attempt["error"]["hint"]


async def test_bodies_are_utf_8_to_the_byte(server, receiver) -> None:
    await server.webhook(receiver.url)
    raw = (
        '{"data":{"z":1,"a":"é\\u00e9\\n","n":[1.0,-0,1e2]},"event":"call.missed",'
        f'"organizationId":"{server.organization}","timestamp":"2025-06-01T00:00:00+02:00"}}'
    ).encode()
    await server.ok("POST", "/api/v1/events", raw)
    (got,) = await receiver.wait_for(1)
    assert (
        got.body
        == (
            '{"event":"call.missed","timestamp":"2025-05-31T22:00:00Z",'
            f'"organizationId":"{server.organization}",'
            '"data":{"z":1,"a":"é\\u00e9\\n","n":[1.0,-0,1e2]}}'
        ).encode()
    )
    assert "transfer-encoding" not in got.headers


async def test_an_answer_of_410_stops_retries_and_resuming_starts_anew(
    server, receiver, answer
) -> None:
    hook = await server.webhook(receiver.url)
    receiver.answer = lambda _request: answer(410)
    await server.emit()
    gone = await server.until(f"~/webhooks/{hook['id']}", lambda w: w["status"] == "disabled")
    assert "410" in gone["statusReason"]
    await server.until("~/deliveries?status=pending", lambda page: not page["items"])
    page = await server.ok("GET", "~/deliveries")
    assert page["items"][0]["status"] in ("cancelled", "failed")
    assert len(receiver.requests) == 1
    status, problem = await server.call("POST", f"~/deliveries/{page['items'][0]['id']}/replay")
    assert status == 409
    assert "disabled" in problem["detail"]
    receiver.answer = lambda _request: answer()
    back = await server.ok("PATCH", f"~/webhooks/{hook['id']}", {"status": "active"})
    assert (back["status"], back["statusReason"]) == ("active", None)
    assert await server.ok("POST", "~/replays", {}) == {"count": 1, "dryRun": False}
    await server.until("~/deliveries?status=delivered", lambda page: len(page["items"]) == 1)
