"""Certificates are verified, handshakes have a deadline, and each failure has its own code."""

import asyncio
import datetime as dt
import socket
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.egress.deadlines import Deadlines
from winnerr_webhooks.egress.outgoing_connection import OutgoingConnection
from winnerr_webhooks.egress.tls import client_context

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DAY = dt.timedelta(days=1)


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def self_signed(folder) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "self-signed.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def answer_all(peer) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


@pytest.fixture(autouse=True)
def _hooks_test(names):
    names.set("hooks.test", ["127.0.0.1"])


async def test_a_valid_certificate_is_accepted_and_the_connection_reused(
    serve, client, post, authority
):
    tls = server_context(authority.issue_cert("hooks.test"))
    tls.set_alpn_protocols(["h2", "http/1.1"])
    receiver = await serve(answer_all, tls=tls)
    url = f"https://hooks.test:{receiver.port}/"

    first = await post(client, url)
    second = await post(client, url)

    assert (first.status, first.response_body) == (200, b"ok")
    assert first.timings.connect_ms > 0
    assert first.timings.tls_ms > 0
    assert second.status == 200
    assert second.timings.tls_ms is None
    assert len(receiver.peers) == 1
    spoken = receiver.peers[0].writer.get_extra_info("ssl_object")
    assert spoken.selected_alpn_protocol() == "http/1.1"


async def test_a_literal_address_is_verified_by_its_certificate(serve, client, post, authority):
    receiver = await serve(answer_all, tls=server_context(authority.issue_cert("127.0.0.1")))
    exchange = await post(client, f"https://127.0.0.1:{receiver.port}/")
    assert exchange.status == 200


@pytest.mark.parametrize("host", ["a_b.example.test", "_dmarc.example.test", "A_b.Example.test"])
async def test_a_wildcard_certificate_is_also_for_a_label_with_an_underscore(
    serve, client, post, authority, *, names, host
):
    names.set(host.lower(), ["127.0.0.1"])
    receiver = await serve(answer_all, tls=server_context(authority.issue_cert("*.example.test")))
    exchange = await post(client, f"https://{host}:{receiver.port}/")
    assert (exchange.status, exchange.failure) == (200, None)


@pytest.mark.parametrize(
    ("certified", "host"),
    [
        ("*.example.org", "a_b.example.test"),
        ("*.example.test", "a_b.c.example.test"),
        ("*.test", "x_y.z.test"),
        ("a-b.example.test", "a_b.example.test"),
        ("*.example.test", "a_b.example.test.evil.test"),
    ],
)
async def test_a_host_with_an_underscore_is_verified_too(
    serve, client, post, authority, *, names, certified, host
):
    names.set(host, ["127.0.0.1"])
    receiver = await serve(answer_all, tls=server_context(authority.issue_cert(certified)))
    exchange = await post(client, f"https://{host}:{receiver.port}/")
    assert (exchange.failure.kind, exchange.failure.code) == ("tls", "wrong_host")
    stranger = await serve(answer_all, tls=server_context(trustme.CA().issue_cert(certified)))
    exchange = await post(client, f"https://{host}:{stranger.port}/")
    assert (exchange.failure.kind, exchange.failure.code) == ("tls", "unknown_ca")
    assert all(not peer.sent for peer in (*receiver.peers, *stranger.peers))


async def test_each_certificate_fault_has_its_own_code(serve, client, post, authority, tmp_path):
    now = dt.datetime.now(dt.UTC)
    contexts = {
        "expired": server_context(
            authority.issue_cert("hooks.test", not_before=now - 2 * DAY, not_after=now - DAY)
        ),
        "not_yet_valid": server_context(
            authority.issue_cert("hooks.test", not_before=now + DAY, not_after=now + 2 * DAY)
        ),
        "wrong_host": server_context(authority.issue_cert("other.test")),
        "unknown_ca": server_context(trustme.CA().issue_cert("hooks.test")),
        "self_signed": self_signed(tmp_path),
    }
    for code, context in contexts.items():
        receiver = await serve(answer_all, tls=context)
        exchange = await post(client, f"https://hooks.test:{receiver.port}/")
        assert exchange.failure is not None, code
        assert (exchange.failure.kind, exchange.failure.code) == ("tls", code)
        assert exchange.failure.phase == "tls"
        assert exchange.status is None
        assert exchange.timings.connect_ms > 0
        assert exchange.timings.tls_ms is None


