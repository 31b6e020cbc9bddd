"""Ed25519 signatures, verified by the `openssl` command; and with HMAC beside them."""

import base64
import subprocess

import pytest

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.ed25519_keys import (
    ED25519,
    HMAC,
    check_signing_key,
    public_key,
    signing_kind,
)
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.mixed_signing import make_signer
from winnerr_webhooks.domain.signing import Signer, check_secret
from winnerr_webhooks.ids import new_signing_key

BRANDING = Config().branding
BODY, EVENT, SECONDS = b'{"a":1}', "evt_1", 1_736_950_982
KEY = "whsk_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsk_" + base64.b64encode(bytes(range(1, 33))).decode()
SECRET = "an old friend of mine"
DER_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""What precedes the 32 bytes of a public key in its DER form (RFC 8410, section 4)."""


def signed(secret: str, following: str | None = None, ends_at: int | None = None, now: int = 0):
    """Return the signature headers by name."""
    signer = make_signer(secret, following, ends_at, branding=BRANDING)
    lines = signer.headers(BODY, EVENT, SECONDS, now).decode().split("\r\n")
    assert lines.pop() == ""
    return dict(line.split(": ", 1) for line in lines)


def is_valid(entry: str, public: str, folder) -> bool:
    """Whether openssl verifies an entry of `webhook-signature`."""
    version, _, text = entry.partition(",")
    assert version == "v1a"
    (folder / "key.der").write_bytes(DER_PREFIX + base64.b64decode(public.removeprefix("whpk_")))
    (folder / "signature").write_bytes(base64.b64decode(text, validate=True))
    (folder / "content").write_bytes(f"{EVENT}.{SECONDS}.".encode() + BODY)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key.der"]
    command += ["-rawin", "-in", "content", "-sigfile", "signature"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


def test_openssl_verifies_the_signature_and_there_is_no_header_of_hmac(tmp_path):
    headers = signed(KEY)
    assert list(headers) == ["webhook-signature"]
    assert is_valid(headers["webhook-signature"], public_key(KEY), tmp_path)
    assert not is_valid(headers["webhook-signature"], public_key(OTHER), tmp_path)


def test_during_a_rotation_both_keys_sign_and_then_the_new_one_alone(tmp_path):
    old, new = signed(KEY, OTHER, 100, now=99)["webhook-signature"].split(" ")
    assert is_valid(old, public_key(KEY), tmp_path)
    assert is_valid(new, public_key(OTHER), tmp_path)
    assert signed(KEY, OTHER, 100, now=100)["webhook-signature"] == new


def test_a_secret_and_a_key_overlap_in_either_direction(tmp_path):
    hmac = dict(
        line.split(": ", 1)
        for line in Signer(SECRET, branding=BRANDING)
        .headers(BODY, EVENT, SECONDS, 0)
        .decode()
        .split("\r\n")[:-1]
    )
    own = BRANDING.signature_header
    to_key = signed(SECRET, KEY, 100)
    assert to_key[own] == hmac[own]
    first, second = to_key["webhook-signature"].split(" ")
    assert first == hmac["webhook-signature"]
    assert is_valid(second, public_key(KEY), tmp_path)
    to_secret = signed(KEY, SECRET, 100)
    assert to_secret[f"{own}-Next"] == hmac[own]
    assert own not in to_secret
    assert to_secret["webhook-signature"].split(" ")[::-1] == [first, second]
    assert signed(KEY, SECRET, 100, now=100) == hmac


def test_secrets_alone_are_signed_with_as_before():
    assert isinstance(make_signer(SECRET, None, None, branding=BRANDING), Signer)


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        (KEY, ED25519),
        (None, HMAC),
        (SECRET, HMAC),
        ("whsk_short", HMAC),
        (KEY.upper(), HMAC),
        ("whsk_" + "é" * 44, HMAC),
    ],
)
def test_the_kind_of_a_secret_is_in_its_text(secret, kind):
    assert signing_kind(secret) == kind


def test_a_new_key_is_accepted_and_a_secret_is_none():
    check_signing_key(new_signing_key())
    for wrong in (SECRET, KEY[:-4], "whpk_" + KEY[5:]):
        with pytest.raises(Invalid) as refusal:
            check_signing_key(wrong)
        assert KEY[5:] not in refusal.value.detail
    with pytest.raises(Invalid):
        check_secret(KEY)
