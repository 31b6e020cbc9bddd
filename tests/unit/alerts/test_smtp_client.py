"""Handing mails to a real SMTP server: encryption, credentials, and every way it can fail."""

import asyncio
import ssl
from email.message import EmailMessage

import pytest
from tests.certificates import Authority
from tests.mail_server import MailServer
from tests.postgres import free_port

from winnerr_webhooks.alerts import smtp_client
from winnerr_webhooks.alerts.smtp_client import SmtpClient
from winnerr_webhooks.domain.mail_server import parse_mail_server

PASSWORD = "p@ss/word-of-ours"
LOGIN = "hooks:p%40ss%2Fword-of-ours@"


def mail(to="jane@example.com"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "hooks@example.com", to, "Über Webhooks"
    message.set_content("Grüße")
    return message


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def server_tls(authority):
    identity = authority.issue("localhost", usage="serverAuth", host="IP:127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity.certificate_file, identity.key_file)
    return context


@pytest.fixture
def client_tls(authority):
    return ssl.create_default_context(cafile=str(authority.file))


@pytest.fixture
async def make_server():
    servers = []

    async def make(**options):
        servers.append(await MailServer(**options).start())
        return servers[-1]

    yield make
    for server in servers:
        await server.stop()


async def send(url, *messages, tls=None):
    return await SmtpClient(parse_mail_server(url), tls=tls).send(messages or [mail()])


async def test_several_mails_go_over_one_connection_to_a_server_without_encryption(make_server):
    server = await make_server()
    answers = await send(f"smtp://127.0.0.1:{server.port}", mail(), mail("joe@example.com"))
    assert answers == [None, None]
    assert [one["To"] for one in server.mails] == ["jane@example.com", "joe@example.com"]
    assert server.mails[0]["Subject"] == "Über Webhooks"
    assert server.mails[0].get_content().strip() == "Grüße"
    assert server.was_encrypted == [False, False]


@pytest.mark.parametrize("scheme", ["smtp", "smtp+starttls"])
async def test_starttls_encrypts_and_the_user_signs_in_after_it(
    make_server, server_tls, client_tls, scheme
):
    server = await make_server(tls=server_tls, user="hooks", password=PASSWORD)
    url = f"{scheme}://{LOGIN}127.0.0.1:{server.port}"
    assert await send(url, tls=client_tls) == [None]
    assert server.was_encrypted == [True]


async def test_smtps_is_encrypted_from_the_first_byte_on(make_server, server_tls, client_tls):
    server = await make_server(
        tls=server_tls, is_tls_from_the_start=True, user="hooks", password=PASSWORD
    )
    assert await send(f"smtps://{LOGIN}127.0.0.1:{server.port}", tls=client_tls) == [None]
    assert server.was_encrypted == [True]


async def test_a_password_is_not_sent_to_a_server_without_encryption(make_server):
    server = await make_server()
    (failure,) = await send(f"smtp://{LOGIN}127.0.0.1:{server.port}")
    assert failure is not None
    assert "STARTTLS" in failure.reason
    assert not failure.is_final
    assert server.mails == []


async def test_a_certificate_that_nobody_vouches_for_is_refused(make_server, server_tls):
    server = await make_server(tls=server_tls)
    (failure,) = await send(f"smtp+starttls://127.0.0.1:{server.port}")
    assert failure is not None
    assert "CERTIFICATE_VERIFY_FAILED" in failure.reason
    assert server.mails == []


async def test_another_authority_can_be_named_to_the_process(
    make_server, server_tls, authority, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    server = await make_server(tls=server_tls)
    assert await send(f"smtp+starttls://127.0.0.1:{server.port}") == [None]
    assert server.was_encrypted == [True]


async def test_a_wrong_password_is_told_without_the_password(make_server, server_tls, client_tls):
    server = await make_server(tls=server_tls, user="hooks", password="another one")
    (failure,) = await send(f"smtp://{LOGIN}127.0.0.1:{server.port}", tls=client_tls)
    assert failure is not None
    assert failure.reason == "The SMTP server refuses the user and password of SMTP_URL (535)."
    assert not failure.is_final
    assert PASSWORD not in repr(failure)


async def test_an_address_that_is_refused_for_good_stops_no_other_mail(make_server):
    server = await make_server()
    server.refuse = {"gone@example.com": "550 no such user", "full@example.com": "452 no room"}
    url = f"smtp://127.0.0.1:{server.port}"
    gone, full, sent = await send(url, mail("gone@example.com"), mail("full@example.com"), mail())
    assert gone is not None
    assert full is not None
    assert (gone.reason, gone.is_final) == ("The SMTP server answered 550 no such user", True)
    assert (full.reason, full.is_final) == ("The SMTP server answered 452 no room", False)
    assert sent is None


async def test_a_server_that_is_down_fails_every_mail_for_now():
    answers = await send(f"smtp://127.0.0.1:{free_port()}", mail(), mail())
    assert all(answer is not None and not answer.is_final for answer in answers)


async def test_a_server_that_does_not_answer_is_left_after_a_while(make_server, monkeypatch):
    monkeypatch.setattr(smtp_client, "CONNECTION_SECONDS", 0.3)
    server = await make_server()
    server.is_silent = True
    async with asyncio.timeout(10):
        (failure,) = await send(f"smtp://127.0.0.1:{server.port}")
    assert failure is not None
    assert failure.reason == "The SMTP server takes too long."
