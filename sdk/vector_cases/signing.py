"""The parts of a signed request: secrets, bodies, and headers with their signatures.

Every HMAC is computed by the `openssl` command line, so that the vectors judge each SDK and the
server alike and repeat no mistake of theirs. The key is passed as hexadecimal digits: a key may
hold any byte, NUL included.
"""

import base64
import subprocess
from functools import cache
from typing import Final

Headers = list[list[str]]

NOW: Final = 1736950985
SIGNED_AT: Final = 1736950982
TOLERANCE: Final = 300
ID: Final = "evt_01jhmz6c0a0000000001q3w9e5"

PLAIN: Final = "correct horse battery staple"
WHSEC: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode()
"""Its key begins with a NUL byte."""
OTHER: Final = "whsec_" + base64.b64encode(bytes(range(100, 132))).decode()
NON_ASCII: Final = "Schlüssel-鍵-🔑"

BODY: Final = (
    '{"event":"contact.created","timestamp":"2025-01-15T14:23:00Z",'
    '"organizationId":"org_abc123",'
    '"data":{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com"}}'
).encode("ascii")
RICH_DATA: Final = (
    '{"id":"deal_4821","name":"Zoë & Søn <Größe>","url":"https://example.com/deals/4821",'
    '"amount":12000.00}'
)
RICH: Final = (
    '{"event":"deal.created","timestamp":"2025-01-15T14:23:00Z",'
    f'"organizationId":"org_abc123","data":{RICH_DATA}}}'
).encode()
"""A body that every formatter writes differently."""


@cache
def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 of a message, by `openssl dgst`."""
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-binary", "-macopt"]
    done = subprocess.run(
        [*command, f"hexkey:{key.hex()}"], input=message, stdout=subprocess.PIPE, check=True
    )
    return done.stdout


def own_signature(secret: str, body: bytes, text: str = "sha256={hex}") -> str:
    """The value of `X-Winnerr-Signature`, or of the header that a product has in its place."""
    digest = hmac_sha256(secret.encode(), body)
    encoded = base64.b64encode(digest).decode()
    return text.replace("{hex}", digest.hex()).replace("{base64}", encoded)


def standard_signature(
    secret: str, body: bytes, *, event_id: str = ID, timestamp: object = SIGNED_AT
) -> str:
    """One entry of `webhook-signature`."""
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    content = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac_sha256(key, content)).decode()


def own(secret: str, body: bytes = BODY, name: str = "X-Winnerr-Signature") -> Headers:
    """Return our own signature header."""
    return [[name, own_signature(secret, body)]]


def standard(
    signatures: str, event_id: str = ID, timestamp: object = SIGNED_AT, **names: str
) -> Headers:
    """Return the three headers of Standard Webhooks."""
    return [
        [names.get("id", "webhook-id"), event_id],
        [names.get("timestamp", "webhook-timestamp"), str(timestamp)],
        [names.get("signature", "webhook-signature"), signatures],
    ]


def signed(secret: str, body: bytes = BODY, timestamp: int = SIGNED_AT) -> Headers:
    """Both schemes, as the server sends them."""
    entry = standard_signature(secret, body, timestamp=timestamp)
    return own(secret, body) + standard(entry, timestamp=timestamp)


def without(headers: Headers, *names: str) -> Headers:
    """Return the headers less those of these names."""
    return [pair for pair in headers if pair[0].lower() not in names]
