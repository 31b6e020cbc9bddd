"""An SMTP server for tests: a real one (aiosmtpd) on loopback, with STARTTLS, TLS and AUTH."""

import asyncio
import email
import email.policy
import ssl
import warnings
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.receiver import PATIENCE


class MailServer:
    """Keeps every mail. `refuse` has replies for recipients, by address."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        is_tls_from_the_start: bool = False,
        user: str = "",
        password: str = "",
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.was_encrypted: list[bool] = []
        """For each mail."""
        self.refuse: dict[str, str] = {}
        self.is_silent = False
        """Whether it never answers a mail's text."""
        self._tls = tls
        self._from_start = is_tls_from_the_start
        self._login = (user.encode(), password.encode()) if user else None
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> "MailServer":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._protocol,
            "127.0.0.1",
            self.port,
            ssl=self._tls if self._from_start else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def _protocol(self) -> SMTP:
        with warnings.catch_warnings(action="ignore"):  # it does not see TLS from the start
            return SMTP(
                self,
                hostname="mail.test",
                tls_context=None if self._from_start else self._tls,
                auth_required=self._login is not None,
                auth_require_tls=not self._from_start,
                authenticator=self._authenticate,
                loop=asyncio.get_running_loop(),
            )

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._server = None

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=(data.login, data.password) == self._login, handled=False)

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  likewise
        if self.is_silent:
            await asyncio.Event().wait()
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert message["To"] == envelope.rcpt_tos[0]
        async with self._arrived:
            self.mails.append(message)  # type: ignore[arg-type]  the policy makes this kind
            self.was_encrypted.append(self._from_start or session.ssl is not None)
            self._arrived.notify_all()
        return "250 OK"

    async def wait_for(self, count: int) -> list[EmailMessage]:
        """Wait until there are so many mails."""
        async with self._arrived, asyncio.timeout(PATIENCE):
            await self._arrived.wait_for(lambda: len(self.mails) >= count)
        return self.mails
