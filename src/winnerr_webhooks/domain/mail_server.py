"""The SMTP server that mail is handed to, and who sends it."""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from winnerr_webhooks.domain.alerts import is_email

_SCHEMES: Final = {
    "smtp": (587, "starttls_if_offered"),
    "smtp+starttls": (587, "starttls"),
    "smtps": (465, "tls"),
}
"""The usual port and the encryption of each scheme of SMTP_URL."""
_MAILBOX: Final = re.compile(r"(?:(?P<name>[^<>]*)<(?P<bracketed>[^<>]+)>|(?P<bare>[^<>]+))")
_MAX_NAME: Final = 64


@dataclass(frozen=True, slots=True, repr=False)
class MailServer:
    """Where the server is, how the connection is encrypted, and the credentials it asks for."""

    host: str
    port: int
    security: str = "starttls_if_offered"
    """`tls`: from the first byte on (RFC 8314). `starttls`: by STARTTLS (RFC 3207), or no mail is
    sent. `starttls_if_offered`: by STARTTLS if the server has it."""
    user: str = ""
    """Empty: it asks for none."""
    password: str = ""

    def __str__(self) -> str:
        """Return its URL without the password."""
        scheme = {"tls": "smtps", "starttls": "smtp+starttls"}.get(self.security, "smtp")
        user = f"{self.user}:•••@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{user}{host}:{self.port}"

    __repr__ = __str__


class Mailbox(NamedTuple):
    """The sender of mails: a name, which may be empty, and an address."""

    name: str
    address: str

    def __str__(self) -> str:
        """Return it as a person writes it."""
        return f"{self.name} <{self.address}>" if self.name else self.address


def parse_mail_server(text: str) -> MailServer | None:
    """Parse `smtps://user:password@mail.example.com`, or nothing. No error repeats the password.

    A password is sent over an encrypted connection only, so with one STARTTLS is not left to the
    server.
    """
    if not text:
        return None
    wrong = ValueError(
        "expected a URL such as smtps://user:password@mail.example.com:465, "
        "smtp+starttls://user:password@mail.example.com:587 or smtp://localhost:25; characters "
        "such as @ and / of the password are percent-encoded"
    )
    try:
        parts = urlsplit(text)
        usual = _SCHEMES.get(parts.scheme)
        number = parts.port
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        raise wrong from None
    whole_url = parts.hostname and not (parts.path.strip("/") or parts.query or parts.fragment)
    if usual is None or not whole_url or number == 0 or bool(user) != bool(password):
        raise wrong
    if not (user + password).isprintable():
        raise ValueError("expected a user and a password of printable characters")
    usual_port, security = usual
    if user and security == "starttls_if_offered":
        security = "starttls"
    return MailServer(str(parts.hostname), number or usual_port, security, user, password)


def parse_mailbox(text: str) -> Mailbox | None:
    """Parse `webhooks@example.com` or `Acme Webhooks <webhooks@example.com>`, or nothing."""
    if not text:
        return None
    match = _MAILBOX.fullmatch(text) if text.isprintable() else None
    name = (match["name"] or "").strip().strip('"') if match else ""
    address = ((match["bracketed"] or match["bare"]) if match else "").strip()
    if not is_email(address) or len(name) > _MAX_NAME:
        raise ValueError(
            "expected an address such as webhooks@example.com, or a name of up to "
            f"{_MAX_NAME} characters with it: Acme Webhooks <webhooks@example.com>"
        )
    return Mailbox(name, address)
