"""Signatures with Ed25519 (RFC 8032), which a public key verifies.

They are a list of their own: an SDK that knows HMAC only does not read it.
"""

import base64
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from vector_cases.collection import Vectors
from vector_cases.signing import (
    BODY,
    ID,
    NOW,
    RICH,
    SIGNED_AT,
    WHSEC,
    own,
    standard,
    standard_signature,
    without,
)

_PRIVATE: Final = bytes.fromhex("302e020100300506032b657004220420")
"""What precedes the 32 bytes of a private key in its DER form (RFC 8410, section 7)."""
SEED: Final = bytes(range(32))
OTHER_SEED: Final = bytes(range(100, 132))


@cache
def public_key(seed: bytes) -> str:
    """The public key as the settings page shows it, by `openssl pkey`."""
    command = ["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"]
    done = subprocess.run(command, input=_PRIVATE + seed, stdout=subprocess.PIPE, check=True)
    return "whpk_" + base64.b64encode(done.stdout[-32:]).decode()


@cache
def entry(
    seed: bytes, body: bytes = BODY, *, event_id: str = ID, timestamp: int = SIGNED_AT
) -> str:
    """One entry of `webhook-signature`, by `openssl pkeyutl`."""
    with tempfile.TemporaryDirectory() as folder:
        content, key = Path(folder) / "content", Path(folder) / "key"
        content.write_bytes(f"{event_id}.{timestamp}.".encode() + body)
        key.write_bytes(_PRIVATE + seed)
        command = ["openssl", "pkeyutl", "-sign", "-rawin", "-keyform", "DER"]
        done = subprocess.run(
            [*command, "-inkey", key, "-in", content], stdout=subprocess.PIPE, check=True
        )
    return "v1a," + base64.b64encode(done.stdout).decode()


def public_keys(v: Vectors) -> None:
    """A public key in place of a secret."""
    key, other = public_key(SEED), public_key(OTHER_SEED)
    good, wrong = entry(SEED), entry(OTHER_SEED)
    hmac = standard_signature(WHSEC, BODY)
    v.good("public_key", "As the server sends it.", standard(good), secrets=key)
    v.good(
        "public_key_rich_body", "Other bytes.", standard(entry(SEED, RICH)), body=RICH, secrets=key
    )
    v.refused("public_key_of_another", "no_match", "Another key.", standard(wrong), secrets=key)
    v.refused(
        "public_key_other_body",
        "no_match",
        "The body was changed.",
        standard(good),
        body=RICH,
        secrets=key,
    )
    v.refused(
        "public_key_other_id",
        "no_match",
        "The id is signed, too.",
        standard(good, event_id=ID[:-1] + "x"),
        secrets=key,
    )
    v.refused(
        "public_key_other_time",
        "no_match",
        "The time is signed, too.",
        standard(good, timestamp=SIGNED_AT + 1),
        secrets=key,
    )
    v.refused(
        "public_key_too_old",
        "too_old",
        "A good signature of long ago.",
        standard(entry(SEED, timestamp=NOW - 3600), timestamp=NOW - 3600),
        secrets=key,
    )
    v.good("public_key_rotation", "Two entries.", standard(f"{wrong} {good}"), secrets=key)
    v.good("public_keys_both", "Two keys.", standard(good), secrets=[other, key])
    v.good(
        "public_key_beside_secret_hmac",
        "From HMAC to Ed25519: the old secret still signs.",
        own(WHSEC) + standard(f"{hmac} {good}"),
        secrets=[WHSEC],
    )
    v.good(
        "public_key_beside_secret",
        "From HMAC to Ed25519: the key alone is known.",
        own(WHSEC) + standard(f"{hmac} {good}"),
        secrets=[key],
    )
    v.good("public_key_and_secret", "Either may have signed.", standard(good), secrets=[WHSEC, key])
    v.refused(
        "hmac_for_public_key",
        "no_match",
        "A signature of a secret, and a key is known.",
        standard(hmac),
        secrets=key,
    )
    v.refused(
        "ed25519_as_v1",
        "no_match",
        "The value of an HMAC under the other name.",
        standard("v1a" + hmac[2:]),
        secrets=key,
    )
    v.refused(
        "hmac_keyed_with_public_key",
        "no_match",
        "Everybody knows the public key: an HMAC made with it says nothing.",
        own(key) + standard(standard_signature(key, BODY)),
        secrets=key,
    )
    v.refused(
        "own_header_keyed_with_public_key",
        "no_match",
        "The same by the product's own header alone.",
        own(key),
        secrets=key,
    )
    v.refused(
        "public_key_signature_cut",
        "no_match",
        "Shorter than 64 bytes: ignored.",
        standard("v1a," + base64.b64encode(bytes(63)).decode()),
        secrets=key,
    )
    v.refused(
        "public_key_not_base64", "malformed_header", "No base64.", standard("v1a,***"), secrets=key
    )
    v.refused(
        "public_key_header_stripped",
        "missing_header",
        "No signature.",
        without(standard(good), "webhook-signature"),
        secrets=key,
    )
    for name, wrong_key in (
        ("short", "whpk_" + base64.b64encode(bytes(31)).decode()),
        ("long", "whpk_" + base64.b64encode(bytes(33)).decode()),
        ("no_base64", "whpk_" + "*" * 44),
        ("one_character", "whpk_A"),
        ("private", "whsk_" + base64.b64encode(SEED).decode()),
    ):
        v.unusable(
            f"public_key_{name}", "invalid_secret", "No public key.", standard(good),
            secrets=wrong_key,
        )  # fmt: skip
