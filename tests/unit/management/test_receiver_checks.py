"""The receiver check against real receivers: a good one, and others each wrong in one way."""

import asyncio
import json
from ipaddress import ip_network

import pytest
from tests import broken_receivers as receivers

from winnerr_webhooks.budgets import Budgets, derive
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import Invalid, Unavailable
from winnerr_webhooks.domain.receiver_check.receiver_probes import LINES
from winnerr_webhooks.domain.webhook import ACTIVE, Target
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.client import EgressClient
from winnerr_webhooks.egress.resolver import DnsResolver
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.management.receiver_checks import ReceiverChecks
from winnerr_webhooks.pipeline.access_tokens import AccessTokens

TIMEOUT = 1.0
ALL_OK = dict.fromkeys(LINES, "ok")


class LateClock(SystemClock):
    """A clock that is `ahead` seconds fast from the second reading of the monotonic clock on."""

    ahead = 0.0
    reads = 0

    def monotonic(self) -> float:
        self.reads += 1
        return super().monotonic() + (self.ahead if self.reads > 1 else 0)


@pytest.fixture
async def make_checks():
    """Make checks that may reach these networks."""
    resolver = DnsResolver(clock=SystemClock())
    opened = []

    def make(*networks: str, clock: SystemClock | None = None) -> ReceiverChecks:
        budgets = Budgets(derive(Config(), 20_000), SystemClock())
        egress = EgressClient(
            policy=AddressPolicy(allow=tuple(map(ip_network, networks)), allow_http=True),
            resolver=resolver,
            clock=SystemClock(),
            timeout=TIMEOUT,
            kept=budgets.kept_connections,
        )
        opened.append(egress)
        return ReceiverChecks(
            config=Config(delivery_timeout=TIMEOUT),
            egress=egress,
            tokens=AccessTokens(
                egress,
                timeout=TIMEOUT,
                branding=Config().branding,
                clock=SystemClock(),
            ),
            catalog=CATALOG,
            clock=clock or SystemClock(),
            ids=Ids(SystemClock()),
            budgets=budgets,
        )

    yield make
    for egress in opened:
        await egress.close()
    await resolver.close()


@pytest.fixture
def checks(make_checks):
    return make_checks("127.0.0.0/8")


def target(url: str, **fields) -> Target:
    values = {"organization": "org_1", "secret": receivers.SECRET} | fields
    return Target(webhook_id="wh_1", version=1, url=url, status=ACTIVE, **values)


def results(report):
    return {line.name: line.result for line in report.lines}


@pytest.mark.parametrize(
    ("make", "differs"),
    [
        (receivers.Receiver, {}),
        (receivers.NoSignatureCheck, {"bad_signature": "problem", "old_timestamp": "warning"}),
        (receivers.NoTimeCheck, {"old_timestamp": "warning"}),
        (receivers.VerifiesWrittenAgain, {"exact_bytes": "problem"}),
        (receivers.FailsOnUnknownEvent, {"unknown_event": "problem"}),
        (receivers.NotIdempotent, {"repeat": "problem"}),
        (receivers.RefusesOlderEvents, {"out_of_order": "problem"}),
        (receivers.BodyLimit, {"large_body": "problem"}),
        (receivers.AnswersSlowly, {"good_event": "warning", "slow_reading": "warning"}),
        (receivers.ReadsSlowly, {"large_body": "problem", "slow_reading": "problem"}),
        (receivers.RaisesOnForgery, {"bad_signature": "warning", "old_timestamp": "warning"}),
    ],
)
async def test_the_report_names_what_is_wrong_and_nothing_else(checks, make, differs):
    async with receivers.serving(make) as receiver:
        report = await checks.check(target(receiver.url), receivers.KNOWN)
    assert results(report) == ALL_OK | differs
    assert report.passed is ("problem" not in differs.values())
    for line in report.lines:
        assert bool(line.remedy) is (line.result in ("problem", "warning"))
        assert "X-…" not in line.meaning + line.remedy


