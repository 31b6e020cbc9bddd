"""Client certificates, against real TLS servers that demand them."""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from msgspec.structs import replace
from tests.certificates import AlertingServer, Authority, Identity

from winnerr_webhooks.domain.client_identity import ClientIdentity
from winnerr_webhooks.domain.url import parse_url
from winnerr_webhooks.egress import client_contexts as module
from winnerr_webhooks.egress.client_contexts import ClientContexts
from winnerr_webhooks.egress.tls import client_context


@pytest.fixture(scope="module")
def ca(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def alice(ca) -> Identity:
    return ca.issue("alice")


@pytest.fixture
def serve_alerting():
    """Start servers whose alerts are sent."""
    started = []

    def start(context: ssl.SSLContext) -> AlertingServer:
        started.append(AlertingServer(context))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def client(make_client, ca):
    def new_context() -> ssl.SSLContext:
        context = client_context()
        context.load_verify_locations(ca.file)
        return context

    return make_client(new_context=new_context)


async def names(peer) -> None:
    """Answer each request with the name in the client's certificate."""
    certificate = peer.writer.get_extra_info("peercert")
    name = certificate["subject"][0][0][1].encode() if certificate else b"nobody"
    while True:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def identity_of(made: Identity) -> ClientIdentity:
    return ClientIdentity.of(made.certificate, made.key)


async def post(client, port: int, identity: ClientIdentity | None):
    destination = replace(
        parse_url(f"https://127.0.0.1:{port}/hook", allow_http=False), identity=identity
    )
    head = b"POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
    return await client.post(destination, "org_1", head, b"{}")


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"]
)
@pytest.mark.parametrize("key", [("rsa:2048",), ("ed25519",), ()], ids=["rsa", "ed25519", "ecdsa"])
async def test_a_receiver_sees_the_certificate_with_every_kind_of_key(
    serve, client, ca, version, key
):
    context = ca.server_context()
    context.minimum_version = context.maximum_version = version
    receiver = await serve(names, tls=context)
    exchange = await post(client, receiver.port, identity_of(ca.issue("bob", *key)))
    assert (exchange.status, exchange.response_body) == (200, b"bob")


async def test_connections_are_kept_apart_by_certificate(serve, client, ca, alice):
    context = ca.server_context()
    context.verify_mode = ssl.CERT_OPTIONAL
    receiver = await serve(names, tls=context)
    other = identity_of(ca.issue("carol"))
    for identity, name in ((None, b"nobody"), (identity_of(alice), b"alice"), (other, b"carol")):
        for _ in range(2):
            assert (await post(client, receiver.port, identity)).response_body == name
    assert len(receiver.peers) == 3


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_of_another_authority_is_refused_and_told(
    serve_alerting, client, ca, tmp_path, version
):
    context = ca.server_context()
    context.minimum_version = context.maximum_version = version
    receiver = serve_alerting(context)
    stranger = Authority(tmp_path, "Another CA").issue("mallory")
    failure = (await post(client, receiver.port, identity_of(stranger))).failure
    assert (failure.kind, failure.code) == ("tls", "certificate_refused")
    assert failure.message == "The receiver refused the client certificate: unknown ca."


async def test_an_expired_certificate_is_refused_and_told(serve_alerting, client, ca):
    authority = trustme.CA()
    context = ca.server_context()
    authority.configure_trust(context)
    receiver = serve_alerting(context)
    expired = authority.issue_cert("dave", not_after=datetime(2026, 1, 2, tzinfo=UTC))
    identity = ClientIdentity.of(
        expired.cert_chain_pems[0].bytes().decode(), expired.private_key_pem.bytes().decode()
    )
    failure = (await post(client, receiver.port, identity)).failure
    assert (failure.kind, failure.code) == ("tls", "certificate_refused")
    assert "expired" in failure.message


async def test_a_receiver_that_wants_a_certificate_says_so(serve_alerting, client, ca):
    context = ca.server_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    receiver = serve_alerting(context)
    failure = (await post(client, receiver.port, None)).failure
    assert (failure.kind, failure.code) == ("tls", "certificate_required")


async def test_contexts_are_made_once_and_bounded(ca, alice, monkeypatch):
    made = []

    def new_context() -> ssl.SSLContext:
        made.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return made[-1]

    monkeypatch.setattr(module, "MAX_CONTEXTS", 2)
    contexts = ClientContexts(new_context)
    first, second, third = map(identity_of, (alice, ca.issue("erin"), ca.issue("frank")))
    same = await asyncio.gather(*(contexts.get(first) for _ in range(10)))
    assert (len(set(same)), len(made)) == (1, 1)
    await contexts.get(second)
    assert await contexts.get(first) is same[0]
    await contexts.get(third)
    assert len(contexts) == 2
    assert await contexts.get(first) is same[0]
    await contexts.get(second)
    assert len(made) == 4


async def test_a_key_that_openssl_refuses_is_an_error_and_leaves_no_file_open(alice):
    contexts = ClientContexts(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    before = open_files()
    for _ in range(3):
        with pytest.raises(ssl.SSLError):
            await contexts.get(ClientIdentity.of(alice.certificate, "no key"))
    await contexts.get(identity_of(alice))
    assert open_files() == before
    assert len(contexts) == 1


def test_nothing_secret_is_in_a_repr(alice):
    assert alice.key.splitlines()[1] not in repr(identity_of(alice))
