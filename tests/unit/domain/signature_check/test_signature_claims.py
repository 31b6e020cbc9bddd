"""Pasted headers are read as people have them, and signatures as receivers write them."""

import base64

import pytest

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.branding import STANDARD_FORMAT, make_branding, parse_signature_format
from winnerr_webhooks.domain.signature_check.signature_claims import (
    OWN,
    STANDARD,
    parse_headers,
    read_headers,
    read_signature,
)

DIGEST = bytes(range(32))
HEX = DIGEST.hex()
BASE64 = base64.b64encode(DIGEST).decode()
BRANDING = Config().branding
NAME = BRANDING.signature_header
FORMS = {OWN: BRANDING.signature_format, STANDARD: STANDARD_FORMAT}


@pytest.mark.parametrize(
    "text",
    [
        f"POST /hook HTTP/1.1\r\nHost: example.com\r\nX-Winnerr-Signature: sha256={HEX}\r\n",
        f'{{"x-winnerr-signature": "sha256={HEX}", "n": 1, "list": ["a", "b"]}}',
        f"HTTP_X_WINNERR_SIGNATURE: sha256={HEX}",
        f"  -H 'X-Winnerr-Signature: sha256={HEX}' \\\n  -H 'webhook-id: evt_1'",
        f"'x-winnerr-signature': 'sha256={HEX}',",
    ],
    ids=["lines", "json", "cgi", "curl", "console.log"],
)
def test_headers_are_found_in_what_people_paste(text):
    pairs, signature = parse_headers(text)
    assert signature is None
    (header,) = read_headers(pairs, BRANDING).signatures
    assert header.claims[0].digest == DIGEST
    assert header.claims[0].mistakes(BRANDING.signature_format) == ()


@pytest.mark.parametrize("text", [f"sha256={HEX}", HEX, f"sha256:{HEX}", f"v1,{BASE64}"])
def test_a_signature_alone_is_no_header(text):
    assert parse_headers(f" {text}\n") == ((), text)


@pytest.mark.parametrize(
    ("text", "scheme", "mistakes"),
    [
        (f"sha256={HEX}", OWN, ()),
        (f"v1,{BASE64}", STANDARD, ()),
        (f"sha256={HEX.upper()}", OWN, ("encoding",)),
        ("sha256=" + "-".join(f"{byte:02X}" for byte in DIGEST), OWN, ("encoding",)),
        (f"SHA256={HEX}", OWN, ("prefix",)),
        (f'"{HEX}"', OWN, ("prefix",)),
        (f"hmac-sha256 {BASE64}", OWN, ("encoding", "prefix")),
        (f"v1={BASE64.rstrip('=')}", STANDARD, ("encoding", "prefix")),
        (f"v1,{base64.urlsafe_b64encode(b'?' * 32).decode()}", STANDARD, ("encoding",)),
    ],
)
def test_the_way_a_signature_is_written_is_told_from_its_value(text, scheme, mistakes):
    (header,) = read_signature(text, BRANDING, "evt_1", "1").signatures
    assert header.schemes == (OWN, STANDARD)
    assert header.claims[0].mistakes(FORMS[scheme]) == mistakes


@pytest.mark.parametrize("text", ["", "sha256=", "sha1=" + "0" * 40, HEX[:-1], "é" * 64, "A" * 42])
def test_what_holds_no_sha_256_is_no_claim(text):
    (header,) = read_signature(text, BRANDING).signatures
    assert header.claims == ()


def test_headers_that_are_missing_or_malformed_are_listed():
    found = read_headers(
        [("webhook-id", "evt.1"), ("Webhook-Timestamp", "1736950982123")], BRANDING
    )
    assert found.missing == ("webhook-signature",)
    assert found.malformed == ("webhook-id", "webhook-timestamp")
    assert read_headers([], BRANDING).missing == (NAME,)


@pytest.mark.parametrize(
    ("written", "mistakes"),
    [
        (f'keyId="x",signature="{BASE64}"', ()),
        (f'keyId="x",signature="{HEX}"', ("encoding",)),
        (BASE64, ("prefix",)),
        (f"sha256={HEX}", ("encoding", "prefix")),
    ],
)
def test_a_products_own_format_has_text_on_both_sides(written, mistakes):
    form = parse_signature_format('keyId="x",signature="{base64}"')
    branding = make_branding("Globex CRM", "", "", form)
    found = read_headers([("x-globex-crm-signature", written)], branding)
    assert found.malformed == ()
    (claim,) = found.signatures[0].claims
    assert claim.digest == DIGEST
    assert claim.mistakes(form) == mistakes
