"""Every vector that all SDKs share."""

import base64
import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from winnerr_webhooks_sdk import PayloadError, VerificationError, Webhook

FILE = Path(__file__).parents[2] / "vectors.json"
FILES = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {"vectors": [], "ed25519": []}
VECTORS = FILES["vectors"] + FILES["ed25519"]
OPTIONS = {
    "headerPrefix": "header_prefix",
    "signatureHeader": "signature_header",
    "signatureFormat": "signature_format",
    "requireTimestamp": "require_timestamp",
}


def verify(vector):
    options = {OPTIONS[name]: value for name, value in vector["options"].items()}
    webhook = Webhook(vector["secrets"], vector["tolerance"], **options)
    headers = [tuple(pair) for pair in vector["headers"]]
    return webhook.verify(base64.b64decode(vector["body"]), headers, now=vector["now"])


@pytest.mark.skipif(not VECTORS, reason="sdk/vectors.json is in the repository only")
def test_there_are_vectors():
    assert len(VECTORS) > 170


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["expect"]["ok"]], ids=lambda v: v["name"]
)
def test_a_good_request_is_an_event(vector):
    event, expect = verify(vector), vector["expect"]
    assert (event.type, event.organization_id) == (expect["event"], expect["organizationId"])
    assert event.id == expect["id"]
    assert event.timestamp.isoformat() == expect["timestamp"].replace("Z", "+00:00")
    signed_at = expect["signedAt"]
    assert event.headers.signed_at == (
        None if signed_at is None else datetime.fromtimestamp(signed_at, timezone.utc)
    )
    assert event.payload["data"] == json.loads(expect["data"])
    assert getattr(event.data, "raw", event.data) == json.loads(expect["data"])
    assert event.body == base64.b64decode(vector["body"])


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "reason" in v["expect"]], ids=lambda v: v["name"]
)
def test_a_bad_request_is_refused_with_its_reason(vector):
    with pytest.raises(VerificationError) as refused:
        verify(vector)
    assert refused.value.reason == vector["expect"]["reason"]
    for secret in vector["secrets"]:
        assert secret not in str(refused.value)


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "error" in v["expect"]], ids=lambda v: v["name"]
)
def test_what_is_no_refusal_is_an_error_of_its_own(vector):
    with pytest.raises(
        ValueError, match=r"secret|signature is right|public key|private key"
    ) as raised:
        verify(vector)
    is_payload = isinstance(raised.value, PayloadError)
    assert is_payload == (vector["expect"]["error"] == "invalid_payload")
    assert all(secret not in str(raised.value) for secret in vector["secrets"] if secret)
