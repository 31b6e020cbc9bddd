"""Mail sender: the loop that sends the mails about webhooks.

A node leases a mail, sends it and deletes it. One that cannot be sent is tried again for a day.
Nothing waits for this loop: a slow server delays mails alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from typing import Final, Protocol

import structlog

from winnerr_webhooks.alerts.smtp_client import CONNECTION_SECONDS, MailFailure, SmtpClient
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.claimer import wait_up_to
from winnerr_webhooks.pipeline.loop_task import LoopTask
from winnerr_webhooks.storage.alert_port import AlertMail, Alerts

POLL: Final = 15.0
"""Seconds between two searches for mails that are due, unless a new mail asks for one."""
LEASE_SECONDS: Final = CONNECTION_SECONDS + 30.0
"""How long a node leases a mail."""
WAITS: Final = (60.0, 300.0, 900.0, 3_600.0, 10_800.0, 21_600.0, 43_200.0)
"""Seconds until a mail is tried again, after each failed attempt. After the last it is dropped."""

_UNWRITTEN: Final = MailFailure("It cannot be written.", is_final=True)

log = structlog.get_logger(__name__)


class Writer(Protocol):
    """What writes a mail: see `mail_text.MailWriter`."""

    def write(self, mail: AlertMail) -> EmailMessage:
        """Return the mail."""
        ...


class MailSender(LoopTask):
    """The loop of one node."""

    def __init__(
        self,
        storage: Alerts,
        client: SmtpClient,
        load_writer: Callable[[], Writer],
        *,
        jitter: Jitter,
        metrics: Metrics,
    ) -> None:
        """Create it. `load_writer` is called in a thread when there is a first mail to write."""
        super().__init__(self._send_forever)
        self._storage = storage
        self._client = client
        self._load_writer = load_writer
        self._writer: Writer | None = None
        self._jitter = jitter
        self._metrics = metrics
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for mails at once."""
        self._wake.set()

    async def _send_forever(self) -> None:
        logged = ""
        while True:
            self._wake.clear()
            try:
                while await self.send_some():
                    pass
                logged = ""
            except Unavailable as error:
                if error.detail != logged:
                    log.warning("mails wait", reason=error.detail)
                logged = error.detail
            except Exception:
                log.exception("mails cannot be sent, which is tried again")
            await wait_up_to(self._wake, self._jitter.around(POLL))

    async def send_some(self) -> int:
        """Send mails that are due; return how many were claimed."""
        mails = await self._storage.claim_mails(LEASE_SECONDS)
        if not mails:
            return 0
        messages = await asyncio.to_thread(self._write, mails)
        written = [message for message in messages if message is not None]
        answers = iter(await self._client.send(written) if written else ())
        for mail, message in zip(mails, messages, strict=True):
            await self._settle(mail, _UNWRITTEN if message is None else next(answers))
        return len(mails)

    def _write(self, mails: Sequence[AlertMail]) -> list[EmailMessage | None]:
        """Return the messages; None for one that cannot be written, which stops no other."""
        if self._writer is None:
            self._writer = self._load_writer()
        messages: list[EmailMessage | None] = []
        for mail in mails:
            try:
                messages.append(self._writer.write(mail))
            except Exception:
                log.exception("a mail cannot be written", alert=mail.alert.id)
                messages.append(None)
        return messages

    async def _settle(self, mail: AlertMail, failure: MailFailure | None) -> None:
        fields = {"alert": mail.alert.id, "event_type": mail.alert.event, "attempts": mail.attempts}
        if failure is None:
            await self._storage.drop_mail(mail)
            self._metrics.mail_handled("sent")
            log.debug("sent a mail", **fields)
        elif failure.is_final or mail.attempts > len(WAITS):
            await self._storage.drop_mail(mail)
            self._metrics.mail_handled("dropped")
            log.error("gave up a mail", reason=failure.reason, **fields)
        else:
            seconds = self._jitter.around(WAITS[mail.attempts - 1])
            await self._storage.delay_mail(mail, seconds)
            self._metrics.mail_handled("delayed")
            log.warning(
                "a mail cannot be sent and is tried again",
                reason=failure.reason,
                again_in_seconds=round(seconds),
                **fields,
            )
