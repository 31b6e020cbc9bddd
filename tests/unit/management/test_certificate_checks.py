"""Client certificates as they are saved: what is refused, where, and with which remedy."""

import subprocess
import time

import pytest
import trustme
from tests.certificates import Authority

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.management.certificate_checks import (
    CERTIFICATE,
    MAX_PEM,
    PRIVATE_KEY,
    check_identity,
)

DAY = 86_400_000


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def alice(ca):
    return ca.issue("alice")


def soon(days: float = 0) -> int:
    """Return when everything that the tests have issued is valid, or some days later."""
    return time.time_ns() // 1_000_000 + 60_000 + round(days * DAY)


def refusal(certificate: str, key: str, now: int | None = None) -> tuple[str, str]:
    with pytest.raises(Invalid) as refused:
        check_identity(certificate, key, soon() if now is None else now)
    (error,) = refused.value.errors
    return error.pointer, error.message


@pytest.mark.parametrize("key", [("rsa:2048",), ("ed25519",), ()])
def test_rsa_ecdsa_and_ed25519_are_accepted_also_with_their_chain(ca, key):
    made = ca.issue("bob", *key)
    check_identity(made.certificate, made.key, soon())
    check_identity(made.certificate + ca.file.read_text(), made.key, soon())
    check_identity(made.certificate.replace("\n", "\r\n"), made.key.replace("\n", "\r\n"), soon())


def test_a_key_of_another_certificate_is_refused(ca, alice):
    pointer, message = refusal(alice.certificate, ca.issue("carol").key)
    assert (pointer, "does not belong" in message) == (PRIVATE_KEY, True)
    pointer, message = refusal(ca.file.read_text() + alice.certificate, alice.key)
    assert (pointer, "the first one" in message) == (PRIVATE_KEY, True)


def test_an_encrypted_key_is_refused_with_the_command_that_helps(alice, tmp_path):
    for cipher in ("-aes256", "-des3"):
        locked = tmp_path / "locked.key"
        subprocess.run(
            ["openssl", "ec", cipher, "-in", alice.key_file, "-out", locked, "-passout", "pass:x"],
            check=True,
            capture_output=True,
        )
        pointer, message = refusal(alice.certificate, locked.read_text())
        assert (pointer, "openssl pkey" in message) == (PRIVATE_KEY, True)


def test_a_certificate_outside_of_its_time_is_refused(alice):
    pointer, message = refusal(alice.certificate, alice.key, soon(25))
    assert (pointer, "expired on" in message) == (CERTIFICATE, True)
    pointer, message = refusal(alice.certificate, alice.key, soon(-2))
    assert (pointer, "not valid before" in message) == (CERTIFICATE, True)


def test_what_is_no_pem_or_too_large_is_refused(alice):
    for text in ("", "hello", alice.key):
        assert refusal(text, alice.key)[0] == CERTIFICATE
    for text in ("", "hello", alice.certificate):
        assert refusal(alice.certificate, text)[0] == PRIVATE_KEY
    assert "16,384" in refusal(alice.certificate + " " * MAX_PEM, alice.key)[1]
    assert refusal(alice.certificate, alice.key + " " * MAX_PEM)[0] == PRIVATE_KEY


def test_what_tls_would_not_take_is_refused_now(ca):
    made = ca.issue("weak", "rsa:1024")
    pointer, message = refusal(made.certificate, made.key)
    assert (pointer, "2,048" in message) == (CERTIFICATE, True)


def test_no_message_has_the_key(alice):
    secret = alice.key.splitlines()[1]
    other = trustme.CA().issue_cert("x").cert_chain_pems[0].bytes().decode()
    assert secret not in refusal(other, alice.key)[1]
