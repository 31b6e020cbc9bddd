"""The loop that sends mails: when it tries again, when it gives up, and what it counts."""

import json

import pytest
from structlog.testing import capture_logs
from tests.mail_server import MailServer

from winnerr_webhooks.alerts.mail_sender import WAITS, MailSender
from winnerr_webhooks.alerts.mail_text import MailWriter
from winnerr_webhooks.alerts.smtp_client import SmtpClient
from winnerr_webhooks.domain.alerts import alert_data
from winnerr_webhooks.domain.mail_server import Mailbox
from winnerr_webhooks.domain.mail_server import MailServer as Address
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.metrics import Metrics


@pytest.fixture
async def server():
    server = await MailServer().start()
    yield server
    if server._server is not None:
        await server.stop()


class Sending:
    """A sender with one mail that waits."""

    def __init__(self, storage, clock, server):
        self.clock = clock
        self.metrics = Metrics()
        self.storage = storage
        self.sender = MailSender(
            storage,
            SmtpClient(Address("127.0.0.1", server.port)),
            lambda: MailWriter(
                brand="Globex",
                sender=Mailbox("", "hooks@globex.example"),
                public_url="https://webhooks.globex.example",
                language="en",
            ),
            jitter=Jitter(seed=1),
            metrics=self.metrics,
        )

    async def store_mail(self, alert="alr_1", email="jane@example.com"):
        data = alert_data("org_1", "wh_1", None, "https://h.example.com/", deliveries=3)

        async def add(db):
            await db.execute(
                "add_alert_mail",
                id=alert,
                email=email,
                language=None,
                event="delivery.failed",
                now=self.clock.now_ms(),
                data=json.dumps(data),
            )

        await self.storage._write(add)

    def count(self, outcome):
        name = f'winnerr_webhooks_mails_total{{outcome="{outcome}"}} '
        lines = self.metrics.render_process().decode().splitlines()
        return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


@pytest.fixture
async def sending(storage, clock, server):
    sending = Sending(storage, clock, server)
    await sending.store_mail()
    return sending


async def test_a_mail_is_sent_once_and_forgotten(sending, server):
    assert await sending.sender.send_some() == 1
    assert await sending.sender.send_some() == 0
    assert [mail["To"] for mail in server.mails] == ["jane@example.com"]
    assert sending.count("sent") == 1


async def test_a_server_that_is_down_gets_the_mail_when_it_is_back(sending, server):
    await server.stop()
    assert await sending.sender.send_some() == 1
    assert sending.count("delayed") == 1
    assert await sending.sender.send_some() == 0
    await server.start()
    sending.clock.ms += round(WAITS[0] * 1.2 * 1000)
    assert await sending.sender.send_some() == 1
    assert len(server.mails) == 1


async def test_it_is_given_up_after_a_day_with_one_error_in_the_log(sending, server):
    await server.stop()
    with capture_logs() as logs:
        for wait in (*WAITS, 0):
            assert await sending.sender.send_some() == 1
            sending.clock.ms += round(wait * 1.2 * 1000)
    assert await sending.sender.send_some() == 0
    assert (sending.count("delayed"), sending.count("dropped")) == (len(WAITS), 1)
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert line["event"] == "gave up a mail"
    assert line["attempts"] == len(WAITS) + 1
    assert "jane@example.com" not in str(logs)


async def test_an_address_that_the_server_refuses_for_good_is_given_up_at_once(sending, server):
    server.refuse = {"jane@example.com": "550 no such user"}
    assert await sending.sender.send_some() == 1
    assert sending.count("dropped") == 1
    sending.clock.ms += 86_400_000
    assert await sending.sender.send_some() == 0


@pytest.mark.parametrize("email", ["=?utf-8?q??=@example.com", "ä@example.com"])
async def test_a_mail_that_cannot_be_written_or_sent_stops_no_other(sending, server, email):
    """Neither address is taken any more; one may be stored from before."""
    await sending.store_mail("alr_0", email)
    await sending.store_mail("alr_2", "zoe@example.com")
    assert await sending.sender.send_some() == 3
    assert {mail["To"] for mail in server.mails} == {"jane@example.com", "zoe@example.com"}
    assert (sending.count("sent"), sending.count("dropped")) == (2, 1)
    sending.clock.ms += 86_400_000
    assert await sending.sender.send_some() == 0
