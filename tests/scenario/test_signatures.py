"""Receivers verify signatures, through rotations, with the tools that they would use."""

import asyncio
import base64
import hashlib
import hmac
import shutil
import subprocess

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook as StandardWebhook

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "an old friend of mine"


async def test_a_receiver_verifies_ed25519_with_the_public_key_also_through_a_rotation(
    server, receiver
) -> None:
    hook = await server.webhook(receiver.url, signing="ed25519")
    path = f"~/webhooks/{hook['id']}"

    def verified(got, public: str) -> list[bool]:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
        content = f"{got['webhook-id']}.{got['webhook-timestamp']}.".encode() + got.body
        found = []
        for entry in got["webhook-signature"].split(" "):
            version, _, text = entry.partition(",")
            assert version == "v1a"
            try:
                key.verify(base64.b64decode(text), content)
                found.append(True)
            except InvalidSignature:
                found.append(False)
        return found

    first = (await server.ok("GET", f"{path}/secret"))["publicKey"]
    await server.emit()
    (got,) = await receiver.wait_for(1)
    assert verified(got, first) == [True]
    assert "x-winnerr-signature" not in got.headers
    second = (await server.ok("PUT", f"{path}/secret", {"overlapSeconds": 3600}))["publicKey"]
    await server.emit()
    got = (await receiver.wait_for(2))[-1]
    assert verified(got, first) == [True, False]
    assert verified(got, second) == [False, True]


async def test_node_verifies_the_signature_over_the_raw_body(server, receiver) -> None:
    """The documented one-liner of MISSION.md, run in Node.js itself."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    await server.webhook(receiver.url, secret=SECRET)
    await server.emit(data={"name": "Jürgen 🎉", "amount": 10.0})
    (got,) = await receiver.wait_for(1)
    script = (
        "const {createHmac}=require('crypto');const raw=require('fs').readFileSync(0);"
        "process.stdout.write('sha256='+createHmac('sha256',process.argv[1])"
        ".update(raw).digest('hex'))"
    )
    run = await asyncio.to_thread(
        subprocess.run,
        [node, "-e", script, SECRET],
        input=got.body,
        capture_output=True,
        check=True,
    )
    assert run.stdout.decode() == got["X-Winnerr-Signature"]


async def test_the_standard_webhooks_library_verifies_the_other_signature(server, receiver) -> None:
    hook = await server.webhook(receiver.url, generateSecret=True)
    assert hook["secret"].startswith("whsec_")
    await server.emit()
    (got,) = await receiver.wait_for(1)
    assert StandardWebhook(hook["secret"]).verify(got.body, got.headers) == got.json
    digest = hmac.new(hook["secret"].encode(), got.body, hashlib.sha256).hexdigest()
    assert got["X-Winnerr-Signature"] == f"sha256={digest}"


async def test_while_secrets_overlap_both_verify_and_the_old_one_stays_first(
    server, receiver
) -> None:
    hook = await server.webhook(receiver.url, secret=SECRET)
    rotated = await server.ok("PUT", f"~/webhooks/{hook['id']}/secret", {})
    assert rotated["overlapEndsAt"].endswith("Z")
    await server.emit()
    (got,) = await receiver.wait_for(1)
    for name, secret in (("", SECRET), ("-Next", rotated["secret"])):
        digest = hmac.new(secret.encode(), got.body, hashlib.sha256).hexdigest()
        assert got[f"X-Winnerr-Signature{name}"] == f"sha256={digest}"
    assert len(got["webhook-signature"].split(" ")) == 2
    StandardWebhook(rotated["secret"]).verify(got.body, got.headers)

    await server.ok(
        "PUT",
        f"~/webhooks/{hook['id']}/secret",
        {"secret": rotated["secret"], "overlapSeconds": 0},
    )
    await server.emit()
    got = (await receiver.wait_for(2))[1]
    digest = hmac.new(rotated["secret"].encode(), got.body, hashlib.sha256).hexdigest()
    assert got["X-Winnerr-Signature"] == f"sha256={digest}"
    assert "x-winnerr-signature-next" not in got.headers
    assert " " not in got["webhook-signature"]
