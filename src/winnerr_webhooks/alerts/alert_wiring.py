"""Creates the loops for operational events and mails that the settings ask for."""

from winnerr_webhooks.alerts.alert_raiser import AlertRaiser
from winnerr_webhooks.alerts.mail_sender import MailSender, Writer
from winnerr_webhooks.alerts.smtp_client import SmtpClient
from winnerr_webhooks.config import Config
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.intake import Intake
from winnerr_webhooks.storage.alert_port import Alerts


class AlertLoops:
    """The loops of a node for operational events and mails."""

    def __init__(
        self,
        config: Config,
        storage: Alerts,
        intake: Intake,
        *,
        ids: Ids,
        jitter: Jitter,
        metrics: Metrics,
    ) -> None:
        self._mails: MailSender | None = None
        if config.smtp_url is not None:
            self._mails = MailSender(
                storage,
                SmtpClient(config.smtp_url),
                lambda: _load_writer(config),
                jitter=jitter,
                metrics=metrics,
            )
        self._raiser = AlertRaiser(
            storage,
            intake,
            publish=bool(config.operational_url),
            mail=self._mails is not None,
            on_raised=self._mails.wake if self._mails else lambda: None,
            ids=ids,
            jitter=jitter,
            metrics=metrics,
        )

    def start(self) -> None:
        """Start the loops."""
        self._raiser.start()
        if self._mails is not None:
            self._mails.start()

    async def close(self) -> None:
        """Stop the loops; mails that are being sent may be sent once more later."""
        await self._raiser.close()
        if self._mails is not None:
            await self._mails.close()


def _load_writer(config: Config) -> Writer:
    from winnerr_webhooks.alerts.mail_text import MailWriter  # noqa: PLC0415  most nodes send none

    assert config.mail_from is not None  # noqa: S101  `config.check_service`
    return MailWriter(
        brand=config.brand,
        sender=config.mail_from,
        public_url=config.public_url,
        language=config.default_language,
    )
