"""What is generated is as its scripts make it now."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.ed25519_keys import public_key
from winnerr_webhooks.domain.mixed_signing import make_signer
from winnerr_webhooks.domain.signing import Signer

SDK = Path(__file__).parents[1]
SENT = ["X-Winnerr-Signature", "webhook-id", "webhook-timestamp", "webhook-signature"]
"""The headers that the server signs with, in its order."""


def as_sent():
    """Return the vectors whose headers are those that the server sends, both of them right."""
    vectors = json.loads((SDK / "vectors.json").read_text("utf-8"))["vectors"]
    return [
        one
        for one in vectors
        if one["expect"]["ok"]
        and [name for name, _ in one["headers"]] == SENT
        and not one["options"]
        and not one["name"].startswith("standard_decides")
    ]


def check(script):
    return subprocess.run(
        [sys.executable, str(SDK / script), "--check"], stderr=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
def test_the_vectors_are_what_openssl_computes():
    done = check("make_vectors.py")
    assert done.returncode == 0, done.stderr


def test_the_events_are_those_of_the_catalogue():
    done = check("generate_events.py")
    assert done.returncode == 0, done.stderr


def test_the_types_of_the_api_are_those_of_the_openapi_document():
    done = check("generate_api_types.py")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("vector", as_sent(), ids=lambda vector: vector["name"])
def test_the_server_signs_as_the_vector_says(vector):
    headers = {name: value.strip() for name, value in vector["headers"]}
    signatures = [headers["X-Winnerr-Signature"], headers["webhook-signature"]]
    assert signatures in [server_signs(vector, one) for one in vector["secrets"]]


def test_enough_vectors_are_as_the_server_sends_them():
    assert len(as_sent()) > 20


def server_signs(vector, secret):
    headers = dict(vector["headers"])
    lines = Signer(secret, branding=Config().branding).headers(
        base64.b64decode(vector["body"]),
        headers["webhook-id"].strip(),
        int(headers["webhook-timestamp"]),
        vector["now"] * 1000,
    )
    return [line.split(": ", 1)[1] for line in lines.decode().splitlines()]


def test_the_server_signs_with_ed25519_as_the_vectors_say():
    vectors = json.loads((SDK / "vectors.json").read_text("utf-8"))["ed25519"]
    vector = next(one for one in vectors if one["name"] == "public_key")
    headers = dict(vector["headers"])
    key = "whsk_" + base64.b64encode(bytes(range(32))).decode()
    signer = make_signer(key, None, None, branding=Config().branding)
    seconds = int(headers["webhook-timestamp"])
    lines = signer.headers(base64.b64decode(vector["body"]), headers["webhook-id"], seconds, 0)
    assert lines.decode() == f"webhook-signature: {headers['webhook-signature']}\r\n"
    assert [public_key(key)] == vector["secrets"]
