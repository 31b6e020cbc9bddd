"""Mails about webhooks: what they say, in the organization's language."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from typing import Any, Final

from winnerr_webhooks.domain.alerts import (
    DELIVERY_FAILED,
    WEBHOOK_DISABLED,
    WEBHOOK_FAILING,
    WEBHOOK_RECOVERED,
)
from winnerr_webhooks.domain.mail_server import Mailbox
from winnerr_webhooks.domain.text import Text, counted
from winnerr_webhooks.management.page_options import PAGE
from winnerr_webhooks.settings_page.formatting import stored
from winnerr_webhooks.settings_page.languages import Language, Languages
from winnerr_webhooks.storage.alert_port import AlertMail

_SUBJECTS: Final = {
    WEBHOOK_FAILING: Text("The webhook {webhook} is failing"),
    WEBHOOK_RECOVERED: Text("The webhook {webhook} delivers again"),
    WEBHOOK_DISABLED: Text("The webhook {webhook} was disabled"),
}
_FAILING: Final = Text(
    "All {failures:,} attempts since {since} failed. Events are tried again as the webhook's "
    "schedule says; after the last attempt they stay in the log, where they can be replayed."
)
_RECOVERED: Final = Text(
    "It delivers events again; the trouble began on {since}. Deliveries that failed in the "
    "meantime can be replayed."
)
_DISABLED: Final = Text(
    "It was disabled on {since} and gets no more events. Repair the receiver, then set the webhook "
    "active again."
)
_REASON: Final = Text("The reason: {reason}")
_FAILED: Final = Text(
    "Their retries are used up. They are in the log, with what the receiver answered, and can be "
    "replayed."
)
_OPEN: Final = Text("Open the webhook:")
_WHY: Final = Text(
    "You get this mail because the organization {organization} has your address in the alerts of "
    "its webhooks. You can change that on the page of its webhooks, under Alerts."
)


class MailWriter:
    """Writes mails of one service."""

    def __init__(self, *, brand: str, sender: Mailbox, public_url: str, language: str) -> None:
        """Create it; `language` is that of organizations that chose none."""
        self._brand = brand
        self._sender = sender
        self._page = public_url + PAGE
        self._languages = Languages(language)

    def write(self, mail: AlertMail) -> EmailMessage:
        """Return a mail as text, with one link. Its Message-ID is the same each time."""
        language = self._languages.get(mail.language or self._languages.default)
        data = json.loads(mail.alert.data)
        message = EmailMessage()
        sender = _header(self._sender.name or self._brand)
        message["From"] = formataddr((sender, self._sender.address))
        message["To"] = mail.email
        message["Subject"] = _header(language.translate(_subject(mail.alert.event, data)))
        message["Date"] = format_datetime(datetime.fromtimestamp(mail.alert.at // 1000, UTC))
        message["Message-ID"] = self._message_id(mail)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answers
        message.set_content("\n".join(self._lines(mail.alert.event, data, language)))
        message["Content-Language"] = language.tag
        return message

    def _lines(self, event: str, data: Mapping[str, Any], language: Language) -> list[str]:
        organization, webhook = data["organizationId"], data["webhookId"]
        name = f"{data['webhookName']} ({data['webhookHost']})"
        return [
            name if data["webhookName"] else data["webhookHost"],
            "",
            *(language.translate(text) for text in _sentences(event, data, language)),
            "",
            language.translate(_OPEN),
            f"{self._page}/@{organization}/{webhook}",
            "",
            language.translate(_WHY.fill(organization=organization)),
        ]

    def _message_id(self, mail: AlertMail) -> str:
        recipient = hashlib.sha256(mail.email.lower().encode()).hexdigest()[:16]
        domain = self._sender.address.rpartition("@")[2]
        return f"<{mail.alert.id}.{recipient}@{domain}>"


def _subject(event: str, data: Mapping[str, Any]) -> Text:
    webhook = data["webhookName"] or data["webhookHost"]
    if event == DELIVERY_FAILED:
        return counted(
            "{count} delivery to the webhook {webhook} failed",
            "{count} deliveries to the webhook {webhook} failed",
            data["deliveries"],
            webhook=webhook,
        )
    return _SUBJECTS[event].fill(webhook=webhook)


def _sentences(event: str, data: Mapping[str, Any], language: Language) -> list[Text]:
    if event == WEBHOOK_FAILING:
        return [_FAILING.fill(failures=data["failures"], since=_time(data["since"], language))]
    if event == WEBHOOK_RECOVERED:
        return [_RECOVERED.fill(since=_time(data["since"], language))]
    if event == WEBHOOK_DISABLED:
        disabled = _DISABLED.fill(since=_time(data["disabledAt"], language))
        if not data["reason"]:
            return [disabled]
        return [disabled, _REASON.fill(reason=stored(language, data["reason"]))]
    return [_FAILED]


def _time(text: str, language: Language) -> str:
    at = datetime.fromisoformat(text)
    return f"{language.day(at, year=True)} {at:%H:%M} UTC"


def _header(text: str) -> str:
    """Return a text for a header: without line breaks, and without encoded words (RFC 2047).

    The email package decodes those when a header is set, so that they could bring line breaks, and
    so other headers, into the mail.
    """
    return " ".join(text.split()).replace("=?", "= ?")
