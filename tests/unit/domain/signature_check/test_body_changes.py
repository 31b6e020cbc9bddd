"""The signature check undoes what gateways, frameworks and typed models do to a body."""

import base64
import hashlib
import hmac
import html
import json
import unicodedata

import pytest

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.signature_check.signature_checker import check_signature
from winnerr_webhooks.domain.signature_check.signature_claims import read_signature

BRANDING = Config().branding
SECRET = "a secret of ours"
BODY = (
    '{"event":"deal.closed_won","timestamp":"2025-06-15T15:06:39Z","organizationId":"org_acme",'
    '"data":{"name":"Zoë O\'Neil","phone":"+49 30 901820","amount":12000.50,"share":0.10,'
    '"number":1234567890123456789}}'
).encode()
ROUNDED = BODY.replace(b"6789}", b"6800}")


def names(body: bytes, secret=SECRET, key=SECRET) -> set[str]:
    digest = hmac.new(
        key if isinstance(key, bytes) else key.encode(), BODY, hashlib.sha256
    ).hexdigest()
    headers = read_signature("sha256=" + digest, BRANDING)
    found = check_signature(body=body, headers=headers, secret=secret, now=0)
    assert found.proven
    return {mistake.name for mistake in found.mistakes}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(base64.b64encode(BODY), id="base64_of_a_gateway"),
        pytest.param(json.dumps({"version": "2.0", "body": BODY.decode()}).encode(), id="lambda"),
        pytest.param(str(BODY).encode(), id="str_of_python_bytes"),
        pytest.param(html.escape(BODY.decode()).encode(), id="html"),
        pytest.param(BODY.replace(b'"', b'\\"').replace(b"'", b"\\'"), id="slashes_of_wordpress"),
        pytest.param(unicodedata.normalize("NFD", BODY.decode()).encode(), id="decomposed"),
        pytest.param(BODY.replace(b"+", b" "), id="plus_decoded_as_of_a_form"),
    ],
)
def test_a_body_within_another_text_is_found(body):
    assert names(body) == {"changed_body"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BODY.replace(b".50", b".5").replace(b".10", b".1"), id="last_zeros"),
        pytest.param(ROUNDED, id="a_number_that_javascript_rounds"),
        pytest.param(BODY.replace(b":39Z", b":39.000Z"), id="milliseconds"),
        pytest.param(BODY.replace(b"T15:06:39Z", b"T17:06:39+02:00"), id="offset"),
    ],
)
def test_what_a_model_loses_is_brought_back(body):
    assert names(body) == {"reserialized"}


def test_a_part_of_a_payload_is_no_wrong_secret():
    headers = read_signature("sha256=" + "0" * 64, BRANDING)
    found = check_signature(body=b'{"id":"task_5"}', headers=headers, secret=SECRET, now=0)
    assert [mistake.name for mistake in found.mistakes] == ["changed_body"]
    assert "keys event, timestamp, organizationId and data" in found.mistakes[0].explanation


def test_a_secret_in_latin_1_is_found_in_the_text_and_in_the_key():
    secret = "Schlüssel"
    mangled = secret.encode().decode("latin-1")
    assert names(BODY, mangled, key=secret) == {"encoding"}
    assert names(BODY, secret, key=secret.encode("latin-1")) == {"encoding"}


def test_a_digest_that_is_encoded_twice_is_found():
    digest = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    twice = "sha256=" + base64.b64encode(digest.encode()).decode()
    headers = read_signature(twice, BRANDING)
    found = check_signature(body=BODY, headers=headers, secret=SECRET, now=0)
    assert [mistake.name for mistake in found.mistakes] == ["encoding"]
    assert "encoded twice" in found.mistakes[0].explanation
