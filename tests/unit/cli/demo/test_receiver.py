"""The demo's receiver verifies signatures as documented, and fails only as planned."""

import asyncio
import base64
import hashlib
import hmac
import http.client
from collections.abc import AsyncIterator

import pytest

from winnerr_webhooks.cli.demo.planned_failures import ATTEMPTS, behaviour
from winnerr_webhooks.cli.demo.receiver import Arrival, Receiver, verify

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = b'{"event":"contact.created","data":{}}'
NOW = 1_736_950_980


class StoppedClock:
    def now_ms(self) -> int:
        return NOW * 1000

    def monotonic(self) -> float:
        return 0.0


def signed(body: bytes = BODY, secret: str = SECRET, at: int = NOW, **more: str) -> dict[str, str]:
    key = base64.b64decode(secret[6:])
    digest = hmac.new(key, f"evt_1.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "x-winnerr-event": "contact.created",
        "x-winnerr-delivery": "dlv_1",
        "x-winnerr-attempt": "1",
        "x-winnerr-signature": "sha256="
        + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "webhook-id": "evt_1",
        "webhook-timestamp": str(at),
        "webhook-signature": "v1,b2xk v1," + base64.b64encode(digest).decode(),
    } | {name.replace("_", "-"): value for name, value in more.items()}


def test_both_signatures_together_are_accepted():
    assert verify(SECRET, signed(), BODY, NOW)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (signed(), BODY + b" "),
        (signed(x_winnerr_signature=""), BODY),
        (signed(x_winnerr_signature="sha256=é"), BODY),
        (signed(webhook_signature=""), BODY),
        (signed(webhook_signature="v1,é"), BODY),
        (signed(webhook_id="evt_2"), BODY),
        (signed(webhook_timestamp="then"), BODY),
        (signed(at=NOW - 301), BODY),
        (signed(secret="whsec_" + base64.b64encode(bytes(32)).decode()), BODY),
    ],
)
def test_one_wrong_thing_about_either_signature_refuses_the_request(headers, body):
    assert not verify(SECRET, headers, body, NOW)


class Running:
    """A receiver on a port, called from a thread with a plain HTTP client."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.receiver = Receiver(StoppedClock(), self.arrivals.append)
        self.receiver.secrets["crm-mirror"] = SECRET

    def post(self, path: str, *requests: dict[str, str]) -> list[int]:
        """Send all requests over one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.receiver.port, timeout=60)
        statuses = []
        for headers in requests:
            connection.request("POST", path, BODY, headers)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()
        return statuses


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    one = Running()
    await one.receiver.start()
    yield one
    await one.receiver.stop()


def delivery(receiver: str, *statuses: int) -> str:
    """Find a delivery whose attempts this receiver answers with these statuses."""
    for number in range(1000):
        name = f"dlv_{number}"
        answers = [behaviour(receiver, name, n + 1).status for n in range(len(statuses))]
        if answers == list(statuses):
            return name
    raise AssertionError(statuses)


async def test_a_repeated_delivery_is_recognized_as_a_duplicate(running):
    first = signed(x_winnerr_delivery=delivery("crm-mirror", 200))
    assert await asyncio.to_thread(running.post, "/crm-mirror", first, first) == [200, 200]
    assert [arrival.duplicate for arrival in running.arrivals] == [False, True]
    assert all(arrival.verified for arrival in running.arrivals)


async def test_a_planned_failure_ends_after_two_attempts(running):
    name = delivery("crm-mirror", 500, 500, 200)
    requests = [signed(x_winnerr_delivery=name, x_winnerr_attempt=str(n)) for n in (1, 2, 3)]
    assert await asyncio.to_thread(running.post, "/crm-mirror", *requests) == [500, 500, 200]
    assert [bool(arrival.behaviour.why) for arrival in running.arrivals] == [True, True, False]
    assert not any(arrival.duplicate for arrival in running.arrivals)


async def test_a_forged_request_gets_401_and_an_unknown_path_404(running):
    assert await asyncio.to_thread(running.post, "/crm-mirror", signed(webhook_id="evt_9")) == [401]
    assert await asyncio.to_thread(running.post, "/elsewhere", signed()) == [404]
    assert [arrival.verified for arrival in running.arrivals] == [False]


async def test_a_client_that_does_not_speak_http_is_disconnected(running):
    reader, writer = await asyncio.open_connection("127.0.0.1", running.receiver.port)
    writer.write(b"hello\r\n\r\n")
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()


def test_some_deliveries_fail_until_they_are_replayed():
    name = delivery("team-chat", *[500] * ATTEMPTS)
    assert behaviour("team-chat", name, ATTEMPTS + 1).status == 200


def test_most_deliveries_of_every_receiver_are_answered_at_once():
    for receiver in ("crm-mirror", "team-chat", "warehouse"):
        odd = sum(bool(behaviour(receiver, f"dlv_{n}", 1).why) for n in range(2000))
        assert 20 < odd < 400
