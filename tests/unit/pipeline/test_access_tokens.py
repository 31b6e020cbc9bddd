"""Access tokens, from a real token endpoint to a real receiver over the real egress."""

import asyncio
import re
from ipaddress import ip_network

import pytest
from tests.receiver import Answer, Receiver
from tests.token_server import TokenServer, json_answer

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.credentials import Credentials, OAuth2Auth
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.webhook import ACTIVE, Target
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.client import EgressClient
from winnerr_webhooks.egress.resolver import DnsResolver
from winnerr_webhooks.pipeline import access_tokens as module
from winnerr_webhooks.pipeline.access_tokens import RENEWAL_PAUSE, AccessTokens
from winnerr_webhooks.pipeline.request_template import RequestTemplate
from winnerr_webhooks.quotas import Bound, Budget

BRANDING = Config().branding
TIMEOUT = 5.0


class LateClock(SystemClock):
    """A clock whose monotonic time can be set forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class Bench:
    """A token server, a receiver that it guards, and a node's tokens."""

    def __init__(self, resolver: DnsResolver) -> None:
        self.server, self.receiver = TokenServer(), Receiver()
        self.server.guard(self.receiver)
        self.clock = LateClock()
        bound = Bound("kept_connections", 64, "connections", "test", "egress.pool", "")
        self.egress = EgressClient(
            policy=AddressPolicy(allow=(ip_network("127.0.0.1/32"),), allow_http=True),
            resolver=resolver,
            clock=SystemClock(),
            timeout=TIMEOUT,
            kept=Budget(bound, SystemClock()),
        )
        self.tokens = AccessTokens(
            self.egress, timeout=TIMEOUT, branding=BRANDING, clock=self.clock
        )
        self.logged: list[bytes] = []

    async def post(self, auth: OAuth2Auth | None = None, webhook: str = "wh_1", **fields):
        """Make one attempt; returns its exchange."""
        auth = auth or self.auth()
        target = Target(
            webhook_id=webhook,
            organization="org_1",
            version=1,
            url=self.receiver.url + "?a=100%25",
            status=ACTIVE,
            secret=None,
            credentials=Credentials({"X-Tenant": "t3nant"}, auth),
            **fields,
        )
        template = RequestTemplate(target, BRANDING)
        delivery = LeasedDelivery(
            id="dlv_1",
            event_id="evt_1",
            event="contact.created",
            organization="org_1",
            webhook_id=webhook,
            webhook_version=1,
            body=b"{}",
            trigger="automatic",
            attempt=1,
        )
        head = template.head(delivery, 0)
        self.logged.append(template.logged_head(head))
        return await self.tokens.post(template, auth, head, b"{}")

    def auth(self, **fields) -> OAuth2Auth:
        client_id, secret = self.server.client
        values = {"token_url": self.server.url, "client_id": client_id, "client_secret": secret}
        return OAuth2Auth(**(values | fields))


@pytest.fixture
async def bench():
    resolver = DnsResolver(clock=SystemClock())
    made = Bench(resolver)
    await made.server.start()
    await made.receiver.start()
    yield made
    await made.tokens.close()
    await made.egress.close()
    await resolver.close()
    await made.server.stop()
    await made.receiver.stop()


async def test_a_token_is_asked_for_once_and_sent_until_shortly_before_it_expires(bench):
    bench.server.fields = {"token_type": "bearer", "expires_in": 100}
    assert (await bench.post(bench.auth(scope="a b"))).status == 200
    bench.clock.ahead = 85
    assert (await bench.post(bench.auth(scope="a b"))).status == 200
    assert bench.server.issued == 1
    bench.clock.ahead = 95
    assert (await bench.post(bench.auth(scope="a b"))).status == 200
    assert bench.server.issued == 2
    assert [request["Authorization"] for request in bench.receiver.requests] == [
        "Bearer t0ken-1",
        "Bearer t0ken-1",
        "Bearer t0ken-2",
    ]
    assert bench.receiver.requests[0]["X-Tenant"] == "t3nant"
    assert bench.receiver.requests[0].path == "/hook?a=100%25"
    assert b"scope=a+b" in bench.server.requests[0].body


async def test_the_log_has_the_header_and_not_the_token(bench):
    await bench.post()
    head = bench.logged[0].decode()
    assert "\r\nAuthorization: Bearer •••\r\n" in head
    assert "X-Tenant: •••" in head
    assert head.count("Authorization") == 1
    assert "t0ken" not in head


async def test_many_attempts_at_once_ask_for_one_token(bench):
    bench.server.gate = asyncio.Event()
    attempts = [asyncio.create_task(bench.post()) for _ in range(20)]
    await bench.server.wait_for(1)
    bench.server.gate.set()
    assert {exchange.status for exchange in await asyncio.gather(*attempts)} == {200}
    assert len(bench.server.requests) == 1