async def test_requests_are_those_of_deliveries_and_marked_as_tests(checks):
    async with receivers.serving(receivers.Receiver) as receiver:
        await checks.check(target(receiver.url), "*")
    headers = [headers for headers, _ in receiver.requests]
    bodies = [body for _, body in receiver.requests]
    assert {one["x-winnerr-test"] for one in headers} == {"true"}
    assert {one["x-winnerr-webhook"] for one in headers} == {"wh_1"}
    assert all(one["user-agent"].startswith("Winnerr-Webhooks/") for one in headers)
    assert headers[0]["x-winnerr-delivery"] == headers[1]["x-winnerr-delivery"]
    assert [one["x-winnerr-attempt"] for one in headers[:3]] == ["1", "2", "1"]
    assert bodies[0] == bodies[1]
    assert json.loads(bodies[0])["event"] == CATALOG.names[0]
    assert len(bodies[-1]) == 250 * 1024
    first, second = headers[6]["webhook-id"], headers[7]["webhook-id"]
    assert first > second
    assert json.loads(bodies[6])["timestamp"] > json.loads(bodies[7])["timestamp"]


async def test_a_receiver_that_fails_the_good_event_is_asked_nothing_else(checks):
    async with receivers.serving(receivers.Receiver) as receiver:
        report = await checks.check(target(receiver.url, secret="another secret"), "*")
    assert len(receiver.requests) == 1
    good, *others = report.lines
    assert good.result == "problem"
    assert "signature check" in good.remedy
    assert {line.result for line in others} == {"skipped"}
    assert not report.passed


async def test_a_receiver_that_does_not_answer_is_explained_as_in_the_log(checks):
    report = await checks.check(target("http://127.0.0.1:9/hook"), "*")
    assert report.lines[0].answer.startswith("The receiver refused the connection")
    assert report.lines[0].remedy


async def test_what_the_address_policy_refuses_is_not_reached(make_checks):
    async with receivers.serving(receivers.Receiver) as receiver:
        report = await make_checks().check(target(receiver.url), "*")
    assert receiver.requests == []
    assert report.lines[0].result == "problem"


async def test_without_a_secret_signatures_are_not_checked(checks):
    async with receivers.serving(receivers.NoSignatureCheck) as receiver:
        report = await checks.check(target(receiver.url, secret=None), "*")
    skipped = {line.name for line in report.lines if line.result == "skipped"}
    assert skipped == {"exact_bytes", "bad_signature", "old_timestamp"}
    assert report.passed


async def test_during_a_rotation_requests_are_signed_with_both_secrets(checks):
    old, new = "the secret before", receivers.SECRET
    rotating = {"secret": old, "next_secret": new, "overlap_ends_at": 1 << 50}

    class KnowsTheNew(receivers.Receiver):
        def is_signed(self, headers, body):
            following = headers.get("x-winnerr-signature-next", "")
            return super().is_signed(headers | {"x-winnerr-signature": following}, body)

    async with receivers.serving(KnowsTheNew) as receiver:
        report = await checks.check(target(receiver.url, **rotating), receivers.KNOWN)
    assert results(report) == ALL_OK


async def test_an_organization_has_one_check_at_a_time_and_pauses_after_it(checks):
    async with receivers.serving(receivers.Receiver) as receiver:
        running = asyncio.create_task(checks.check(target(receiver.url), "*"))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="wait 10 seconds"):
            await checks.check(target(receiver.url), "*")
        other = await checks.check(target(receiver.url, organization="org_2"), "*")
        assert other.passed
        await running
        with pytest.raises(Unavailable):
            await checks.check(target(receiver.url), "*")


async def test_a_check_that_takes_too_long_ends_with_what_it_has(make_checks):
    clock = LateClock()
    checks = make_checks("127.0.0.0/8", clock=clock)

    class Late(receivers.Receiver):
        async def handle(self, headers, event):
            clock.ahead = 31.0 if len(self.requests) == 2 else 0.0
            return 200

    async with receivers.serving(Late) as receiver:
        report = await checks.check(target(receiver.url), "*")
    assert len(receiver.requests) == 2
    assert report.lines[2].result == "skipped"
    assert "so long" in report.lines[2].meaning
    assert report.passed


async def test_an_unknown_event_type_is_refused_before_anything_is_sent(checks):
    with pytest.raises(Invalid, match=r"contact\.created"):
        await checks.check(target("http://127.0.0.1:9/"), "contact.create")