async def test_a_name_in_the_subject_only_is_the_wrong_host(serve, client, post, authority):
    certificate = authority.issue_cert("127.0.0.9", common_name="hooks.test")
    receiver = await serve(answer_all, tls=server_context(certificate))
    exchange = await post(client, f"https://hooks.test:{receiver.port}/")
    assert exchange.failure.code == "wrong_host"


async def test_an_idle_connection_is_closed_at_once_when_the_receiver_ends_it(client):
    lost = asyncio.Event()
    connection = OutgoingConnection(
        ("org_1", "https", "hooks.test", 443),
        clock=SystemClock(),
        loop=asyncio.get_running_loop(),
        grace=Deadlines(2.0),
        on_lost=lambda _: lost.set(),
    )
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        await asyncio.get_running_loop().create_connection(lambda: connection, sock=ours)
        connection._transport.write(b"x" * 2**22)  # never read: closing in order would wait for it
        connection.eof_received()
        await asyncio.wait_for(lost.wait(), 60)


async def test_a_literal_address_the_certificate_does_not_name_is_the_wrong_host(
    serve, client, post, authority
):
    receiver = await serve(answer_all, tls=server_context(authority.issue_cert("hooks.test")))
    exchange = await post(client, f"https://127.0.0.1:{receiver.port}/")
    assert (exchange.failure.kind, exchange.failure.code) == ("tls", "wrong_host")


async def test_plain_http_on_the_port_is_named(serve, client, post):
    async def script(peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await peer.gone()

    receiver = await serve(script)
    exchange = await post(client, f"https://hooks.test:{receiver.port}/")
    assert (exchange.failure.kind, exchange.failure.code) == ("tls", "not_tls")


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_connection_that_ends_in_the_handshake_is_a_tls_failure(serve, client, post, reset):
    async def script(peer) -> None:
        await peer.reader.read(1)
        if reset:
            peer.reset()

    receiver = await serve(script)
    exchange = await post(client, f"https://hooks.test:{receiver.port}/")
    assert (exchange.failure.kind, exchange.failure.code) == ("tls", "tls_failed")


async def test_a_handshake_that_never_ends_is_closed_at_the_deadline(serve, make_client, post):
    async def script(peer) -> None:
        await peer.gone()

    receiver = await serve(script)
    exchange = await post(make_client(timeout=1.5), f"https://hooks.test:{receiver.port}/")
    assert (exchange.failure.kind, exchange.failure.phase) == ("timeout", "tls")
    assert 1490 <= exchange.duration_ms < 20_000
    async with asyncio.timeout(60):
        await receiver.ended.wait()


async def test_a_receiver_that_wants_a_client_certificate_is_a_tls_failure(client, post, authority):
    tls = server_context(authority.issue_cert("hooks.test"))
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED

    def refuse(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        accepted.settimeout(60)
        # Blocking, for asyncio's servers drop such a client without the alert others send.
        with (
            accepted,
            tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False) as sock,
        ):
            with pytest.raises(ssl.SSLError):
                sock.do_handshake()
            with socket.socket(fileno=sock.detach()) as left:
                left.settimeout(60)
                while left.recv(65536):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        refusing = asyncio.create_task(asyncio.to_thread(refuse, listener))
        exchange = await post(client, f"https://hooks.test:{port}/")
        await refusing
    assert exchange.status is None
    assert exchange.failure.kind == "tls"
    assert "asks for a client certificate" in exchange.failure.message


async def test_an_older_tls_than_1_2_is_refused(serve, client, post, authority):
    tls = server_context(authority.issue_cert("hooks.test"))
    tls.set_ciphers("DEFAULT@SECLEVEL=0")  # without it OpenSSL itself speaks nothing older
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        tls.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    receiver = await serve(answer_all, tls=tls)
    exchange = await post(client, f"https://hooks.test:{receiver.port}/")
    assert exchange.failure.kind == "tls"


async def test_a_reused_tls_connection_that_ends_is_replaced(serve, client, post, authority):
    async def once(peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        receiver.script = answer_all

    receiver = await serve(once, tls=server_context(authority.issue_cert("hooks.test")))
    url = f"https://hooks.test:{receiver.port}/"
    await post(client, url)
    exchange = await post(client, url)
    assert exchange.status == 200
    assert exchange.timings.reconnected
    assert exchange.timings.tls_ms > 0


def test_the_tls_context_verifies_and_requires_tls_1_2():
    context = client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.keylog_filename is None