async def test_each_webhook_and_each_client_has_a_token_of_its_own(bench):
    await bench.post(webhook="wh_1")
    await bench.post(webhook="wh_2")
    await bench.post(bench.auth(scope="other"), webhook="wh_1")
    assert bench.server.issued == 3


async def test_a_revoked_token_is_replaced_once_in_the_same_attempt(bench):
    await bench.post()
    bench.server.revoke_all()
    results = await asyncio.gather(*(bench.post() for _ in range(10)))
    assert {exchange.status for exchange in results} == {200}
    assert bench.server.issued == 2
    bench.server.revoke_all()
    assert (await bench.post()).status == 200
    assert bench.server.issued == 3


async def test_a_receiver_that_refuses_every_token_gets_one_more_and_then_none_for_a_while(bench):
    bench.receiver.answer = lambda _request: Answer(401)
    assert (await bench.post()).status == 401
    assert (bench.server.issued, len(bench.receiver.requests)) == (2, 2)
    for _ in range(5):
        assert (await bench.post()).status == 401
    assert (bench.server.issued, len(bench.receiver.requests)) == (2, 7)
    bench.clock.ahead = RENEWAL_PAUSE + 1
    assert (await bench.post()).status == 401
    assert bench.server.issued == 3


@pytest.mark.parametrize(
    ("refusal", "code", "message"),
    [
        (json_answer(400, {"error": "invalid_scope"}), "invalid_scope", "400 (invalid_scope)"),
        (Answer(302, {"Location": "/login"}), "token_status", "302"),
        (Answer(200, body=b"<html>"), "token_response", "200 without a usable bearer token"),
    ],
)
async def test_without_a_token_nothing_is_sent_and_the_failure_says_why(
    bench, refusal, code, message
):
    bench.server.refusal = refusal
    exchange = await bench.post()
    assert (exchange.status, bench.receiver.requests) == (None, [])
    assert (exchange.failure.kind, exchange.failure.code) == ("auth", code)
    assert exchange.failure.message == f"The token endpoint answered {message}."
    assert exchange.duration_ms > 0
    bench.server.refusal = None
    assert (await bench.post()).status == 200, "the next attempt asks again"


async def test_a_wrong_secret_is_the_failure_also_when_an_old_token_was_refused(bench):
    await bench.post()
    bench.server.revoke_all()
    bench.server.client = ("crm client", "another one")
    auth = bench.auth(client_secret="s3cret:+&=%")
    exchange = await bench.post(auth)
    assert exchange.failure.message == "The token endpoint answered 401 (invalid_client)."


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.2:9/token", "token_blocked"),
        ("http://169.254.169.254/token", "token_blocked"),
        ("http://no-such-name.invalid/token", "token_dns"),
        ("http://127.0.0.1:1/token", "token_connect"),
    ],
)
async def test_the_token_endpoint_has_the_same_address_policy(bench, url, code):
    exchange = await bench.post(bench.auth(token_url=url))
    assert exchange.failure.code == code
    assert bench.receiver.requests == []


async def test_a_slow_token_endpoint_has_half_of_the_attempts_time(bench):
    bench.server.gate = asyncio.Event()
    exchange = await bench.post(timeout=1.0)
    assert exchange.failure.code == "token_timeout"
    assert 450 <= exchange.duration_ms < 900
    bench.server.gate.set()


async def test_an_attempt_that_ends_does_not_end_the_request_that_others_wait_for(bench):
    bench.server.gate = asyncio.Event()
    first, second = asyncio.create_task(bench.post()), asyncio.create_task(bench.post())
    await bench.server.wait_for(1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    bench.server.gate.set()
    assert (await second).status == 200
    assert len(bench.server.requests) == 1


async def test_the_receiver_has_the_time_that_the_token_endpoint_left(bench):
    bench.receiver.answer = lambda _request: Answer(hang=True)
    bench.server.gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, bench.server.gate.set)
    exchange = await bench.post(timeout=1.0)
    assert exchange.failure.code == "wait_timeout"
    (left,) = re.findall(r"\((0\.\d) s\)", exchange.failure.message)
    assert float(left) <= 0.9  # not 0.7: the 0.3 s began before the attempt


async def test_tokens_are_bounded_and_the_one_used_longest_ago_goes_first(bench, monkeypatch):
    monkeypatch.setattr(module, "MAX_TOKENS", 2)
    for webhook in ("wh_1", "wh_2", "wh_1", "wh_3", "wh_1"):
        await bench.post(webhook=webhook)
    assert len(bench.tokens) == 2
    assert bench.server.issued == 3
    await bench.post(webhook="wh_2")
    assert bench.server.issued == 4


async def test_at_the_end_no_request_for_a_token_is_left(bench):
    bench.server.gate = asyncio.Event()
    attempt = asyncio.create_task(bench.post())
    await bench.server.wait_for(1)
    await bench.tokens.close()
    with pytest.raises(asyncio.CancelledError):
        await attempt
