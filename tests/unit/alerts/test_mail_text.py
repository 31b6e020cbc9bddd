"""What mails about webhooks say, in each language."""

import json
from email import message_from_bytes, policy

import pytest

from winnerr_webhooks.alerts.mail_text import MailWriter
from winnerr_webhooks.domain.alerts import OPERATIONAL_EVENTS, Alert, alert_data
from winnerr_webhooks.domain.language_choice import LANGUAGES
from winnerr_webhooks.domain.mail_server import Mailbox
from winnerr_webhooks.storage.alert_port import AlertMail

WRITER = MailWriter(
    brand="Globex",
    sender=Mailbox("", "hooks@globex.example"),
    public_url="https://webhooks.globex.example",
    language="en",
)
DETAILS = {
    "webhook.failing": {"since": "2027-01-15T08:00:00Z", "failures": 1204},
    "webhook.recovered": {"since": "2027-01-15T08:00:00Z"},
    "webhook.disabled": {
        "disabledAt": "2027-01-15T08:00:00Z",
        "reason": (
            "All 20 attempts since 2027-01-10T08:00:00Z failed. Repair the receiver, then set the "
            "webhook active again."
        ),
    },
    "delivery.failed": {"deliveries": 3},
}
LINK = "https://webhooks.globex.example/settings/webhooks/@org_1/wh_1"


def written(event, language=None, *, name="CRM", **details):
    data = alert_data("org_1", "wh_1", name, "https://h.example.com/s3cret", **DETAILS[event])
    mail = AlertMail(
        alert=Alert(id="alr_1", event=event, at=1_800_000_000_000, data=json.dumps(data | details)),
        email="jane@example.com",
        language=language,
        attempts=1,
    )
    return message_from_bytes(WRITER.write(mail).as_bytes(), policy=policy.default)


def test_a_mail_in_german_names_the_webhook_and_has_numbers_and_dates_of_german():
    message = written("webhook.failing", "de")
    assert message["Subject"] == "Der Webhook CRM schlägt fehl"
    text = message.get_content()
    assert text.startswith("CRM (h.example.com)\n")
    assert "Alle 1.204 Versuche seit 15. Jan. 2027 08:00 UTC sind fehlgeschlagen." in text
    assert message["Content-Language"] == "de"


def test_the_reason_that_is_stored_in_english_is_translated():
    text = written("webhook.disabled", "de").get_content()
    assert "Der Grund: Alle 20 Versuche seit" in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("event", OPERATIONAL_EVENTS)
def test_each_mail_has_one_link_and_no_part_of_the_url_but_the_host(event, language):
    message = written(event, language)
    text = message.get_content()
    assert text.count("http") == 1
    assert LINK in text.splitlines()
    assert "s3cret" not in message.as_string()
    assert "{" not in text
    assert "{" not in message["Subject"]
    assert message.get_content_type() == "text/plain"


def test_without_a_language_and_a_name_it_is_that_of_the_service_and_the_host():
    message = written("delivery.failed", name=None)
    assert message["Subject"] == "3 deliveries to the webhook h.example.com failed"
    assert message.get_content().startswith("h.example.com\n")
    assert written("delivery.failed", deliveries=1)["Subject"] == (
        "1 delivery to the webhook CRM failed"
    )


def test_it_comes_from_the_brand_and_no_program_answers_it_and_a_repeat_has_the_same_id():
    message = written("webhook.recovered")
    assert message["From"] == "Globex <hooks@globex.example>"
    assert message["To"] == "jane@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == written("webhook.recovered")["Message-ID"]
    assert message["Message-ID"] != written("webhook.recovered", "de", name=None)["To"]


def test_a_name_that_looks_like_headers_stays_in_the_subject():
    message = written("webhook.recovered", name="CRM\r\nBcc: eve@example.com")
    assert message["Bcc"] is None
    assert "CRM Bcc: eve@example.com" in message["Subject"]


@pytest.mark.parametrize("event", OPERATIONAL_EVENTS)
def test_no_name_of_a_webhook_brings_a_header_or_a_body_of_its_own(event):
    name = "=?utf-8?q?x=0D=0ABcc=3A_eve=40example.com=0D=0A=0D=0AHello?=\r\nX-Own: 1"
    message = written(event, name=name)
    assert set(message) <= {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Language",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert "Bcc" in message["Subject"]
    assert message.get_content().startswith(name.partition("\r")[0])
