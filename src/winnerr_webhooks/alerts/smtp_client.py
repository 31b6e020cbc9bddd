"""Hands mails to an SMTP server, in a thread of its own.

The standard library's client blocks, so it gets a thread for each connection. The thread is a
daemon: a server that does not answer does not keep the process from ending.
"""

import asyncio
import smtplib
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from email.message import EmailMessage
from typing import Final, NamedTuple

from winnerr_webhooks.domain.mail_server import MailServer

STEP_SECONDS: Final = 20.0
"""How long the server may take for one step: to connect, or to answer a command."""
CONNECTION_SECONDS: Final = 90.0
"""How long one connection may take, with all its mails."""
_PERMANENT: Final = 500
"""Replies from here on say that the same mail will never be taken (RFC 5321, section 4.2.1)."""
_SHOWN: Final = 200


class MailFailure(NamedTuple):
    """Why a mail was not sent."""

    reason: str
    """For the service's log; never with the password."""
    is_final: bool
    """Whether the server refuses the address for good."""


class SmtpClient:
    """Sends mails through one server."""

    def __init__(self, server: MailServer, *, tls: ssl.SSLContext | None = None) -> None:
        """Create it; `tls` checks the server's certificate, by default with the system's CAs."""
        self._server = server
        self._tls = tls

    async def send(self, messages: Sequence[EmailMessage]) -> list[MailFailure | None]:
        """Send mails over one connection; return for each why it was not sent, or None."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        connection = _Connection(self._server, self._tls)

        def finish() -> None:
            if not done.done():
                done.set_result(None)

        def run() -> None:
            try:
                connection.send(messages)
            finally:
                with suppress(RuntimeError):  # the loop may have ended meanwhile
                    loop.call_soon_threadsafe(finish)

        threading.Thread(target=run, name="smtp", daemon=True).start()
        try:
            async with asyncio.timeout(CONNECTION_SECONDS):
                await done
            failure = connection.failure
        except TimeoutError:
            failure = MailFailure("The SMTP server takes too long.", is_final=False)
        finally:
            connection.abort()
        answers = list(connection.answers)
        return answers + [failure] * (len(messages) - len(answers))


class _Connection:
    """One connection; `send` runs in its thread, everything else in the event loop's."""

    def __init__(self, server: MailServer, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._tls = tls
        self._client: smtplib.SMTP | None = None
        self._aborted = False
        self.answers: list[MailFailure | None] = []
        """For each message that was handed over."""
        self.failure = MailFailure("The connection was closed.", is_final=False)
        """Why the other messages were not."""

    def send(self, messages: Sequence[EmailMessage]) -> None:
        try:
            self._client = client = self._connect()
            for message in messages:
                if self._aborted:  # they are sent again later
                    return
                self.answers.append(_send_one(client, message))
            client.quit()
        except (OSError, smtplib.SMTPException) as error:
            self.failure = MailFailure(_reason(error), is_final=False)
        except Exception as error:  # noqa: BLE001  its text may have the password
            self.failure = MailFailure(f"A fault of this service: {type(error).__name__}.", False)
        finally:
            if self._client is not None:
                self._client.close()

    def abort(self) -> None:
        """Cut the connection, so that the thread ends; closing it would wait for the thread."""
        self._aborted = True
        sock = None if self._client is None else self._client.sock
        if sock is not None:
            with suppress(OSError):  # it may be closed meanwhile
                sock.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        tls = self._tls or ssl.create_default_context()
        if server.security == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=STEP_SECONDS, context=tls
            )
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=STEP_SECONDS)
        self._client = client
        if server.security != "tls":
            client.ehlo_or_helo_if_needed()
            if server.security == "starttls" or client.has_extn("starttls"):
                client.starttls(context=tls)  # raises if the server does not have it
        if server.user:
            client.login(server.user, server.password)
        return client


def _send_one(client: smtplib.SMTP, message: EmailMessage) -> MailFailure | None:
    """Send one mail; raise if the connection is of no use for the next one either."""
    try:
        client.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        ((code, text),) = error.recipients.values()
        return MailFailure(_reply(code, text), is_final=code >= _PERMANENT)
    except smtplib.SMTPResponseException as error:  # of the sender, or of the text
        return MailFailure(_reply(error.smtp_code, error.smtp_error), is_final=False)
    except (smtplib.SMTPNotSupportedError, ValueError) as error:  # the next one may be fine
        return MailFailure(f"The mail cannot be sent: {error}"[:_SHOWN], is_final=True)
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        # Its text is the server's, which could repeat what it was sent.
        return f"The SMTP server refuses the user and password of SMTP_URL ({error.smtp_code})."
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"The SMTP server cannot do what SMTP_URL asks for: {error}"[:_SHOWN]
    if isinstance(error, smtplib.SMTPResponseException):
        return _reply(error.smtp_code, error.smtp_error)
    return f"The SMTP server cannot be used: {error}"[:_SHOWN]


def _reply(code: int, text: bytes | str) -> str:
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"The SMTP server answered {code} {' '.join(shown.split())}"[:_SHOWN]
