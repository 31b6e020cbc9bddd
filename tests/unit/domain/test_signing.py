"""Signatures equal those a receiver computes with the standard library, Node.js and the SDK."""

import base64
import hashlib
import hmac
import json
import re
import shutil
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.branding import Branding, make_branding, parse_signature_format
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.signing import Signer, check_secret, standard_key

BRANDING = Config().branding
BODY = '{"event":"contact.created","data":{"name":"Zoë Nguyễn 👩","n":1.0}}'.encode()
EVENT_ID = "evt_01kan00000000000000000000a"
SECONDS = 1_736_950_980
NOW_MS = SECONDS * 1000 + 250
OLD = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NEXT_WHSEC = "whsec_" + base64.b64encode(b"the next key").decode()
NEW = "a passphrase, ünïcode & all"

OWN, NEXT, STANDARD = "X-Winnerr-Signature", "X-Winnerr-Signature-Next", "webhook-signature"


def signer_of(secret: str, *rotation: str | int, branding: Branding = BRANDING) -> Signer:
    return Signer(secret, *rotation, branding=branding)


def headers(signer: Signer, body: bytes = BODY, now_ms: int = NOW_MS) -> dict[str, str]:
    raw = signer.headers(body, EVENT_ID, SECONDS, now_ms).decode("ascii")
    assert raw.endswith("\r\n")
    return dict(line.split(": ", 1) for line in raw[:-2].split("\r\n"))


def own(secret: str, body: bytes = BODY) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard(secret: str, body: bytes = BODY) -> str:
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    content = f"{EVENT_ID}.{SECONDS}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def test_a_secret_gives_both_signatures_and_nothing_else():
    assert headers(signer_of(OLD)) == {OWN: own(OLD), STANDARD: standard(OLD)}


@given(
    secret=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=8, max_size=256).filter(
        lambda text: not text.startswith("whsec_")
    ),
    body=st.binary(max_size=3_000),
)
def test_any_secret_and_any_body_sign_as_the_standard_library_does(secret, body):
    assert headers(signer_of(secret), body) == {
        OWN: own(secret, body),
        STANDARD: standard(secret, body),
    }


@given(key=st.binary(min_size=1, max_size=180), body=st.binary(max_size=200))
def test_keys_of_any_length_in_a_whsec_secret_sign_as_the_standard_library_does(key, body):
    secret = "whsec_" + base64.b64encode(key).decode()
    assert headers(signer_of(secret), body) == {
        OWN: own(secret, body),
        STANDARD: standard(secret, body),
    }


def test_one_signer_signs_many_bodies_without_mixing_them_up():
    signer = signer_of(OLD)
    for body in (b"{}", BODY, b"", b"{}"):
        assert headers(signer, body)[OWN] == own(OLD, body)


def test_during_a_rotation_the_old_secret_signs_and_the_new_one_beside_it():
    signer = signer_of(OLD, NEW, NOW_MS + 1)
    assert headers(signer) == {
        OWN: own(OLD),
        NEXT: own(NEW),
        STANDARD: f"{standard(OLD)} {standard(NEW)}",
    }


def test_after_the_rotation_the_new_secret_signs_alone():
    signer = signer_of(OLD, NEW, NOW_MS)
    assert NEXT in headers(signer, now_ms=NOW_MS - 1)
    assert headers(signer, now_ms=NOW_MS) == {OWN: own(NEW), STANDARD: standard(NEW)}


@pytest.mark.parametrize(
    ("form", "digest_of"),
    [
        ("{hex}", lambda digest: digest.hex()),
        ("100%b {base64} %d", lambda digest: f"100%b {base64.b64encode(digest).decode()} %d"),
    ],
)
def test_another_product_names_its_header_and_writes_its_signature(form, digest_of):
    branding = make_branding("Globex", "", "X-Hub%-Sign", parse_signature_format(form))
    expected = [digest_of(hmac.digest(one.encode(), BODY, "sha256")) for one in (OLD, NEW)]
    rotating = headers(signer_of(OLD, NEW, NOW_MS + 1, branding=branding))
    assert [rotating["X-Hub%-Sign"], rotating["X-Hub%-Sign-Next"]] == expected
    assert headers(signer_of(OLD, branding=branding)) == {
        "X-Hub%-Sign": expected[0],
        STANDARD: standard(OLD),
    }


@pytest.mark.parametrize("receivers", [OLD, NEXT_WHSEC])
def test_the_standardwebhooks_package_verifies_it_with_either_secret_of_a_rotation(receivers):
    now = int(time.time())  # the package reads the clock itself
    raw = signer_of(OLD, NEXT_WHSEC, now * 1000 + 1).headers(BODY, EVENT_ID, now, now * 1000)
    (signature,) = re.findall(rb"^webhook-signature: (.+)\r$", raw, re.MULTILINE)
    sent = {
        "webhook-id": EVENT_ID,
        "webhook-timestamp": str(now),
        "webhook-signature": signature.decode(),
    }
    assert Webhook(receivers).verify(BODY, sent) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(receivers).verify(BODY + b" ", sent)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node on PATH")
@pytest.mark.parametrize("secret", [OLD, NEW])
def test_nodejs_createhmac_over_the_raw_body_gives_the_same(secret):
    script = """
        const {createHmac} = require('crypto')
        const chunks = []
        process.stdin.on('data', chunk => chunks.push(chunk)).on('end', () => {
          const rawBody = Buffer.concat(chunks)
          const secret = process.argv[1]
          const hex = createHmac('sha256', secret).update(rawBody).digest('hex')
          process.stdout.write('sha256=' + hex)
        })
    """
    node = subprocess.run(
        ["node", "-e", script, secret], input=BODY, capture_output=True, check=True, timeout=30
    )
    assert node.stdout.decode() == headers(signer_of(secret))[OWN]


@pytest.mark.parametrize(
    "secret",
    ["12345678", "x" * 256, "ünïcödé!", "with some spaces", OLD, "whsec_QUJD", "WHSEC_no base64"],
)
def test_a_valid_secret_is_accepted(secret):
    check_secret(secret)
    signer_of(secret)


@pytest.mark.parametrize(
    ("secret", "word"),
    [
        ("", "8 to 256"),
        ("1234567", "8 to 256"),
        ("x" * 257, "8 to 256"),
        ("nul\0inside", "printable"),
        ("line\nbreak", "printable"),
        ("tab\tinside", "printable"),
        ("half \ud800 pair", "printable"),
        ("whsec_!!!!!!!!", "base64"),
        ("whsec_QUJ", "base64"),
        ("whsec_==", "base64"),
        ("whsec_QUJDRA", "base64"),
        ("whsec_QUJD====", "base64"),
        ("whsec_QU JD", "base64"),
        ("whsec_=QUJD", "base64"),
        ("whsec_ünïcode", "base64"),
        ("whsec_-_-_-_-_", "base64"),
    ],
)
def test_an_unusable_secret_is_refused_without_repeating_it(secret, word):
    with pytest.raises(Invalid) as refused:
        check_secret(secret)
    (error,) = refused.value.errors
    assert error.pointer == "/secret"
    assert word in error.message
    assert not secret or secret not in error.message


def test_the_standard_key_is_decoded_only_after_whsec():
    assert standard_key("whsec_QUJD") == b"ABC"
    assert standard_key("QUJDREVG") == b"QUJDREVG"
